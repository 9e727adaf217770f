"""One account in several places at once: tabs of a browser, and browsers."""

import signal
from collections.abc import Callable

import pytest
from e2e.client import eventually
from e2e.conftest import StartServer
from e2e.process import ServerProcess, port_of

from .visit import OpenVisit, Visit


def test_two_tabs_send_once_and_in_order(start_server: StartServer, visit: OpenVisit) -> None:
    server = start_server()
    server.add("ann"), server.add("bob")
    first = visit(server, "ann")
    second = visit(server, context=first.context).online()
    for tab in (first, second):
        tab.open("bob")
    texts = [f"line {number}" for number in range(8)]
    for number, text in enumerate(texts[:3]):
        (first, second)[number % 2].say(text)
    server.kill()
    for number, text in enumerate(texts[3:]):
        (first, second)[number % 2].say(text)
    first.eventually("return conversation('bob').waiting.length > 4", wanted=True)
    first.page.close()  # what it wrote is sent by the other one
    server = start_server("--port", port_of(server))
    second.hurry()
    second.eventually("return chat.outbox.unsent()", 0)
    with server.json("bob") as reader:
        found = reader.request("history", **{"with": "ann"})["messages"]
    assert [each["text"] for each in found] == texts
    assert second.texts("bob") == texts


def test_a_draft_is_the_same_in_both_tabs(
    server: ServerProcess, page_of: Callable[[str], Visit], visit: OpenVisit
) -> None:
    ann, bob = server.accounts("ann", "bob")
    first = page_of(ann)
    second = visit(server, context=first.context).online()
    first.open(bob)
    first.write("half a thought")
    second.until("conversation(given)?.draft.text === 'half a thought'", bob)
    first.say("a whole one")
    second.until("conversation(given).draft.text === ''", bob)


def test_what_was_read_on_one_device_is_read_on_the_other(
    server: ServerProcess, page_of: Callable[[str], Visit]
) -> None:
    ann, bob = server.accounts("ann", "bob")
    desk, phone = page_of(ann), page_of(ann)
    with server.json(bob) as other:
        seq = other.request("send", to=[ann], text=f"hello @{ann}")["seq"]
        for device in (desk, phone):
            device.until("conversation(given)?.unread === 1", bob)
            assert device.js("return conversation(given).mentions", bob) == 1
        desk.js("await chat.actions.markRead(given)", bob)
        phone.until("conversation(given).unread === 0 && conversation(given).mentions === 0", bob)
        desk.open(bob)
        desk.say("hello yourself")
        phone.until("conversation(given).messages.length === 2", bob)
        desk.js(f"await chat.actions.react({seq}, '👍')")
        other.request("edit", target=seq, text="hello")
        for device in (desk, phone):
            device.until("conversation(given).messages[0].text === 'hello'", bob)
            device.eventually(
                f"return [...conversation('{bob}').messages[0].reactions.keys()]", ["👍"]
            )
            assert device.texts(bob) == ["hello", "hello yourself"]
            assert device.js("return conversation(given).unread", bob) == 0


def test_another_account_in_the_same_browser(start_server: StartServer, visit: OpenVisit) -> None:
    server = start_server()
    for name in ("ann", "bob", "carol"):
        server.add(name)
    tab = visit(server, "ann")
    tab.open("bob")
    tab.say("sent")
    tab.eventually("return chat.outbox.unsent()", 0)
    tab.js("await chat.outbox.saveDraft('carol', {text: 'a draft'})")
    server.kill()
    tab.say("unsent")
    tab.js("chat.wire.stop()")  # so that it stays unsent
    server = start_server("--port", port_of(server))
    tab.js("window.asked = chat.actions.logout()")
    tab.page.click("dialog[open] button:not(.primary)")
    assert tab.js("return window.asked") is False
    tab.js("window.asked = chat.actions.logout()")
    tab.page.click("dialog[open] button.primary")
    tab.page.wait_for_selector("#login:not([hidden]) form")
    left = tab.js(
        "await chat.db.open('ann'); const { messages, meta, drafts, outbox } ="
        " await chat.db.load(); chat.db.close();"
        " return [messages.size, meta.size, drafts.size, outbox.length]"
    )
    assert left == [0, 0, 1, 1]
    tab.login("bob")
    tab.open("ann")
    assert tab.texts("ann") == ["sent"]
    assert (
        tab.js(
            "return [...chat.store.store.conversations.values()].map((c) => c.draft.text)"
            ".filter(Boolean)"
        )
        == []
    )
    assert tab.js("return chat.outbox.unsent()") == 0
    tab.js("await chat.actions.logout()")
    tab.page.wait_for_selector("#login:not([hidden]) form")
    tab.login("ann")
    tab.eventually("return chat.outbox.unsent()", 0)
    assert tab.js("return conversation('carol').draft.text") == "a draft"
    with server.json("bob") as reader:
        found = reader.request("history", **{"with": "ann"})["messages"]
    assert [each["text"] for each in found] == ["sent", "unsent"]


@pytest.mark.parametrize("how", ["revoked", "disabled"])
def test_a_session_that_has_ended(
    server: ServerProcess, page_of: Callable[[str], Visit], how: str
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    tab.open(bob)
    tab.js("await chat.outbox.saveDraft(given, {text: 'a draft'})", bob)
    if how == "revoked":
        with server.json(ann) as other:
            for each in other.request("devices")["devices"]:
                other.request("revoke", device=each["device"])
    else:
        lines = server.passwords.read_text("utf-8").splitlines()
        server.passwords.write_text(
            "".join(f"{each}\n" for each in lines if not each.startswith(f"{ann}:")), "utf-8"
        )
        server.signal(signal.SIGHUP)
    tab.page.wait_for_selector("#login:not([hidden]) form")
    assert tab.page.locator("#login").inner_text().count("logged out") or how == "disabled"
    tab.go("/")
    assert tab.page.is_visible("#login form")
    if how == "revoked":
        tab.login(ann)
        assert tab.js("return conversation(given).draft.text", bob) == "a draft"


def test_a_room_made_on_another_device(
    server: ServerProcess, page_of: Callable[[str], Visit]
) -> None:
    ann = server.account("ann")
    tab = page_of(ann)
    with server.json(ann) as other:
        other.request("create", room=f"of-{ann}", access="closed")
        other.request("topic", room=f"of-{ann}", topic="on call")
        tab.until("conversation(given)?.role === 'owner'", f"#of-{ann}")
        tab.eventually(
            f"const c = conversation('#of-{ann}'); return [c.topic, c.access, c.people, c.joined]",
            ["on call", "closed", 1, True],
        )
        assert tab.js("return chat.store.store.rooms.get(given).role", f"of-{ann}") == "owner"
        other.request("leave", room=f"of-{ann}")
        tab.until("!conversation(given)", f"#of-{ann}")


def test_a_name_in_an_address_may_be_written_in_any_case(
    server: ServerProcess, page_of: Callable[[str], Visit]
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    tab.go(f"/u/{bob.upper()}")
    tab.online()
    tab.say("hello")
    with server.json(bob) as other:
        other.request("send", to=[ann], text="hi")
    tab.until("chat.store.conversation(given).messages.length === 2", bob)
    keys = tab.js("return [...chat.store.store.conversations.keys()]")
    assert [each.lower() for each in keys].count(bob) == 1
    eventually(lambda: tab.shown() == ["hello", "hi"])  # rows are drawn once a frame
