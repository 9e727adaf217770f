"""Nothing that somebody typed is lost: drafts, and what is to be sent."""

from e2e.conftest import StartServer
from e2e.process import ServerProcess, port_of

from .visit import OpenVisit


def _said(server: ServerProcess, to: str, by: str) -> list[str]:
    """What `to` was told by `by`, as the server has it."""
    with server.json(to) as reader:
        found = reader.request("history", **{"with": by, "limit": 500})["messages"]
    return [each["text"] for each in found if each["from"] == by]


def test_a_draft_is_there_after_the_tab_was_killed(server: ServerProcess, visit: OpenVisit) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = visit(server, ann)
    tab.open(bob)
    tab.write("half a thou")
    tab.eventually(
        "return (await chat.db.load()).drafts.get(conversation(chat.store.store.open).key)?.text",
        "half a thou",
    )
    tab.crash()
    again = visit(server, context=tab.context, path=f"/u/{bob}").online()
    assert again.box == "half a thou"
    again.say("half a thought")
    again.eventually("return chat.outbox.unsent()", 0)
    assert _said(server, bob, ann) == ["half a thought"]
    again.eventually("return (await chat.db.load()).drafts.size", 0)


def test_what_was_written_offline_arrives_once_and_in_order(
    start_server: StartServer, visit: OpenVisit
) -> None:
    first = start_server()
    ann, bob = first.add("ann"), first.add("bob")
    tab = visit(first, ann)
    tab.open(bob)
    texts = [f"line {number}" for number in range(20)]
    for text in texts[:3]:
        tab.say(text)
    first.kill()
    for text in texts[3:6]:
        tab.say(text)
    tab.offline()
    for text in texts[6:8]:
        tab.say(text)
    tab.crash()
    second = start_server("--port", port_of(first))
    tab = visit(second, context=tab.context, path=f"/u/{bob}")
    for text in texts[8:]:
        tab.say(text)
    tab.online().eventually("return chat.outbox.unsent()", 0)
    assert _said(second, bob, ann) == texts
    assert tab.texts(bob) == texts
    tab.page.reload()
    tab.until("document.querySelectorAll('#list .text').length === 20")
    assert tab.shown() == texts
