"""Wording: rooms, what waits in them, and what becomes of messages, as people read it."""

import pytest

from chatwire.events import (
    Deleted,
    Edited,
    Event,
    Message,
    Reacted,
    ReadOn,
    Replayed,
    RoomChanged,
    Typing,
)
from chatwire.protocol import MOST_UNREAD
from chatwire.replies import (
    ChangeReply,
    ConversationsReply,
    LoginReply,
    MembersReply,
    ReadReply,
    Room,
    RoomMember,
    RoomReply,
    RoomsReply,
    SendReply,
    Waiting,
)
from chatwire.wording import event_lines, message_lines

AT = "2026-11-22T15:24:02.123Z"


def lines(event: Event) -> list[str]:
    """Return what alice reads."""
    return event_lines(event, "Alice")


# -- messages --


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, ["bob: one", "    two"]),
        ({"room": "lobby"}, ["bob: one", "    two"]),
        ({"room": "ops"}, ["bob → #ops: one", "    two"]),
        ({"to": ("alice",)}, ["bob → you: one", "    two"]),
        ({"edited": AT}, ["bob: one", "    two (corrected)"]),
        ({"text": "", "deleted": True}, ["bob: (deleted)"]),
        ({"room": "ops", "text": "", "deleted": True}, ["bob → #ops: (deleted)"]),
        ({"reactions": {}}, ["bob: one", "    two"]),
        (
            {"edited": AT, "reactions": {"👍": ("alice", "eve"), "+1": ("dan",)}},
            ["bob: one", "    two (corrected)", "    👍 alice, eve  +1 dan"],
        ),
    ],
)
def test_a_message_says_what_became_of_it(fields: dict[str, object], shown: list[str]) -> None:
    message = Message(seq=1, at=AT, sender="bob", text="one\ntwo")
    for name, value in fields.items():
        setattr(message, name, value)
    assert message_lines(message, "alice") == shown


@pytest.mark.parametrize(
    ("place", "where"),
    [
        ({"room": "lobby"}, ""),
        ({}, ""),
        ({"room": "ops"}, " in #ops"),
        ({"to": ("alice",)}, " in private"),
    ],
)
def test_what_becomes_of_a_message_is_told_with_where_it_was(
    place: dict[str, object], where: str
) -> None:
    common = {"seq": 2, "at": AT, "sender": "bob", "target": 1} | place
    assert lines(Edited(text="a\nb", **common)) == [f"bob corrected{where}: a", "    b"]
    assert lines(Deleted(**common)) == [f"bob deleted a message{where}."]
    assert lines(Reacted(reaction="👍", on=True, **common)) == [f"bob reacted with 👍{where}."]
    assert lines(Reacted(reaction="👍", on=False, **common)) == [f"bob took 👍 back{where}."]


# -- rooms --


@pytest.mark.parametrize(
    ("change", "fields", "line"),
    [
        ("made", {}, "bob made #ops."),
        ("joined", {}, "bob joined #ops."),
        ("left", {}, "bob left #ops."),
        ("invited", {"name": "eve"}, "bob invited eve to #ops."),
        ("invited", {"name": "ALICE"}, "bob invited you to #ops: type join #ops to come in."),
        ("withdrawn", {"name": "eve"}, "bob took back eve's invitation to #ops."),
        ("withdrawn", {"name": "alice"}, "bob took back your invitation to #ops."),
        ("removed", {"name": "eve"}, "bob removed eve from #ops."),
        ("removed", {"name": "alice", "reason": "spam"}, "bob removed you from #ops: spam"),
        ("role", {"name": "eve", "role": "owner"}, "eve is an owner of #ops now."),
        ("role", {"name": "alice", "role": "moderator"}, "You are a moderator of #ops now."),
        ("muted", {"name": "eve", "minutes": 1}, "bob muted eve in #ops for 1 minute."),
        ("muted", {"name": "alice", "minutes": 10}, "bob muted you in #ops for 10 minutes."),
        ("muted", {"name": "alice", "minutes": 0}, "You may speak in #ops again."),
        ("muted", {"name": "eve", "minutes": 0}, "eve may speak in #ops again."),
        ("topic", {"topic": "What runs"}, "bob set the topic of #ops: What runs"),
        ("topic", {"topic": ""}, "bob took away the topic of #ops."),
        (
            "set",
            {"access": "closed", "history": "joined"},
            "bob set #ops up: by invitation only, its past can be read from joining on.",
        ),
        (
            "set",
            {"access": "open", "speaking": "everyone", "history": "all"},
            "bob set #ops up: everybody may join, everybody speaks, its past can be read.",
        ),
        ("set", {"speaking": "moderators"}, "bob set #ops up: only moderators speak."),
        ("set", {"colour": "red"}, "bob set #ops up: as it was."),  # of a later version
        ("painted", {}, None),
    ],
)
def test_what_happens_to_a_room(change: str, fields: dict[str, object], line: str | None) -> None:
    event = RoomChanged(seq=1, at=AT, room="ops", change=change, sender="bob")
    for name, value in fields.items():
        if name in RoomChanged.__struct_fields__:
            setattr(event, name, value)
    assert lines(event) == ([] if line is None else [line])


def ops(**fields: object) -> Room:
    return Room(**{"name": "ops", "access": "open", "people": 2} | fields)


@pytest.mark.parametrize(
    ("room", "line"),
    [
        (ops(), "#ops (2 people, not joined)"),
        (ops(people=1, role="member", topic="What runs"), "#ops (1 person) What runs"),
        (
            ops(role="owner", speaking="moderators"),
            "#ops (2 people, you are an owner, only moderators speak)",
        ),
        (ops(role="moderator", unread=5), "#ops (2 people, you are a moderator, 5 unread)"),
        (
            ops(role="member", unread=MOST_UNREAD, mentions=2),
            "#ops (2 people, 100+ unread, 2 for you)",
        ),
        (ops(access="closed", invited=True), "#ops (2 people, closed, you are invited)"),
        (ops(invited=True), "#ops (2 people, you are invited)"),
        (ops(access="closed"), "#ops (2 people, closed)"),  # which an admin is told of
    ],
)
def test_a_room_in_the_list(room: Room, line: str) -> None:
    assert lines(RoomsReply(rooms=(room, room))) == [line, line]


def test_where_there_are_no_rooms_one_is_told_how_to_make_one() -> None:
    assert lines(RoomsReply(rooms=())) == ["There are no rooms; make one with create #name."]


def test_who_is_in_a_room() -> None:
    members = (
        RoomMember(name="alice", role="owner", here=True),
        RoomMember(name="bob", role="member", here=False, muted=True),
        RoomMember(name="carol", role="moderator", here=True, busy=True),
        RoomMember(name="dan", role="member", here=True),
    )
    assert lines(MembersReply(room="ops", members=members, invited=("eve", "fay"))) == [
        "Here in #ops: alice (owner), carol (moderator, busy), dan.",
        "Not here: bob (muted).",
        "Invited: eve, fay.",
    ]
    assert lines(MembersReply(room="ops", members=())) == ["Nobody is in #ops."]


@pytest.mark.parametrize(
    ("op", "begins"), [("create", "You have made #ops"), ("join", "You are in #ops")]
)
def test_who_comes_into_a_room_learns_what_it_is_like(op: str, begins: str) -> None:
    usual = ": everybody may join." if op == "create" else "."
    assert lines(RoomReply(op=op, seq=1, room=ops(people=1))) == [f"{begins}{usual}"]
    news = ops(people=3, speaking="moderators")
    assert lines(RoomReply(op=op, seq=1, room=news)) == [
        f"{begins}, with 3 people: only moderators speak."
    ]
    closed = ops(access="closed", history="joined", topic="What runs")
    assert lines(RoomReply(op=op, seq=1, room=closed)) == [
        f"{begins}, with 2 people: by invitation only, its past can be read from joining on.",
        "Topic: What runs",
    ]
    assert lines(RoomReply(op=op, seq=1)) == [
        "That was done before; you are not in that room any more."
    ]


# -- what waits --


def test_what_is_unread_conversation_by_conversation() -> None:
    waiting = (
        Waiting(room="ops", newest=9, read=1, unread=5, mentions=1),
        Waiting(with_=("bob",), newest=8, read=1, unread=1, mentions=0),
        Waiting(with_=("bob", "carol"), newest=7, read=1, unread=MOST_UNREAD, mentions=MOST_UNREAD),
        Waiting(room="Lobby", newest=6, read=5, unread=1, mentions=0),
        Waiting(room="quiet", newest=6, read=6, unread=0, mentions=0),
    )
    for op in ("unread", "conversations"):
        assert lines(ConversationsReply(op=op, conversations=waiting)) == [
            "#ops: 5 unread, 1 for you",
            "bob: 1 unread",
            "(bob carol): 100+ unread, 100+ for you",
            "lobby: 1 unread",
        ]
        assert lines(ConversationsReply(op=op, conversations=waiting[4:])) == ["Nothing is unread."]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (ReadReply(upto=9), "Marked as read."),
        (ReadOn(room="ops", upto=9), None),
        (Typing(sender="bob", room="ops"), None),
        (Replayed(count=0, more=0), None),
        (SendReply(seq=9, delivered=(), stored=(), busy={}, unknown=()), "Sent."),  # to a room
    ],
)
def test_what_else_there_is(event: Event, line: str | None) -> None:
    assert lines(event) == ([] if line is None else [line])


def test_every_change_that_is_asked_for_is_confirmed() -> None:
    ops = ("edit", "delete", "react", "leave", "invite", "remove", "role", "mute", "topic", "set")
    said = [lines(ChangeReply(op=op, seq=9)) for op in ops]
    assert all(len(each) == 1 for each in said)
    assert lines(ChangeReply(op="paint", seq=9)) == []


def test_invitations_stand_in_the_welcome() -> None:
    standing = {"online": (), "missed": 0, "busy": False, "hidden": False}
    welcome = LoginReply(name="alice", seq=9, invited=("ops", "hall"), **standing)
    assert lines(welcome)[1:] == [
        "You are invited to #ops: type join #ops.",
        "You are invited to #hall: type join #hall.",
    ]
