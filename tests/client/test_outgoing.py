"""What was typed, on its way."""

import pytest
from msgspec import UNSET

from chatclient.talk.conversation import Conversation
from chatclient.talk.outgoing import BusyTold, Outgoing
from chatclient.talk.request import Request
from chatwire.replies import BroadcastReply, SendReply


def test_a_conversation_says_what_is_said_in_it() -> None:
    assert Conversation().request("hi") == Request("broadcast", {"text": "hi"})
    both = Conversation(("bob", "carol"))
    assert both.request("hi") == Request("send", {"to": ["bob", "carol"], "text": "hi"})
    assert (Conversation().title, both.title, both.short_title) == (
        "lobby",
        "bob, carol",
        "bob, carol",
    )
    crowd = Conversation(tuple("abcdefghijklmnop"))
    assert crowd.short_title == "a, b, c, d, e, f, g, h, i, j +6"


def test_the_message_it_is_going_to_be() -> None:
    said = Outgoing("hi", Conversation().request("hi")).message("alice", 7)
    assert (said.seq, said.sender, said.room, said.to) == (7, "alice", "lobby", UNSET)
    said = Outgoing("hi", Conversation(("bob",)).request("hi")).message("alice")
    assert (said.seq, said.room, said.to, said.text) == (0, UNSET, ("bob",), "hi")


@pytest.mark.parametrize(
    ("op", "says"), [("broadcast", True), ("send", True), ("who", False), ("busy", False)]
)
def test_what_says_something(op: str, says: bool) -> None:
    assert Outgoing(op, Request(op, {})).says_something is says


def sent(busy: dict[str, str], **others: tuple[str, ...]) -> SendReply:
    return SendReply(seq=1, busy=busy, **({"delivered": (), "stored": (), "unknown": ()} | others))


def test_the_words_of_the_busy_are_said_once() -> None:
    told = BusyTold()
    assert told.outcome(sent({}, delivered=("bob",))) == ""
    assert told.outcome(sent({}, stored=("carol", "erin"))) == "stored for carol, erin"
    assert told.outcome(sent({"dave": "in a meeting"})) == "dave is busy: in a meeting"
    assert told.outcome(BroadcastReply(seq=2, busy={"dave": "in a meeting"})) == "dave is busy"
    assert told.outcome(sent({"dave": "at lunch"})) == "dave is busy: at lunch"
    assert told.outcome(sent({"erin": ""}, unknown=("x",))) == "erin is busy; no such user: x"
