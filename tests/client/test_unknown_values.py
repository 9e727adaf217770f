"""What a later server says: an unknown value, in whichever field, ends no client."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from msgspec import inspect, structs

from chatclient.talk.colours import Colours
from chatclient.talk.commandline import CommandLine
from chatclient.talk.conversation import conversation_of
from chatclient.talk.lines import json_line, stamped_lines
from chatclient.talk.paging import Paging
from chatclient.talk.recent import Recent
from chatclient.talk.roster import Roster
from chatclient.talk.transcript import Transcript
from chatclient.talk.unread import Unread
from chatwire.events import Bye, Error, Event, Hello, Message
from chatwire.protocol import _KINDS, decode_event
from chatwire.replies import (
    BroadcastReply,
    CommandHelp,
    ConversationsReply,
    HelpReply,
    HistoryReply,
    Parameter,
    Reply,
)
from chatwire.usage import UsageError, parse_arguments, usage_lines
from chatwire.wording import event_lines

from .fake import COMMANDS, FakeServer, Link, message
from .process import run

UNKNOWN = "unheard_of"
TODAY = date(2026, 11, 22)
KNOWN: dict[str, object] = {
    "at": "2026-11-22T15:24:02.123Z",
    "edited": "2026-11-22T15:24:02.123Z",
    "change": "role",
    "state": "busy",
    "role": "owner",
    "access": "closed",
    "speaking": "moderators",
    "history": "joined",
    "kind": "name",
    "protocol": "chat/1",
}
"""A value that means something, by field; any other field has any."""


def sample(kind: inspect.Type, name: str = "") -> Any:
    """Return a value of a type, with everything in it that may be."""
    match kind:
        case inspect.StrType():
            return KNOWN.get(name, "bob")
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.IntType():
            return 1
        case inspect.BoolType():
            return True
        case inspect.VarTupleType(item_type=item):
            return [sample(item)]
        case inspect.DictType(value_type=value):
            return {"bob": sample(value)}
        case inspect.UnionType(types=types):
            return sample(types[0], name)
        case inspect.StructType(fields=fields, tag_field=tag_field, tag=tag):
            values = {each.encode_name: sample(each.type, each.encode_name) for each in fields}
            return values | ({tag_field: tag} if tag_field else {})
    raise NotImplementedError(kind)


def with_unknown(value: Any) -> Iterator[Any]:
    """Yield a value once for each string in it, with something unknown in its place."""
    match value:
        case str():
            yield UNKNOWN
        case list():
            yield from ([each] for each in with_unknown(value[0]))
        case dict():
            for name, inner in value.items():
                if name not in ("event", "op"):
                    yield from (value | {name: each} for each in with_unknown(inner))


SAMPLES: dict[type[Event], dict[str, Any]] = {
    kind: sample(inspect.type_info(kind)) for kind in _KINDS
}
EVENTS = [
    each
    for kind, whole in SAMPLES.items()
    if not issubclass(kind, Reply | Bye | Hello)
    for each in with_unknown(whole)
]
"""What comes by itself, and is neither the first nor the last."""


@pytest.mark.parametrize("kind", SAMPLES, ids=lambda kind: kind.__name__)
def test_an_unknown_value_is_taken_in_and_shown(kind: type[Event]) -> None:
    for values in (SAMPLES[kind], *with_unknown(SAMPLES[kind])):
        event = decode_event(json.dumps(values).encode())
        assert event is not None
        event_lines(event, "alice")
        stamped_lines(event, "alice", dated=True, numbered=True)
        json_line(event)
        recent = Recent("alice")
        Transcript("alice", Colours(on=False), TODAY, recent).lines(event, numbered=True)
        conversation_of(event, "alice")
        Roster("alice").hear(event)
        Paging("alice").hear(event)
        unread = Unread("alice")
        match event:
            case Message():
                recent.hear(event)
                unread.hear(event)
            case ConversationsReply():
                unread.learn(event)
            case HelpReply(commands=commands):
                list(CommandLine(commands))


# -- commands that are typed in a way that is not known --


def _brewing(required: bool = True) -> CommandHelp:
    cup = Parameter(name="cup", label="cup", kind=UNKNOWN, required=required)
    return CommandHelp(
        name="brew", aliases=(), group=UNKNOWN, summary="Make tea.", parameters=(cup,)
    )


def test_a_command_is_shown_that_is_typed_in_a_way_that_is_not_known() -> None:
    assert usage_lines("brew", _brewing().parameters) == ["brew <cup>"]
    lines = event_lines(HelpReply(commands=(*COMMANDS, _brewing())))
    assert [each.split("  ")[-1] for each in lines if "brew" in each] == ["Make tea."]
    with pytest.raises(UsageError, match="How <cup> is typed is not known here: update"):
        parse_arguments(_brewing(), "large")
    assert parse_arguments(_brewing(required=False), "") == {}


def test_a_conversation_of_an_unknown_kind_is_not_listed() -> None:
    line = (
        b'{"event":"reply","op":"unread","conversations":[{"channel":"x","newest":2,"read":0,'
        b'"unread":1,"mentions":0},{"with":[],"newest":2,"read":0,"unread":1,"mentions":0},'
        b'{"room":"ops","newest":3,"read":0,"unread":1,"mentions":0}]}'
    )
    event = decode_event(line)
    assert event is not None
    assert event_lines(event) == ["#ops: 1 unread"]
    unread = Unread("alice")
    assert isinstance(event, ConversationsReply)
    unread.learn(event)
    assert unread.total == 1


# -- each client --

FACES = {
    "connect --plain": "talk lobby\nhi\n",
    "connect --json": '{"op":"broadcast","text":"hi"}\n',
    "tail": "",
    "tail --json": "",
}
HELP = {
    "an unknown kind": HelpReply(commands=(*COMMANDS, _brewing())),
    "a refusal": Error(code=UNKNOWN, text="Not today."),
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("described", HELP)
def test_no_client_ends_by_what_it_does_not_know(face: str, described: str) -> None:
    def script(link: Link) -> None:
        link.greet()
        link.welcome()
        link.answer("help", HELP[described])
        first: Reply = HistoryReply(messages=(), more=False)
        if face.startswith("connect"):
            first = BroadcastReply(seq=10**6 + 1, busy={})
        asked = link.read()
        link.send(*EVENTS, message(10**6, "still here"), structs.replace(first, re=asked["id"]))
        if face.startswith("connect"):
            link.take_logout()
        else:
            link.send(Bye(code="kicked", text="That was all."))
        link.until_closed()

    with FakeServer(script) as server:
        command, *options = face.split()
        where = ["127.0.0.1", str(server.port)]
        if command != "connect":
            where = ["--server", ":".join(where)]
        done = run(
            *("chatserver", command, *options, *where, "--user", "alice"),
            typed=FACES[face],
            CHAT_PASSWORD="secret",
        )
    assert "Traceback" not in done.stderr
    assert "still here" in done.stdout, done.stderr
    assert ("Not today." in done.stderr) == (described == "a refusal")


@pytest.mark.skipif("sys.platform == 'win32'", reason="there are no pseudo-terminals")
def test_a_screen_goes_on_after_what_it_does_not_know() -> None:
    from .screen import logged_in  # noqa: PLC0415 - there is none on Windows

    with logged_in(rows=50, welcome={"commands": (*COMMANDS, _brewing())}) as (screen, link):
        link.send(*EVENTS, message(10**6, "still here"))
        screen.wait_for("still here")
        screen.type("help\r")
        link.answer("help", HELP["an unknown kind"])
        screen.wait_for("Make tea.")
        screen.type("brew large\r")
        screen.wait_for("is not known here")
