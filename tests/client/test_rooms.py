"""Rooms at a terminal: where words go, what waits to be read, and words that are mended."""

from typing import Any

from msgspec import structs

from chatserver.commands import all_commands
from chatwire.events import (
    Deleted,
    Edited,
    Error,
    Message,
    Reacted,
    ReadOn,
    Replayed,
    RoomChanged,
)
from chatwire.replies import (
    ChangeReply,
    ConversationsReply,
    HistoryReply,
    ReadReply,
    Reply,
    SendReply,
    Waiting,
)

from .fake import Link, message
from .screen import CTRL_C, NO_HURRY, logged_in

ALL = tuple(each.help for each in all_commands() if each.summary)
CAN = ("conversations", "read", "ping")
ALT_A = "\x1ba"
NOW = "2030-01-01T15:24:02.123Z"


def said(seq: int, text: str, sender: str = "bob", **more: Any) -> Message:
    """Return something said in #ops, unless `more` says otherwise."""
    return message(seq, text, sender, **({} if "to" in more else {"room": "ops"}) | more)


def take_conversations(link: Link, *waiting: Waiting) -> None:
    """Tell what waits, as every client of these tests asks after its login."""
    link.answer("conversations", ConversationsReply(conversations=waiting))


def here(**more: Any) -> Any:
    """A client with all commands, of a server that knows of reading."""
    return logged_in(welcome={"commands": ALL, "can": CAN}, **more)


def take(link: Link, op: str, answer: Reply | Error | None = None) -> dict[str, Any]:
    """Answer a request, and on the way those that say what was read. Return it."""
    request = link.read()
    while request["op"] != op and request["op"] in ("ack", "read"):
        if request["op"] == "read":
            link.send(ReadReply(re=request["id"], upto=request["upto"]))
        request = link.read()
    assert request["op"] == op, request
    link.send(structs.replace(answer or Reply(op=op), re=request["id"]))
    return request


def active(link: Link) -> None:
    """Take what the first key of a minute says."""
    assert take(link, "ping")["active"] is True


def sent(link: Link, seq: int, **fields: object) -> None:
    """Take something that is said; it must have these fields."""
    reply = SendReply(seq=seq, delivered=(), stored=(), busy={}, unknown=())
    request = take(link, "send", reply)
    assert fields == {name: request.get(name) for name in fields}


def test_what_is_typed_goes_to_the_room_in_view() -> None:
    with here() as (screen, link):
        take_conversations(
            link,
            Waiting(room="ops", newest=4, read=2, unread=1, mentions=1),
            Waiting(with_=("bob", "carol"), newest=1, read=1, unread=0, mentions=0),
        )
        screen.wait_for_status("#ops 1 · @you 1")
        screen.type("talk #o\t", "> talk #ops")
        active(link)
        screen.type("\r")
        asked = take(
            link,
            "history",
            HistoryReply(messages=(said(2, "old"), said(4, "alice: new")), more=True),
        )
        assert (asked["room"], asked["limit"]) == ("ops", 10)
        screen.wait_for("alice: new")
        screen.wait_for_line("#ops>")  # the whole of it is drawn
        page = [line for line in screen.lines if "→ #ops" in line or "new ---" in line]
        assert page == ["15:24 bob → #ops: old", "--- 1 new ---", "15:24 bob → #ops: alice: new"]
        assert take(link, "read", ReadReply(upto=4))["room"] == "ops"  # a key was just pressed
        screen.say("hello")
        sent(link, 5, room="ops", to=None, text="hello")
        screen.wait_for("alice → #ops: hello")
        assert "#ops 1" not in screen.status


def test_a_room_that_is_none_is_taken_back() -> None:
    with here() as (screen, link):
        take_conversations(link)
        screen.type("talk #nope\rhello\r")
        active(link)
        take(link, "history", Error(code="no_such_room", text="There is no room #nope."))
        assert take(link, "send", Error(code="no_such_room", text="There is no."))["room"] == "nope"
        screen.wait_for("There is no room #nope. What you type goes to nobody; use commands.")
        screen.wait_for_line("> hello")


def test_nothing_is_read_in_an_empty_room() -> None:
    with here() as (screen, link):
        take_conversations(link)
        link.send(said(1, "one"), said(2, "alice: two", mentions=("alice",)))
        link.send(said(3, "psst", to=("alice",)), said(4, "other desk", "alice"))
        screen.wait_for_status("#ops 2 · bob 1 · @you 1")
        link.send(ReadOn(room="ops", upto=2))  # at another desk
        screen.wait(lambda: screen.status.endswith("│ bob 1"))
        screen.type("x")
        active(link)
        assert take(link, "read", ReadReply(upto=4))["upto"] in (3, 4)
        assert take(link, "read", ReadReply(upto=4))["upto"] in (3, 4)
        screen.wait(lambda: "bob 1" not in screen.status)
        link.send(said(5, "while somebody looks on"))
        assert take(link, "read", ReadReply(upto=5))["upto"] == 5


def test_what_has_left_the_screen_is_not_read_by_a_key() -> None:
    with here(rows=10) as (screen, link):
        take_conversations(link)
        link.send(*(said(seq, f"line {seq}") for seq in range(1, 12)))
        link.send(said(12, "psst", to=("alice",)))
        screen.wait_for_status("bob 1 · #ops 11")
        screen.type("x")
        active(link)
        assert take(link, "read", ReadReply(upto=12))["with"] == ["bob"]  # that stands there still
        screen.wait(lambda: screen.status.endswith("│ #ops 11"))
        link.send(said(13, "one more"))  # it would have all before it count as read
        screen.wait_for_status("#ops 12")
        screen.type(CTRL_C, ">")
        screen.type(ALT_A)
        asked = take(link, "history", HistoryReply(messages=(said(13, "one more"),), more=True))
        assert (asked["room"], asked["limit"]) == ("ops", 15)
        assert take(link, "read", ReadReply(upto=13))["upto"] == 13
        screen.wait(lambda: "#ops 12" not in screen.status)


def test_the_key_for_the_next_goes_to_what_stands_on_the_screen() -> None:
    with here() as (screen, link):
        take_conversations(link)
        link.send(said(1, "psst", to=("alice",)))
        screen.wait_for_status("bob 1")
        screen.type(ALT_A)
        screen.wait_for_line("bob>")


def test_one_in_view_and_the_next() -> None:
    with here(CHAT_CLIENT_VIEW="one") as (screen, link):
        take_conversations(link)
        screen.type("talk bob\r")
        active(link)
        take(link, "history", HistoryReply(messages=(), more=False))
        screen.wait_for_line("bob>")
        link.send(said(1, "elsewhere"), said(2, "to you", to=("alice",)))
        screen.wait_for("bob → you: to you")
        screen.wait_for_status("#ops 1")
        assert "elsewhere" not in screen.text
        assert take(link, "read", ReadReply(upto=2))["with"] == ["bob"]
        screen.type("half a thought", "bob> half a thought")
        screen.type(ALT_A)
        take(link, "history", HistoryReply(messages=(said(1, "elsewhere"),), more=False))
        screen.wait_for("elsewhere")
        screen.wait_for_line("#ops>")
        assert "--- 1 new ---" in screen.text
        assert take(link, "read", ReadReply(upto=1))["room"] == "ops"
        screen.say("/next")
        screen.wait_for("Nothing else waits to be read.")
        screen.say("/talk bob")
        take(link, "history", HistoryReply(messages=(), more=False))
        screen.wait_for_line("bob> half a thought")


def test_words_are_mended() -> None:
    with here() as (screen, link):
        take_conversations(link)
        link.send(said(1, "can you look?"), said(2, "and elsewhere", room="lobby"))
        screen.wait_for("and elsewhere")
        screen.type("talk #ops\r")
        active(link)
        take(link, "history", HistoryReply(messages=(), more=False))
        screen.say("/reply  I do")
        sent(link, 3, room="ops", text="I do", reply_to=1)
        screen.wait_for("      ↱ bob: can you look?\n")
        screen.say("/edit I did")
        assert take(link, "edit", ChangeReply(op="edit", seq=4))["target"] == 3
        screen.wait_for("Corrected.")
        screen.say("/react 👍")
        assert take(link, "react", ChangeReply(op="react", seq=5))["target"] == 1
        screen.wait_for("Noted. (bob: can you look?)")
        link.send(said(6, "thanks"))
        screen.wait_for("thanks")
        screen.say("/react -👍")
        request = take(link, "react", ChangeReply(op="react", seq=7))
        assert (request["target"], request["reaction"], request["on"]) == (1, "👍", False)
        screen.say("/react -👍")
        screen.wait_for("No message in #ops is known here that has your 👍")
        screen.say("/edit")
        screen.wait_for_line("#ops> /edit ^3 I did")
        screen.type("!\r")
        request = take(link, "edit", Error(code="too_late", text="It is too late."))
        assert (request["target"], request["text"]) == (3, "I did!")
        screen.wait_for_line("#ops> /edit ^3 I did!")
        screen.type(f"{CTRL_C}/delete\r")
        assert take(link, "delete", ChangeReply(op="delete", seq=6))["target"] == 3
        screen.wait_for("Deleted. (alice: I did)")
        screen.say("/edit")
        screen.wait_for("No message that you have said in #ops is known here: pick one")
        screen.say("/edit ^1")
        screen.wait_for("^1 is no message of yours that is known here: history -n shows")


def test_who_is_removed_talks_there_no_longer() -> None:
    with here() as (screen, link):
        take_conversations(link)
        screen.type("talk #ops\r")
        active(link)
        take(link, "history", HistoryReply(messages=(), more=False))
        screen.wait_for_line("#ops>")
        common: dict[str, Any] = {"at": NOW, "sender": "bob", "change": "removed"}
        link.send(RoomChanged(seq=1, room="ops", name="carol", **common))
        link.send(RoomChanged(seq=2, room="web", name="alice", **common))
        screen.wait_for("bob removed you from #web.")
        screen.wait_for_line("#ops>")
        link.send(RoomChanged(seq=3, room="ops", name="ALICE", reason="spam", **common))
        screen.wait_for("bob removed you from #ops: spam\nWhat you type goes to nobody;")
        screen.wait_for_line(">")


def test_who_leaves_the_room_in_view_talks_to_nobody() -> None:
    with here() as (screen, link):
        take_conversations(link)
        screen.type("talk #ops\r")
        active(link)
        take(link, "history", HistoryReply(messages=(), more=False))
        screen.wait_for_line("#ops>")
        screen.say("/leave web")
        assert take(link, "leave", ChangeReply(op="leave", seq=3))["room"] == "web"
        screen.wait_for("You have left #web.")
        screen.say("/leave")
        assert take(link, "leave", ChangeReply(op="leave", seq=4))["room"] == "ops"
        screen.wait_for("You have left #ops.\nWhat you type goes to nobody;")
        screen.wait_for_line(">")


def test_how_commands_are_typed_is_said_once() -> None:
    with here() as (screen, link):
        take_conversations(link)
        screen.type("talk #ops\r")
        active(link)
        take(link, "history", HistoryReply(messages=(), more=False))
        screen.wait_for("What you type goes to #ops; commands begin with a slash, as /talk does.")
        screen.say("/talk lobby")
        take(link, "history", HistoryReply(messages=(), more=False))
        screen.wait_for("What you type goes to everybody.\n")
        screen.say("/view all")
        screen.wait_for("All conversations are shown.\n")


def test_corrections_are_shown_as_such() -> None:
    with here() as (screen, link):
        take_conversations(link)
        common: dict[str, Any] = {"at": NOW, "sender": "bob", "room": "ops"}
        link.send(said(1, "teh build is borken"))
        link.send(Edited(seq=2, target=1, text="the build is broken\x1b[2J", **common))
        link.send(Reacted(seq=3, target=1, reaction="👍", on=True, **common))
        link.send(Deleted(seq=4, target=1, **common))
        link.send(said(5, "yes", "carol", reply_to=1), said(6, "no", "carol", reply_to=99))
        screen.wait_for("carol → #ops: no")
        shown = screen.lines[screen.lines.index("15:24 bob → #ops: teh build is borken") + 1 :]
        assert shown[:6] == [
            "15:24 bob corrected in #ops: the build is broken[2J",
            "bob reacted with 👍 in #ops. (bob: the build is broken[2J)",
            "bob deleted a message in #ops.",
            "      ↱ bob: (deleted)",
            "15:24 carol → #ops: yes",
            "      ↱ an older message; around ^99 shows it",
        ]


def test_a_number_picks_a_message() -> None:
    with here() as (screen, link):
        take_conversations(link)
        screen.say("history -n 2")
        active(link)
        history = HistoryReply(messages=(said(7, "one"), said(9, "two")), more=False)
        assert take(link, "history", history)["limit"] == 2
        screen.wait_for("^9 bob → #ops: two")
        screen.say("reply ^7 yes")
        sent(link, 10, room="ops", reply_to=7)
        screen.say("reply ^3 what was that?")
        reply = SendReply(op="reply", seq=11, delivered=("bob",), stored=(), busy={}, unknown=())
        assert take(link, "reply", reply)["target"] == 3
        screen.wait_for("Delivered to bob.")
        screen.say("view numbers")
        screen.wait_for("with numbers.")
        link.send(said(12, "three"))
        screen.wait_for("15:24 ^12 bob → #ops: three")


def test_an_answer_goes_to_everybody_of_the_last_private_message() -> None:
    with here() as (screen, link):
        take_conversations(link)
        link.send(said(1, "tea?", to=("alice", "carol")), said(2, "in public"))
        screen.wait_for("in public")
        screen.say("answer yes")
        active(link)
        sent(link, 3, to=["bob", "carol"], text="yes")
        screen.wait_for("you → bob, carol: yes")


def test_what_is_asked_for_without_a_link_is_kept_and_means_the_same() -> None:
    with here(change=NO_HURRY) as (screen, link):
        take_conversations(link)
        link.send(said(1, "one"))
        screen.wait_for("one")
        screen.say("leave #web")
        active(link)
        key = link.expect("leave")["key"]
        screen.wait_for_line(">")
        link.close()
        screen.wait_for_status("not connected")
        screen.say("react +1")
        screen.wait_for("      react +1")
        screen.wait_for_status("2 not sent yet")
        screen.type("\r")
        again = screen.door.open()
        again.take_login_again(missed=1)
        again.send(said(2, "two", replay=True), Replayed(count=1, more=0))
        left = take(again, "leave", ChangeReply(op="leave", seq=3))
        assert (left["room"], left["key"]) == ("web", key)
        assert take(again, "react", ChangeReply(op="react", seq=4))["target"] == 1
        screen.wait_for("Noted.")
