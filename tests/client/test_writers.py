"""Who is writing: whom one is shown, and what one tells."""

import pytest

from chatclient.talk.conversation import Conversation
from chatclient.talk.writers import Writers
from chatwire.events import Event, Presence, Typing
from chatwire.replies import ConversationsReply, HistoryReply, ReadReply

from .fake import Link, message, welcome
from .screen import Screen, logged_in
from .test_rooms import ALL, CAN, active, said, sent, take, take_conversations

OPS, BOB = Conversation(room="ops"), Conversation(("bob",))


def room(sender: str, name: str = "ops") -> Typing:
    return Typing(sender=sender, room=name)


def heard(*events: Event) -> Writers:
    writers = Writers("alice")
    for event in events:
        writers.hear(event, 100.0)
    return writers


def test_the_names_are_those_in_view_and_in_private() -> None:
    writers = heard(room("bob"), room("carol"), room("dave", "web"), room("bob"), room("ALICE"))
    assert writers.text(OPS, 101.0) == "bob and carol are typing"
    assert writers.text(BOB, 101.0) == ""
    assert writers.text(None, 101.0) == ""
    writers.hear(Typing(sender="e\x1b[ve", to=("alice",)), 101.0)
    assert writers.text(BOB, 101.0) == "e[ve is typing"
    assert writers.text(OPS, 101.0) == "3 people are typing"


def test_it_ends_by_itself_unless_it_is_told_again() -> None:
    writers = heard(room("bob"), room("carol"))
    writers.hear(room("bob"), 103.0)
    assert writers.text(OPS, 105.9) == "bob and carol are typing"
    assert writers.text(OPS, 106.0) == "bob is typing"
    assert writers.text(OPS, 109.0) == ""


@pytest.mark.parametrize(
    ("event", "left"),
    [
        (message(1, "done", "BOB", room="ops"), ""),
        (message(1, "elsewhere", "bob"), "bob is typing"),
        (message(1, "another", "carol", room="ops"), "bob is typing"),
        (Presence(name="bob", state="offline"), ""),
        (Presence(name="bob", state="busy"), "bob is typing"),
        (welcome(), ""),
    ],
)
def test_what_ends_it_sooner(event: Event, left: str) -> None:
    assert heard(room("bob"), event).text(OPS, 101.0) == left


def test_no_more_is_kept_than_a_screen_can_use() -> None:
    writers = heard(*(room(f"b{at}") for at in range(1000)))
    assert writers.text(OPS, 101.0) == "100 people are typing"


def at_ops(screen: Screen, link: Link) -> None:
    """Talk in #ops; the first key of a minute is told."""
    take_conversations(link)
    screen.type("talk #ops\r")
    active(link)
    take(link, "history", HistoryReply(messages=(), more=False))
    screen.wait_for_line("#ops>")


WELCOME = {"commands": ALL, "can": (*CAN, "typing")}


def test_who_is_writing_stands_in_the_status_line() -> None:
    with logged_in(welcome=WELCOME) as (screen, link):
        at_ops(screen, link)
        link.send(said(1, "one"), room("bob"))
        screen.wait_for_status("│ bob is typing")
        take(link, "read", ReadReply(upto=1))
        link.send(room("carol"))
        screen.wait_for_status("│ bob and carol are typing")
        link.send(said(2, "two"))
        screen.wait_for_status("│ carol is typing")
        link.send(said(3, "three", "carol"))
        screen.wait(lambda: "typing" not in screen.status)
        assert "typing" not in "".join(screen.scrolled)


def test_it_ends_while_nothing_else_happens() -> None:
    change = "import chatclient.talk.writers as w; w._SHOWN_SECONDS = 0.3"
    with logged_in(welcome=WELCOME, change=change) as (screen, link):
        link.send(Typing(sender="bob", to=("alice",)))
        screen.wait(lambda: b"bob is typing" in screen.raw)
        screen.wait(lambda: "typing" not in screen.status)


def test_what_is_said_is_told_while_it_is_written() -> None:
    change = "import chatclient.faces.upkeep as u; u._WRITING_SECONDS = 300"
    with logged_in(welcome=WELCOME, change=change) as (screen, link):
        take_conversations(link)
        screen.say("send bob in no conversation")  # a command
        active(link)
        sent(link, 1, text="in no conversation")
        screen.say("talk #ops")
        take(link, "history", HistoryReply(messages=(), more=False))
        screen.say("/unread")
        take(link, "unread", ConversationsReply(op="unread", conversations=()))
        screen.say("hello")
        assert take_typing(link) == {"op": "typing", "room": "ops"}
        sent(link, 2, text="hello")
        screen.say("and more")  # not again so soon
        sent(link, 3, text="and more")


def test_it_is_told_again_to_others() -> None:
    change = "import chatclient.faces.upkeep as u; u._WRITING_SECONDS = 0"
    with logged_in(welcome=WELCOME, change=change) as (screen, link):
        at_ops(screen, link)
        screen.type("x")
        assert take_typing(link)["room"] == "ops"
        screen.type("\x7f")  # nothing is left to be said
        screen.type("/talk bob carol\x17\x17(bob carol)\r")
        take(link, "history", HistoryReply(messages=(), more=False))
        screen.wait_for_line("bob, carol>")
        screen.type("//")
        screen.type("s")
        assert take_typing(link) == {"op": "typing", "to": ["bob", "carol"]}


@pytest.mark.parametrize("why", ["hidden", "off", "an old server"])
def test_nothing_is_told(why: str) -> None:
    environ = {"CHAT_CLIENT_TYPING": "false"} if why == "off" else {}
    can = CAN if why == "an old server" else WELCOME["can"]
    welcome = {**WELCOME, "can": can, "hidden": why == "hidden"}
    with logged_in(welcome=welcome, **environ) as (screen, link):
        at_ops(screen, link)
        screen.say("hello")
        sent(link, 1, text="hello")
        link.send(room("bob"), said(2, "one"), room("carol"), said(3, "two"))
        screen.wait_for("two")
        screen.wait_for_line("#ops>")
        assert ("carol is typing" in screen.status) == (why != "off")


def take_typing(link: Link) -> dict[str, object]:
    request = link.expect("typing")
    request.pop("id", None)
    return request
