"""The protocol: events exactly as they stand on the wire, and what a client makes of a line."""

import pytest

from chatwire.events import (
    Bye,
    Deleted,
    Edited,
    Error,
    Event,
    Hello,
    Message,
    Ping,
    Presence,
    Reacted,
    ReadOn,
    Replayed,
    RoomChanged,
    Typing,
)
from chatwire.protocol import ProtocolError, decode_event, encode, timestamp
from chatwire.replies import (
    BroadcastReply,
    ChangeReply,
    CommandHelp,
    ConversationsReply,
    HelpReply,
    Here,
    LastReply,
    LoginReply,
    MembersReply,
    Parameter,
    ReadReply,
    Reply,
    Room,
    RoomMember,
    RoomReply,
    RoomsReply,
    Seen,
    SendReply,
    StatusReply,
    Waiting,
    WhoReply,
)

AT = "2026-11-22T15:24:02.123Z"

EVENTS: list[tuple[Event, str]] = [
    (
        Hello(server="chat 0.1.0", can=("who", "send")),
        '{"event":"hello","protocol":"chat/1","server":"chat 0.1.0","can":["who","send"]}',
    ),
    (
        LoginReply(
            re=1,
            name="alice",
            online=("bob",),
            seq=1041,
            missed=12,
            busy=False,
            hidden=False,
            invited=("ops",),
        ),
        '{"event":"reply","re":1,"op":"login","name":"alice","online":["bob"],"seq":1041,'
        '"missed":12,"busy":false,"hidden":false,"invited":["ops"]}',
    ),
    (
        WhoReply(re=2, users=(Here(name="bob", busy=True, idle_seconds=12),)),
        '{"event":"reply","re":2,"op":"who","users":[{"name":"bob","busy":true,"idle_seconds":12}]}',
    ),
    (
        LastReply(re=3, users=(Seen(name="bob", online=True, seconds_ago=0),)),
        '{"event":"reply","re":3,"op":"last","users":[{"name":"bob","online":true,"seconds_ago":0}]}',
    ),
    (
        BroadcastReply(re=4, seq=1042, busy={"dave": "in a meeting"}),
        '{"event":"reply","re":4,"op":"broadcast","seq":1042,"busy":{"dave":"in a meeting"}}',
    ),
    (
        BroadcastReply(seq=1042, busy={}, duplicate=True),
        '{"event":"reply","op":"broadcast","seq":1042,"busy":{},"duplicate":true}',
    ),
    (
        SendReply(re=5, seq=1043, delivered=("bob",), stored=("carol",), busy={}, unknown=()),
        '{"event":"reply","re":5,"op":"send","seq":1043,"delivered":["bob"],"stored":["carol"],'
        '"busy":{},"unknown":[]}',
    ),
    (
        StatusReply(re=6, name="alice", busy=False, hidden=False, held=0),
        '{"event":"reply","re":6,"op":"status","name":"alice","busy":false,"hidden":false,"held":0}',
    ),
    (
        StatusReply(re=6, name="alice", busy=True, hidden=True, reply="back at 3", held=3),
        '{"event":"reply","re":6,"op":"status","name":"alice","busy":true,"hidden":true,'
        '"reply":"back at 3","held":3}',
    ),
    (
        HelpReply(
            re=7,
            commands=(
                CommandHelp(
                    name="last",
                    aliases=("seen",),
                    group="people",
                    summary="Who was here.",
                    parameters=(
                        Parameter(name="minutes", label="minutes", kind="number", required=True),
                    ),
                ),
            ),
        ),
        '{"event":"reply","re":7,"op":"help","commands":[{"name":"last","aliases":["seen"],'
        '"group":"people","summary":"Who was here.","parameters":[{"name":"minutes",'
        '"label":"minutes","kind":"number","required":true}]}]}',
    ),
    (Reply(re=8, op="busy"), '{"event":"reply","re":8,"op":"busy"}'),
    (Reply(op="ping"), '{"event":"reply","op":"ping"}'),
    (
        Message(seq=1042, at=AT, sender="bob", room="lobby", text="hi"),
        f'{{"event":"message","seq":1042,"at":"{AT}","from":"bob","room":"lobby","text":"hi"}}',
    ),
    (
        Message(seq=1043, at=AT, sender="bob", to=("alice", "carol"), text="hi", replay=True),
        f'{{"event":"message","seq":1043,"at":"{AT}","from":"bob","to":["alice","carol"],'
        '"text":"hi","replay":true}',
    ),
    (
        Message(
            seq=1044,
            at=AT,
            sender="bob",
            room="ops",
            text="alice: yes",
            kind="action",
            reply_to=1042,
            mentions=("alice",),
            edited=AT,
            reactions={"👍": ("alice", "carol")},
        ),
        f'{{"event":"message","seq":1044,"at":"{AT}","from":"bob","room":"ops","text":"alice: yes",'
        f'"kind":"action","reply_to":1042,"mentions":["alice"],"edited":"{AT}",'
        '"reactions":{"👍":["alice","carol"]}}',
    ),
    (
        Message(seq=1045, at=AT, sender="bob", room="ops", text="", deleted=True),
        f'{{"event":"message","seq":1045,"at":"{AT}","from":"bob","room":"ops","text":"",'
        '"deleted":true}',
    ),
    (
        Edited(seq=1046, at=AT, sender="bob", room="ops", target=1042, text="hi, all"),
        f'{{"event":"edited","seq":1046,"at":"{AT}","from":"bob","room":"ops","target":1042,'
        '"text":"hi, all"}',
    ),
    (
        Deleted(seq=1047, at=AT, sender="bob", to=("alice",), target=1042, replay=True),
        f'{{"event":"deleted","seq":1047,"at":"{AT}","from":"bob","to":["alice"],"target":1042,'
        '"replay":true}',
    ),
    (
        Reacted(seq=1048, at=AT, sender="bob", room="ops", target=1, reaction="👍", on=False),
        f'{{"event":"reacted","seq":1048,"at":"{AT}","from":"bob","room":"ops","target":1,'
        '"reaction":"👍","on":false}',
    ),
    (
        RoomChanged(
            seq=1049, at=AT, room="ops", change="muted", sender="bob", name="eve", minutes=0
        ),
        f'{{"event":"room","seq":1049,"at":"{AT}","room":"ops","change":"muted","from":"bob",'
        '"name":"eve","minutes":0}',
    ),
    (ReadOn(room="ops", upto=1049), '{"event":"read","room":"ops","upto":1049}'),
    (ReadOn(with_=("bob",), upto=9), '{"event":"read","with":["bob"],"upto":9}'),
    (Typing(sender="bob", room="ops"), '{"event":"typing","from":"bob","room":"ops"}'),
    (Typing(sender="bob", to=("alice",)), '{"event":"typing","from":"bob","to":["alice"]}'),
    (RoomReply(op="join", seq=9), '{"event":"reply","op":"join","seq":9}'),
    (
        RoomReply(re=5, op="join", seq=1050, room=Room(name="ops", access="open", people=2)),
        '{"event":"reply","re":5,"op":"join","seq":1050,"room":{"name":"ops","access":"open",'
        '"people":2}}',
    ),
    (
        RoomsReply(
            rooms=(
                Room(
                    name="ops",
                    topic="What runs",
                    access="closed",
                    speaking="moderators",
                    history="joined",
                    people=3,
                    role="owner",
                    invited=True,
                    unread=5,
                    mentions=1,
                ),
            )
        ),
        '{"event":"reply","op":"rooms","rooms":[{"name":"ops","topic":"What runs",'
        '"access":"closed","speaking":"moderators","history":"joined","people":3,"role":"owner",'
        '"invited":true,"unread":5,"mentions":1}]}',
    ),
    (
        MembersReply(room="ops", members=(RoomMember(name="bob", role="owner", here=True),)),
        '{"event":"reply","op":"members","room":"ops","members":[{"name":"bob","role":"owner",'
        '"here":true}],"invited":[]}',
    ),
    (
        ConversationsReply(
            op="unread",
            conversations=(
                Waiting(room="ops", newest=9, read=1, unread=5, mentions=1),
                Waiting(with_=("bob",), newest=8, read=8, unread=0, mentions=0),
            ),
        ),
        '{"event":"reply","op":"unread","conversations":[{"room":"ops","newest":9,"read":1,'
        '"unread":5,"mentions":1},{"with":["bob"],"newest":8,"read":8,"unread":0,"mentions":0}]}',
    ),
    (ReadReply(re=6, upto=9), '{"event":"reply","re":6,"op":"read","upto":9}'),
    (
        ChangeReply(re=7, op="react", seq=9, duplicate=True),
        '{"event":"reply","re":7,"op":"react","seq":9,"duplicate":true}',
    ),
    (
        Error(re=5, code="no_such_user", text="No such user: bbo."),
        '{"event":"error","re":5,"code":"no_such_user","text":"No such user: bbo."}',
    ),
    (
        Error(code="bad_credentials", text="No.", attempts_left=2),
        '{"event":"error","code":"bad_credentials","text":"No.","attempts_left":2}',
    ),
    (
        Error(code="locked_out", text="No.", retry_after=60),
        '{"event":"error","code":"locked_out","text":"No.","retry_after":60}',
    ),
    (
        Presence(name="bob", state="online"),
        '{"event":"presence","name":"bob","state":"online"}',
    ),
    (Replayed(count=500, more=1250), '{"event":"replayed","count":500,"more":1250}'),
    (Ping(), '{"event":"ping"}'),
    (
        Bye(code="idle_timeout", text="Logged out."),
        '{"event":"bye","code":"idle_timeout","text":"Logged out."}',
    ),
]


@pytest.mark.parametrize(("event", "line"), EVENTS)
def test_an_event_is_written_as_the_protocol_has_it_and_read_again(event: Event, line: str) -> None:
    assert encode(event) == line.encode() + b"\n"
    assert decode_event(line.encode()) == event


def test_a_line_holds_no_line_feed_whatever_is_said() -> None:
    line = encode(Message(seq=1, at=AT, sender="bob", room="lobby", text='a\nb\r"ü'))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert "ü".encode() in line


def test_a_request_is_written_compactly() -> None:
    assert encode({"op": "send", "to": ["bob"]}) == b'{"op":"send","to":["bob"]}\n'


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ('{"event":"ping","colour":"red"}', Ping()),
        ('{"event":"reply","op":"idle","re":3,"x":[]}', Reply(op="idle", re=3)),
        ('{"event":"reply","op":"paint","re":1}', Reply(op="paint", re=1)),
        (
            '{"event":"presence","name":"bob","state":"asleep"}',
            Presence(name="bob", state="asleep"),
        ),
        ('{"event":"error","code":"new","text":"?"}', Error(code="new", text="?")),
        ('{"event":"waving","name":"bob"}', None),
    ],
)
def test_a_client_is_ready_for_what_a_later_server_says(line: str, event: Event | None) -> None:
    assert decode_event(line.encode()) == event


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"[]",
        b"3",
        b"{}",
        b'{"event":3}',
        b'{"event":"ping"',
        b'{"event":"pi\xff"}',
        b'{"event":"message","seq":1}',
        b'{"event":"message","seq":"1","at":"","from":"bob","text":"hi"}',
        b'{"event":"reply","op":"who"}',
        b'{"event":"presence","name":"bob"}',
        b'{"event":"bye","code":"\\ud800","text":""}',
        b'{"event":"replayed","count":1,"more":' + b"9" * 5000 + b"}",
        b'{"event":"ping","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda line: line[:30],
)
def test_what_is_no_event_is_a_protocol_error(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_event(line)


@pytest.mark.parametrize(
    ("milliseconds", "written"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_361_042_123, "2026-11-22T15:24:02.123Z"),
        (1_795_361_042_007, "2026-11-22T15:24:02.007Z"),
        (1_795_361_042_999, "2026-11-22T15:24:02.999Z"),
    ],
)
def test_a_time_is_utc_with_milliseconds(milliseconds: int, written: str) -> None:
    assert timestamp(milliseconds) == written
