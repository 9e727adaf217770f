"""The text dialect: what people type is a request or a refusal, and every event has its words."""

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatserver.commands import all_commands
from chatserver.commands.registry import Command, Request
from chatserver.dialects.dialect import Direct
from chatserver.dialects.text import TextDialect, TextRenderer, TextRequest
from chatserver.errors import CommandError
from chatwire.events import Event, Message, Ping, Presence, Replayed
from chatwire.replies import HistoryReply, Parameter, Reply, SearchReply
from chatwire.rooms import SETTINGS
from chatwire.usage import usage_lines

REGISTRY = all_commands()


@pytest.fixture
def dialect() -> TextDialect:
    return TextDialect(0)


def found(request: Request | Direct) -> tuple[TextRequest, Command]:
    """Return a request and the command it is for."""
    assert isinstance(request, TextRequest)
    command = request.find(REGISTRY)
    assert command is not None
    return request, command


def values(request: TextRequest | Direct) -> list[object]:
    """Return the checked arguments of a request."""
    asked, command = found(request)
    return command.values(asked.arguments(command))


def typed(line: bytes) -> TextRequest | Direct:
    """Return what somebody types who is logged in."""
    dialect = TextDialect(0)
    dialect.ready(logged_in=True)
    return dialect.read(line)


# -- the login --


def test_text_asks_for_the_name_and_then_for_the_password(dialect: TextDialect) -> None:
    assert dialect.opening().startswith(b"-- chat ")
    for name in (b"  ", b" alice "):  # an empty one is asked for again
        assert dialect.ready(logged_in=False) == b"Username: "
        assert dialect.read(name) == Direct()
    assert dialect.ready(logged_in=False) == b"Password: "
    assert values(dialect.read(b" correct horse ")) == ["alice", " correct horse ", None, True]
    assert dialect.ready(logged_in=False) == b"Username: "  # both again after a refusal
    assert dialect.ready(logged_in=True) == b""


def test_the_line_after_a_login_is_read_when_that_has_been_carried_out(
    dialect: TextDialect,
) -> None:
    read = []
    for item in dialect.receive(b"alice\ncorrect horse\nwho\n"):
        read.append(item)
        dialect.ready(logged_in=len(read) == 2)
    assert [type(each) for each in read] == [Direct, TextRequest, TextRequest]
    assert [found(each)[1].name for each in read[1:]] == ["login", "who"]


def test_an_empty_password_is_one_and_what_is_not_utf8_is_asked_for_again(
    dialect: TextDialect,
) -> None:
    dialect.read(b"alice")
    with pytest.raises(CommandError) as raised:
        dialect.read(b"caf\xe9")
    assert raised.value.code == "invalid_utf8"
    assert dialect.ready(logged_in=False) == b"Password: "
    assert isinstance(dialect.read(b""), TextRequest)


# -- what is typed --


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"broadcast hi there", ["hi there", None]),
        (b"/broadcast hi", ["hi", None]),
        (b"  BROADCAST   hi  there ", ["hi  there", None]),
        (b"say hi", ["hi", None]),
        (b"broadcast\thi", ["hi", None]),
        (b"broadcast a\tb", ["a\tb", None]),
        ("broadcast grüße 😀".encode(), ["grüße 😀", None]),
        (b"send bob hi", [("bob",), "hi", None, None, None]),
        (b"send (bob carol) hi", [("bob", "carol"), "hi", None, None, None]),
        (b"msg bob hi", [("bob",), "hi", None, None, None]),
        (b"last 10", [10]),
        (b"busy", [None]),
        (b"busy in a meeting", ["in a meeting"]),
        (b"help", [None]),
        (b"? send", ["send"]),
        (b"history", [None, 50, None, None, None, None]),
        (b"history 20", [None, 20, None, None, None, None]),
        (b"history bob", [("bob",), 50, None, None, None, None]),
        (b"history bob 20", [("bob",), 20, None, None, None, None]),
        (b"history bob 20 7", [("bob",), 20, None, 7, None, None]),
        (b"history (bob carol)", [("bob", "carol"), 50, None, None, None, None]),
        (b"history (bob carol) 5", [("bob", "carol"), 5, None, None, None, None]),
        (b"history (5 carol) 5", [("5", "carol"), 5, None, None, None, None]),
        (b"history (5)", [("5",), 50, None, None, None, None]),
        (b'search "so far" from:bob', ['"so far" from:bob', 20]),
    ],
)
def test_a_command_is_typed_with_or_without_a_slash(line: bytes, expected: list[object]) -> None:
    assert values(typed(line)) == expected


_PLACEHOLDER = re.compile(r"\[?(\(<\w+> [^)]*\)|[#^]?<\w+>)\]?")


USAGES = [
    (command, usage)
    for command in REGISTRY
    if command.summary
    for usage in usage_lines(command.name, command.help.parameters)
]


@pytest.mark.parametrize(("command", "usage"), USAGES, ids=[usage for _, usage in USAGES])
@settings(max_examples=10)
@given(data=st.data())
def test_every_usage_line_is_typed_as_it_stands(
    command: Command, usage: str, data: st.DataObject
) -> None:
    """Whatever is put for its placeholders is what the command is given; without one in brackets
    go those in brackets behind it."""
    placeholders = list(_PLACEHOLDER.finditer(usage))
    assert len(placeholders) == len(command.help.parameters)
    line, expected, ends = [command.name], dict[str, object](), False
    for parameter, place in zip(command.help.parameters, placeholders, strict=True):
        assert place[0].startswith("[") != parameter.required
        ends = ends or (not parameter.required and data.draw(st.booleans()))
        if parameter.required or not ends:
            words, fields = data.draw(filled(parameter, place[1]))
            line.append(words)
            expected |= fields
    request, meant = found(typed(" ".join(line).encode()))
    arguments = msgspec.json.decode(msgspec.json.encode(request.arguments(meant)))
    assert meant is command
    assert {name: arguments[name] for name in expected} == expected


def filled(parameter: Parameter, shape: str) -> st.SearchStrategy[tuple[str, dict[str, object]]]:
    """Return what may be typed for a placeholder, and the fields that this means."""
    name = parameter.name
    names = st.from_regex(r"[a-z][a-z0-9._-]{0,31}", fullmatch=True)
    numbers = st.integers(1, 500)
    if shape.startswith("("):
        several = st.lists(names, min_size=1, max_size=4)
        return several.map(lambda all_: (f"({' '.join(all_)})", {name: all_}))
    match parameter.kind:
        case "place" | "room" if shape.startswith("#"):
            return names.map(lambda room: (f"#{room}", {"room": room}))
        case "place" | "names":
            return names.map(lambda one: (one, {name: [one]}))
        case "target":
            return numbers.map(lambda number: (f"^{number}", {name: number}))
        case "number":
            return numbers.map(lambda number: (str(number), {name: number}))
        case "settings":
            words = st.lists(st.sampled_from(sorted(SETTINGS)), min_size=1)
            return words.map(lambda all_: (" ".join(all_), dict(SETTINGS[each] for each in all_)))
        case "words":
            return st.just("x y").map(lambda text: (text, {name: text}))
        case _:
            return names.map(lambda one: (one, {name: one}))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"history (bob", "Put the names in brackets: (bob carol)."),
        (b"history () 5", "Put the names in brackets: (bob carol)."),
        (b"history (bob carol) five", "<count> must be a whole number, not 'five'."),
        (b"history bob carol", "<count> must be a whole number, not 'carol'."),
        (b"history (%s)" % b" ".join([b"x"] * 101), "history: with must be at most 100 long."),
        (b"history 1000", "history: count must be at most 500."),
        (b"history 99999999999", "history: count must be at most 500."),
        (b"history bob 0", "history: count must be at least 1."),
        (b"last 0", "last: minutes must be at least 1."),
    ],
)
def test_what_is_typed_wrongly_is_answered_with_what_is_wrong(line: bytes, text: str) -> None:
    request, command = found(typed(line))
    with pytest.raises(CommandError) as raised:
        request.arguments(command)
    assert raised.value.code == "bad_request"
    assert raised.value.text.startswith(text)


@pytest.mark.parametrize("line", [b"", b"   ", b"\t"])
def test_an_empty_line_of_text_is_nothing(line: bytes) -> None:
    assert typed(line) == Direct()


@pytest.mark.parametrize("line", [b"hello everybody", b"/", b"/// who", b"login alice secret"])
def test_what_is_no_command_is_still_a_request(line: bytes) -> None:
    request = typed(line)
    assert isinstance(request, TextRequest)
    command = request.find(REGISTRY)
    assert command is None or command.name == "login"


def test_invalid_utf8_is_named_with_its_place() -> None:
    with pytest.raises(CommandError) as raised:
        typed(b"say caf\xe9")
    assert raised.value.text == "That line is not UTF-8 at byte 7; send it again."


# -- what is shown --

AT = "2026-11-22T15:24:02.123Z"
HI = Message(seq=1, at=AT, sender="bob", room="lobby", text="hi")
PSST = Message(seq=2, at=AT, sender="bob", to=("alice", "carol"), text="one\ntwo")
OLD = Message(seq=3, at=AT, sender="bob", room="lobby", text="hi\nho", replay=True)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (HI, "bob: hi\n"),
        (PSST, "bob → you, carol: one\n    two\n"),
        (OLD, "[2026-11-22 15:24 UTC] bob: hi\n    ho\n"),
        (Presence(name="bob", state="online"), "-- bob came online.\n"),
        (Replayed(count=3, more=0), "-- That is all.\n"),
        (
            Replayed(count=3, more=2),
            "-- End of the newest 3 messages you missed; type history to see the 2 older.\n",
        ),
        (Ping(), ""),
        (Reply(op="logout"), ""),
        (
            HistoryReply(messages=(HI, PSST), more=False),
            "[2026-11-22 15:24 UTC] bob: hi\n"
            "[2026-11-22 15:24 UTC] bob → you, carol: one\n    two\n"
            "-- That is all.\n",
        ),
        (
            SearchReply(messages=(HI,), more=True),
            "[2026-11-22 15:24 UTC] bob: hi\n-- There is more; add a word to find less.\n",
        ),
        (HistoryReply(messages=(), more=False), "-- Nothing was found.\n"),
    ],
)
def test_an_event_reads_well(event: Event, text: str) -> None:
    assert TextRenderer().event(event, "alice").decode() == text


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ("", ""),
        ("20", ""),
        ("lobby 20", "lobby "),
        ("bob", "bob "),
        ("7of9 20", "7of9 "),
        ("(bob carol) 20 9", "(bob carol) "),
    ],
)
def test_who_reads_on_is_told_how(typed: str, place: str) -> None:
    request = TextRequest("history", typed)
    event = HistoryReply(messages=(HI,), more=True)
    assert TextRenderer().answer(request, event, "alice").decode() == (
        "[2026-11-22 15:24 UTC] bob: hi\n"
        f"-- There is more: ask again with a count and 1, as in history {place}50 1.\n"
    )


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("\n\t")))
def test_no_message_looks_like_a_notice(text: str) -> None:
    event = Message(seq=1, at=AT, sender="bob", room="lobby", text=text)
    for line in TextRenderer().event(event, "alice").split(b"\n")[:-1]:
        assert line.startswith((b"bob: ", b"    "))
