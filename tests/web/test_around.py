"""What is around the talk: the conversations, people and settings, search, Ctrl-K."""

import re
from collections.abc import Callable

import pytest
from e2e.conftest import StartServer
from e2e.process import ServerProcess

from .visit import OpenVisit, Visit

_ANSWERED = "/message|found/.test(document.querySelector('#panel form ~ p[role]').textContent)"
PageOf = Callable[[str], Visit]


def _row(tab: Visit, name: str) -> str:
    """Return what a screen reader reads of a conversation in the sidebar."""
    link = tab.page.locator(f"#side li:has(.one-line:text-is('{name}')) > a")
    return re.sub(r"\s+", " ", str(link.evaluate("(e) => e.textContent"))).strip()


# -- Logging in --


def test_a_refused_login_says_why_and_when_to_try_again(
    start_server: StartServer, visit: OpenVisit
) -> None:
    server = start_server(login_attempts=2, login_block_seconds=50)
    server.add("ann")
    server.add("bob")
    tab = visit(server)
    page = tab.page
    assert page.locator("#login-name").get_attribute("autocomplete") == "username"
    assert page.locator("#login-password").get_attribute("autocomplete") == "current-password"
    said = page.locator("#login [role=alert]")
    page.fill("#login-name", "ann")
    page.fill("#login-password", "wrong")
    page.keyboard.press("Enter")
    said.filter(has_text="Wrong name or password; 1 try left.").wait_for()
    assert page.evaluate("document.activeElement.id") == "login-password"
    page.keyboard.type("wrong again")
    page.keyboard.press("Enter")
    page.locator("#login .said").filter(
        has_text=re.compile("Try again in [1-5][0-9]? seconds")
    ).wait_for()
    assert page.locator("#login button").get_attribute("aria-disabled") == "true"
    page.fill("#login-name", "bob")
    assert page.locator("#login button").get_attribute("aria-disabled") == "false"
    tab.login("bob")


# -- The sidebar --


def test_what_waits_stands_beside_its_conversation(page_of: PageOf, server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as other:
        other.ask("create", room=f"a-{bob}")
        tab = page_of(ann)
        tab.js("await chat.actions.join(given)", f"a-{bob}")
        for text in ("one", f"two, @{ann}", "three"):
            other.ask("send", room=f"a-{bob}", text=text)
        other.tell(ann, "alone")
        tab.until("conversation(given)?.unread === 3", f"#a-{bob}")
        tab.until("document.querySelector('#side').textContent.includes('1 unread')")
        assert _row(tab, f"a-{bob}").endswith("1, 1 mention of you")
        assert _row(tab, bob).startswith(f"{bob}1")
        assert (
            tab.page.locator(f"#side li:has-text('{bob}') .dot").last.get_attribute("aria-label")
            == "here"
        )
        tab.open(bob)
        tab.write("unfinished")
        tab.open(f"#a-{bob}")
        tab.until("document.querySelector('#side').textContent.includes('has a draft')")
        tab.js("chat.actions.notify(given, 'none')", bob)
        tab.page.locator("#side a.muted").wait_for()
    tab.page.locator(f"#side li:has-text('{bob}') .dot.away").wait_for()


def test_the_filter_finds_and_enter_goes_there(page_of: PageOf, server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as other:
        other.tell(ann, "hello")
        tab = page_of(ann)
        tab.page.locator(f"#side a:has-text('{bob}')").wait_for()
        tab.page.fill("#side input", bob)
        tab.page.locator("#side a:has-text('lobby')").wait_for(state="detached")
        tab.page.press("#side input", "Enter")
        tab.until("chat.store.store.open === given", bob)
        assert tab.page.input_value("#side input") == ""


def test_offline_and_what_waits_is_said_in_ones_own_line(
    start_server: StartServer, visit: OpenVisit
) -> None:
    server = start_server()
    tab = visit(server, server.add("ann"))
    tab.page.locator(".me:has-text('Here')").wait_for()
    tab.open("#lobby")
    server.kill()
    tab.offline()
    tab.say("later")
    tab.page.locator(".me").filter(has_text=re.compile("1 message waits")).wait_for()


# -- New conversations and rooms --


def test_a_conversation_with_two_is_begun_by_keys_alone(
    page_of: PageOf, server: ServerProcess
) -> None:
    ann, bob, carol = server.accounts("ann", "bob", "carol")
    with server.json(bob), server.json(carol):
        tab = page_of(ann)
        keys = tab.page.keyboard
        keys.press("Control+k")
        keys.type("new conv")
        keys.press("Enter")
        tab.page.locator("dialog.window[open]").wait_for()
        for name in (bob, carol):
            keys.type(name)
            keys.press("Enter")
        keys.press("Enter")
        tab.until("chat.store.store.open === given", ",".join(sorted((bob, carol))))
        tab.until("document.querySelector('dialog[open]') === null")


def test_rooms_are_found_joined_and_made(page_of: PageOf, server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as other:
        other.ask("create", room=f"of-{bob}")
        tab = page_of(ann)
        page = tab.page
        page.click("#side button[aria-label='Find rooms']")
        page.fill("dialog[open] input", f"of-{bob}")
        page.click(f"dialog[open] button[aria-label='Join #of-{bob}']")
        tab.until("chat.store.store.open === given", f"#of-{bob}")
        assert ann in [each["name"] for each in other.ask("members", room=f"of-{bob}")["members"]]
        page.click("#side button[aria-label='Find rooms']")
        page.click("dialog[open] button:text-is('Make a room')")
        page.keyboard.type(f"of-{bob}")
        page.keyboard.press("Enter")
        page.locator("dialog[open] [role=alert]:has-text('is taken')").wait_for()
        page.fill("dialog[open] input[type=text]", f"of-{ann}")
        page.check("dialog[open] input >> nth=1")
        page.keyboard.press("Enter")
        tab.until("conversation(given)?.access === 'closed'", f"#of-{ann}")


def test_an_invitation_stands_in_the_sidebar(page_of: PageOf, server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as other:
        tab = page_of(ann)
        other.ask("create", room=f"in-{bob}", access="closed")
        other.ask("invite", room=f"in-{bob}", name=ann)
        tab.page.click(f"#side button:has-text('in-{bob}')")
        tab.page.click("dialog[open] button.primary")
        tab.until("conversation(given)?.joined", f"#in-{bob}")
        tab.page.locator(f"#side a:has-text('in-{bob}')").wait_for()


# -- The panel --


@pytest.fixture
def room(server: ServerProcess) -> tuple[str, str, str]:
    """A room of ann's, in which bob is: ann, bob and the room."""
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as one, server.json(bob) as other:
        one.ask("create", room=f"of-{ann}")
        other.ask("join", room=f"of-{ann}")
    return ann, bob, f"of-{ann}"


def _somebody(tab: Visit, room: str, name: str) -> None:
    tab.open(f"#{room}")
    if not tab.page.locator("#panel .people").count():
        tab.page.click("#details")
    tab.page.click(f"#panel .people button:has-text('{name}')")
    tab.page.locator("#panel h1").filter(has_text=name).wait_for()


def test_an_owner_gives_roles_mutes_and_removes(
    page_of: PageOf, server: ServerProcess, room: tuple[str, str, str]
) -> None:
    ann, bob, name = room
    with server.json(bob) as other:
        tab = page_of(ann)
        _somebody(tab, name, bob)
        tab.page.select_option("#panel select", "moderator")
        assert other.expect(event="room", change="role")["role"] == "moderator"
        tab.page.click("#panel button:text-is('10 min')")
        assert other.expect(event="room", change="muted")["minutes"] == 10
        tab.page.click("#panel button:text-is('Let speak again')")
        assert other.expect(event="room", change="muted")["minutes"] == 0
        tab.page.click(f"#panel button:text-is('Remove from #{name}')")
        tab.page.keyboard.type("by mistake")
        tab.page.keyboard.press("Enter")
        assert other.expect(event="room", change="removed")["reason"] == "by mistake"
        tab.page.locator("#panel h2:has-text('1 person')").wait_for()


def test_a_member_is_offered_nothing_that_is_refused(
    page_of: PageOf, server: ServerProcess, room: tuple[str, str, str]
) -> None:
    ann, bob, name = room
    tab = page_of(bob)
    _somebody(tab, name, ann)
    tab.page.locator("#panel section:has-text('owner')").wait_for()
    assert tab.page.locator("#panel select").count() == 0
    assert tab.page.locator("#panel button:has-text('Remove')").count() == 0
    tab.page.click("#panel button[aria-label=Back]")
    tab.page.locator("#panel button:has-text('Invite')").wait_for()
    assert tab.page.locator("#panel select").count() == 1  # what to be notified about
    tab.page.click(f"#panel button:text-is('Leave #{name}')")
    tab.page.click("dialog[open] button:text-is('Leave')")
    tab.until("!conversation(given)?.joined", f"#{name}")


def test_topic_settings_and_invitations(
    page_of: PageOf, server: ServerProcess, room: tuple[str, str, str]
) -> None:
    ann, bob, name = room
    carol = server.account("carol")
    with server.json(bob) as other, server.json(carol) as third:
        tab = page_of(ann)
        tab.open(f"#{name}")
        page = tab.page
        page.click("#details")
        page.click("#panel button:text-is('Change the topic')")
        page.keyboard.type("what it is about")
        page.keyboard.press("Enter")
        assert other.expect(event="room", change="topic")["topic"] == "what it is about"
        page.locator("#head p:text-is('what it is about')").wait_for()
        page.get_by_label("Who speaks").select_option("moderators")
        assert other.expect(event="room", change="set")["speaking"] == "moderators"
        page.click("#panel button:has-text('Invite somebody')")
        page.keyboard.type(carol)
        page.keyboard.press("Enter")
        assert third.expect(event="room", change="invited")["room"] == name
        page.click(f"#panel button[aria-label='Withdraw the invitation of {carol}']")
        third.expect(event="room", change="withdrawn")
        page.get_by_label("Notify me about").select_option("mentions")
        tab.until("conversation(given).notify === 'mentions'", f"#{name}")


def test_the_account_is_busy_hidden_and_dressed(page_of: PageOf, server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as other:
        tab = page_of(ann)
        page = tab.page
        page.click(".me")
        page.fill("#busy-reply", "in a meeting")
        page.get_by_role("checkbox", name="Busy").check()
        tab.until("chat.store.store.me.busy")
        assert other.tell(ann, "are you there?")["busy"] == {ann: "in a meeting"}
        page.get_by_role("checkbox", name="Busy").uncheck()
        tab.until("!chat.store.store.me.busy")
        page.get_by_role("checkbox", name="Hidden").check()
        other.expect(event="presence", name=ann, state="offline")
        page.locator(".me:has-text('Hidden')").wait_for()
        page.get_by_role("checkbox", name="Hidden").uncheck()
        page.get_by_label("Colours").select_option("dark")
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
        page.reload()
        page.wait_for_selector("#side a")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_another_device_is_logged_out_from_here(page_of: PageOf, server: ServerProcess) -> None:
    ann = server.account("ann")
    other, tab = page_of(ann), page_of(ann)
    tab.page.click(".me")
    tab.page.locator(".devices li").nth(1).wait_for()
    assert tab.page.locator(".devices :text('this one')").count() == 1
    tab.page.click(".devices button")
    other.page.locator("#login-name").wait_for()
    tab.page.locator(".devices li").nth(1).wait_for(state="detached")


def test_leaving_with_something_unsent_asks(start_server: StartServer, visit: OpenVisit) -> None:
    server = start_server()
    tab = visit(server, server.add("ann"))
    tab.open("#lobby")
    server.kill()
    tab.offline()
    tab.say("never sent")
    tab.page.click(".me")
    tab.page.click("#panel button:text-is('Log out')")
    tab.page.locator("dialog[open]:has-text('not sent yet')").wait_for()
    tab.page.click("dialog[open] button:text-is('Stay')")
    tab.until("chat.outbox.unsent() === 1")


# -- Searching --


def test_a_hit_is_looked_at_in_its_place(page_of: PageOf, server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as other:
        other.tell(ann, "the <b>needle</b> of long ago")
        for number in range(30):
            other.tell(ann, f"hay {number}")
    tab = page_of(ann)
    tab.open("#lobby")
    page = tab.page
    page.keyboard.press("Control+f")
    page.locator("#panel input[type=search]").fill(f"needle from:{bob}")

    page.keyboard.press("Enter")
    one = page.locator(".results li")
    while one.count() != 1:  # a message can be found about a second after it was sent
        tab.js("chat.main.go('/s?q=')")
        tab.js("chat.main.go('/s?q=' + encodeURIComponent(given))", f"needle from:{bob}")
        tab.until(_ANSWERED)
    assert page.locator(".results .hit").inner_text() == "the <b>needle</b> of long ago"
    assert page.locator(".results mark").inner_text() == "needle"
    page.click(".results li button")
    tab.until("chat.store.store.open === given", bob)
    page.locator("#list :text('needle')").wait_for()
    assert page.locator(".results li").count() == 1  # it stays beside the talk
    assert page.locator("#panel header:visible").count() == 1
    page.keyboard.press("Escape")
    page.locator("#panel").wait_for(state="hidden")


# -- Ctrl-K and the keys --


def test_the_palette_forgives_slips(page_of: PageOf, server: ServerProcess) -> None:
    tab = page_of(server.account("ann"))
    tab.js("await chat.actions.create('design'); await chat.actions.topic('design', 'typography')")
    tab.page.keyboard.press("Control+k")
    for typed in ("design", "desing", "dsign", "typo", "#des"):
        tab.page.fill("#palette input", typed)
        chosen = tab.page.locator("#palette [aria-selected=true] .one-line").first
        assert (typed, chosen.inner_text()) == (typed, "#design")
    tab.page.keyboard.press("Enter")
    tab.until("chat.store.store.open === '#design'")


def test_dialogs_give_the_focus_back(page_of: PageOf, server: ServerProcess) -> None:
    tab = page_of(server.account("ann"))
    tab.open("#lobby")
    page = tab.page
    page.focus("#composer textarea")
    page.keyboard.type("half")
    page.keyboard.press("Control+k")
    page.locator("dialog[open]").wait_for()
    page.keyboard.press("Escape")
    tab.until("document.activeElement.tagName === 'TEXTAREA'")
    page.keyboard.type("?")
    tab.until("document.querySelector('#composer textarea').value === 'half?'")
    for label in ("Find rooms", "New conversation"):
        page.focus(f"#side button[aria-label='{label}']")
        page.keyboard.press("Enter")
        page.locator("dialog[open]").wait_for()
        page.keyboard.press("Escape")
        tab.until("document.activeElement.ariaLabel === given", label)
    page.keyboard.press("?")
    page.locator("dialog[open] kbd:text('/send')").first.wait_for()
    page.keyboard.press("Escape")
    page.focus("#details")
    page.keyboard.press("Enter")
    page.locator("#panel h1").first.wait_for()
    tab.until("document.querySelector('#panel').contains(document.activeElement)")
    page.keyboard.press("Escape")
    tab.until("document.activeElement.id === 'details'")


def test_keys_go_from_one_conversation_to_another(page_of: PageOf, server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as other:
        tab = page_of(ann)
        tab.open("#lobby")
        other.tell(ann, "for you")
        tab.until("conversation(given)?.unread === 1", bob)
        tab.page.keyboard.press("Alt+Shift+ArrowDown")
        tab.until("chat.store.store.open === given", bob)
        tab.page.keyboard.press("Alt+ArrowUp")
        tab.until("chat.store.store.open === '#lobby'")
        other.tell(ann, "again")
        tab.page.keyboard.press("Alt+ArrowDown")
        tab.until("chat.store.store.open === given", bob)
        tab.page.keyboard.press("Escape")
        tab.until("conversation(given).unread === 0", bob)


def test_on_a_phone_one_view_at_a_time_and_back_is_history(
    visit: OpenVisit, server: ServerProcess
) -> None:
    tab = visit(server, server.account("ann"), viewport={"width": 375, "height": 812})
    page = tab.page
    page.click("#side a:has-text('lobby')")
    page.locator("#head h1").wait_for()
    assert not page.locator("#side").is_visible()
    page.click("#details")
    page.locator("#panel .people").first.wait_for()
    assert not page.locator("#head").is_visible()
    page.go_back()
    page.locator("#head h1").wait_for()
    page.click("#head button[aria-label=Back]")
    page.locator("#side a").first.wait_for()
