"""Wording: every event in the words that people read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatwire.events import Bye, Error, Event, Hello, Message, Ping, Presence, Replayed
from chatwire.protocol import MOST_COUNTED
from chatwire.replies import (
    BroadcastReply,
    CommandHelp,
    HelpReply,
    Here,
    LastReply,
    LoginReply,
    Parameter,
    Reply,
    Seen,
    SendReply,
    StatusReply,
    WhoReply,
)
from chatwire.text import clean
from chatwire.wording import duration, event_lines, message_lines, speaker


def said(text: str = "hi", sender: str = "bob", to: tuple[str, ...] = ()) -> Message:
    message = Message(seq=1, at="2026-11-22T15:24:02.123Z", sender=sender, text=text)
    if to:
        message.to = to
    else:
        message.room = "lobby"
    return message


ALONE = "Welcome, alice. Nobody else is here. Type help for the commands."


def welcome(**fields: object) -> LoginReply:
    standing = {"online": (), "missed": 0, "busy": False, "hidden": False} | fields
    return LoginReply(name="alice", seq=9, **standing)


def sent(**fields: object) -> SendReply:
    empty = {"delivered": (), "stored": (), "busy": {}, "unknown": ()}
    return SendReply(seq=9, **empty | fields)


@pytest.mark.parametrize(
    ("message", "viewer", "shown"),
    [
        (said(), "alice", "bob"),
        (said(sender="you"), "alice", "you"),
        (said(to=("alice",)), "alice", "bob → you"),
        (said(to=("Alice",)), "aLICE", "bob → you"),
        (said(to=("carol", "alice")), "alice", "bob → you, carol"),
        (said(to=("dave", "alice", "carol")), "alice", "bob → you, dave, carol"),
        (said(sender="alice", to=("bob",)), "alice", "you → bob"),
        (said(sender="alice", to=("bob", "carol")), "ALICE", "you → bob, carol"),
        (said(sender="alice", to=("alice",)), "alice", "alice → you"),
        (said(sender="alice", to=("bob", "alice")), "alice", "alice → you, bob"),
    ],
)
def test_a_message_says_who_speaks_to_whom(message: Message, viewer: str, shown: str) -> None:
    assert speaker(message, viewer) == shown


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("hi", ["bob: hi"]),
        ("one\ntwo", ["bob: one", "    two"]),
        ("\nalice: two", ["bob: ", "    alice: two"]),
        ("one\n\nthree\n", ["bob: one", "    ", "    three", "    "]),
    ],
)
def test_every_line_but_the_first_is_indented(text: str, lines: list[str]) -> None:
    assert message_lines(said(text), "alice") == lines


@given(st.text(st.characters(codec=None) | st.sampled_from("\n\r\x0b\x1c\x85\u2028")))
def test_no_text_can_pass_for_a_message_of_somebody_else(text: str) -> None:
    shown = "\n".join(message_lines(said(clean(text)), "alice"))
    first, *others = shown.splitlines()  # at everything that any program takes for a line end
    assert first.startswith("bob: ")
    assert all(line.startswith("    ") for line in others)


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (Error(code="no_such_user", text="No such user: bbo."), ["No such user: bbo."]),
        (Bye(code="logged_out", text="Goodbye."), ["Goodbye."]),
        (Presence(name="bob", state="online"), ["bob came online."]),
        (Presence(name="bob", state="offline"), ["bob went offline."]),
        (Presence(name="bob", state="busy"), ["bob is busy."]),
        (Presence(name="bob", state="idle"), ["bob is no longer busy."]),
        (Presence(name="bob", state="asleep"), []),  # of a later version
        (Replayed(count=1, more=0), ["End of the 1 message you missed."]),
        (Replayed(count=12, more=0), ["End of the 12 messages you missed."]),
        (
            Replayed(count=500, more=7),
            ["End of the newest 500 messages you missed; type history to see the 7 older."],
        ),
        (Ping(), []),
        (Hello(server="chat"), []),
    ],
)
def test_what_happens_in_words(event: Event, lines: list[str]) -> None:
    assert event_lines(event) == lines


@pytest.mark.parametrize(
    ("reply", "lines"),
    [
        (welcome(), [ALONE]),
        (
            welcome(online=("bob", "carol"), missed=1),
            [
                "Welcome, alice. Here now: bob, carol. Type help for the commands.",
                "1 message while you were away:",
            ],
        ),
        (
            welcome(hidden=True, missed=2),
            [
                ALONE,
                "You are still hidden: type appear to be seen.",
                "2 messages while you were away:",
            ],
        ),
        (
            welcome(busy=True),
            [
                ALONE,
                "You are still busy, messages are held: type idle to see them.",
            ],
        ),
        (
            welcome(busy=True, missed=3),
            [
                ALONE,
                "You are still busy, 3 messages held: type idle to see them.",
            ],
        ),
        (WhoReply(users=()), ["Nobody else is here."]),
        (
            WhoReply(
                users=(
                    Here(name="bob", busy=False, idle_seconds=59),
                    Here(name="carol", busy=True, idle_seconds=0),
                    Here(name="dave", busy=False, idle_seconds=60),
                    Here(name="eve", busy=True, idle_seconds=7200),
                )
            ),
            ["Here now: bob, carol (busy), dave (quiet for 1 min), eve (busy, quiet for 2 h)."],
        ),
        (LastReply(users=()), ["Nobody was here in that time."]),
        (
            LastReply(
                users=(
                    Seen(name="bob", online=True, seconds_ago=0),
                    Seen(name="carol", online=False, seconds_ago=40),
                )
            ),
            ["Here in that time: bob (now), carol (40 s ago)."],
        ),
        (BroadcastReply(seq=1, busy={}), ["Sent to everybody here."]),
        (
            BroadcastReply(seq=1, busy={"dave": "", "eve": "at lunch"}),
            [
                "Sent to everybody here.",
                "dave is busy and will see it later.",
                "eve is busy and will see it later: at lunch",
            ],
        ),
        (sent(delivered=("bob",)), ["Delivered to bob."]),
        (sent(delivered=("bob", "carol", "dave")), ["Delivered to bob, carol and dave."]),
        (
            sent(stored=("bob", "carol"), busy={"eve": "no"}, unknown=("bbo", "x")),
            [
                "Stored for bob and carol, to be shown at the next login.",
                "eve is busy and will see it later: no",
                "No such user: bbo, x.",
            ],
        ),
        (
            sent(stored=("bob",), duplicate=True),
            [
                "That had been sent before; nothing is sent twice.",
                "Stored for bob, to be shown at the next login.",
            ],
        ),
        (
            StatusReply(name="alice", busy=False, hidden=False, held=0),
            ["You are alice: not busy, visible."],
        ),
        (
            StatusReply(name="alice", busy=True, hidden=True, held=1),
            ["You are alice: busy with 1 message held, hidden."],
        ),
        (
            StatusReply(name="alice", busy=True, hidden=False, reply="at lunch", held=0),
            ["You are alice: busy (at lunch) with 0 messages held, visible."],
        ),
        (Reply(op="busy"), ["You are busy: messages are held until you type idle."]),
        (Reply(op="idle"), ["You are no longer busy."]),
        (Reply(op="hide"), ["You are hidden: to everybody else you have logged out."]),
        (Reply(op="appear"), ["You are visible."]),
        (Reply(op="ping"), ["Pong."]),
        (Reply(op="logout"), []),
        (Reply(op="something new"), []),
    ],
)
def test_answers_in_words(reply: Reply, lines: list[str]) -> None:
    assert event_lines(reply) == lines


def test_help_is_a_table_in_groups_and_of_one_command_it_is_every_way_to_type_it() -> None:
    to = Parameter(name="to", label="user", kind="names", required=True)
    who = CommandHelp(name="who", aliases=(), group="people", summary="See who.", parameters=())
    tell = CommandHelp(name="tell", aliases=(), group="talk", summary="Tell.", parameters=(to,))
    new = CommandHelp(name="sing", aliases=(), group="music", summary="Sing.", parameters=())
    assert event_lines(HelpReply(commands=(new, tell, who))) == [
        "Who is here:",
        "  who                               See who.",
        "Talking:",
        "  tell <user>                       Tell.",
        "Besides:",
        "  sing                              Sing.",
        "Type help and a command for all the ways to type it.",
    ]
    assert event_lines(HelpReply(commands=(tell,))) == [
        "tell <user>             Tell.",
        "tell (<user> <user> …)",
    ]
    assert event_lines(HelpReply(commands=())) == []


def test_what_waits_is_counted_to_ten_thousand() -> None:
    status = StatusReply(name="bob", busy=True, hidden=False, held=MOST_COUNTED)
    assert event_lines(status) == ["You are bob: busy with 10000+ messages held, visible."]
    (end,) = event_lines(Replayed(count=500, more=MOST_COUNTED - 500))
    assert end.endswith("the 9500+ older.")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86399, "23 h"),
        (86400, "1 d"),
        (864000, "10 d"),
    ],
)
def test_a_duration_has_its_largest_unit(seconds: int, words: str) -> None:
    assert duration(seconds) == words
