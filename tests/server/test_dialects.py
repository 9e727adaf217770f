"""The dialects: whatever comes in is a request or a refusal, and every event has its form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.commands import all_commands
from chatserver.commands.registry import Request
from chatserver.dialects import Dialect
from chatserver.dialects.json import JsonDialect
from chatserver.dialects.text import TextDialect
from chatserver.errors import CommandError
from chatwire import __version__
from chatwire.protocol import (
    Bye,
    Error,
    Event,
    Hello,
    HistoryReply,
    Message,
    Ping,
    Presence,
    Replayed,
    Reply,
    SearchReply,
    encode,
)

AT = "2026-11-22T15:24:02.123Z"
REGISTRY = all_commands()
NAMES = [each.name for each in REGISTRY]
FIELDS = sorted({name for each in REGISTRY for name in each.arguments.__struct_fields__})

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.lists(st.text() | st.integers(), max_size=2),
    st.dictionaries(st.text(), st.none(), max_size=1),
)
NEARLY = st.tuples(
    st.sampled_from(NAMES) | st.text(),
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4),
).map(lambda pair: encode(pair[1] | {"op": pair[0]}))
LINES = st.one_of(
    st.binary(),
    NEARLY,
    st.tuples(st.sampled_from(NAMES), st.text()).map(lambda pair: f"{pair[0]} {pair[1]}".encode()),
    st.tuples(NEARLY, st.integers(0, 60), st.binary(max_size=3)).map(
        lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] :]
    ),
)


def understood(dialect: Dialect, line: bytes, logged_in: bool) -> None:
    """Take a line as far as its arguments; the only way to fail is CommandError."""
    try:
        request = dialect.read(line, logged_in)
        found = None if request is None else request.find(REGISTRY)
        if request is not None and found is not None:
            found.values(request.arguments(found))
    except CommandError as error:
        encode(Error(code=error.code, text=error.text))
        dialect.renderer.render(Error(code=error.code, text=error.text))


@given(LINES, st.booleans())
def test_every_line_of_json_is_a_request_or_a_refusal(line: bytes, logged_in: bool) -> None:
    understood(JsonDialect(REGISTRY), line.replace(b"\n", b""), logged_in)


@given(st.lists(LINES, max_size=4), st.booleans())
def test_every_line_of_text_is_a_request_or_a_refusal(lines: list[bytes], logged_in: bool) -> None:
    dialect = TextDialect()
    for line in lines:
        understood(dialect, line.replace(b"\n", b""), logged_in)


# -- json --


def read(line: bytes) -> Request | None:
    return JsonDialect(REGISTRY).read(line, logged_in=True)


def test_the_first_line_of_json_is_a_hello() -> None:
    assert JsonDialect(REGISTRY).greeting() == encode(Hello(server=f"chat {__version__}"))
    assert JsonDialect(REGISTRY).prompt(logged_in=False) == b""


@pytest.mark.parametrize(
    ("line", "op", "number"),
    [
        (b'{"op":"who"}', "who", None),
        (b'{"op":"who","id":3}', "who", 3),
        (b' { "id" : 3 , "op" : "who" } ', "who", 3),
        (b'{"op":"who","id":null}', "who", None),
        (b'{"op":"paint"}', "paint", None),
    ],
)
def test_a_request_has_a_name_and_may_have_a_number(
    line: bytes, op: str, number: int | None
) -> None:
    request = read(line)
    assert request is not None
    assert (request.op, request.re) == (op, number)


@pytest.mark.parametrize("line", [b"", b"  ", b"\t"])
def test_an_empty_line_is_nothing(line: bytes) -> None:
    assert read(line) is None


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"hello", "bad_request"),
        (b"{", "bad_request"),
        (b"[]", "bad_request"),
        (b"3", "bad_request"),
        (b"null", "bad_request"),
        (b"{}", "bad_request"),
        (b'{"op":3}', "bad_request"),
        (b'{"op":"who","id":"3"}', "bad_request"),
        (b'{"op":"who","id":1.5}', "bad_request"),
        (b'{"op":"who"}{"op":"who"}', "bad_request"),
        (b'{"op":"\\ud800"}', "bad_request"),
        (b'{"op":"who","id":' + b"9" * 5000 + b"}", "bad_request"),
        (b'{"op":"who","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "bad_request"),
        (b'{"op":"\xff"}', "invalid_utf8"),
        (b"\xff\xfe", "invalid_utf8"),
    ],
)
def test_what_is_no_request_is_refused(line: bytes, code: str) -> None:
    with pytest.raises(CommandError) as raised:
        read(line)
    assert raised.value.code == code
    assert len(raised.value.text) < 300


def test_invalid_utf8_in_an_argument_is_named() -> None:
    line = b'{"op":"broadcast","text":"caf\xe9"}'
    with pytest.raises(CommandError) as raised:
        understood_strictly(line)
    assert raised.value.code == "invalid_utf8"
    assert raised.value.text == "That line is not UTF-8 at byte 29."


def understood_strictly(line: bytes) -> None:
    request = read(line)
    assert request is not None
    found = request.find(REGISTRY)
    assert found is not None
    request.arguments(found)


def test_json_is_the_same_for_every_reader() -> None:
    event = Message(seq=1, at=AT, sender="bob", to=("alice",), text="hi")
    renderer = JsonDialect(REGISTRY).renderer
    assert renderer.render(event, "alice") == renderer.render(event, "bob") == encode(event)


# -- text --


def test_text_asks_for_the_name_and_then_for_the_password() -> None:
    dialect = TextDialect()
    assert dialect.greeting().startswith(b"-- chat ")
    assert dialect.prompt(logged_in=False) == b"Username: "
    assert dialect.read(b" alice ", logged_in=False) is None
    assert dialect.prompt(logged_in=False) == b"Password: "
    request = dialect.read(b" correct horse ", logged_in=False)
    assert request is not None
    login = request.find(REGISTRY)
    assert login is not None
    assert login.values(request.arguments(login)) == ["alice", " correct horse ", None]
    assert dialect.prompt(logged_in=False) == b"Username: "  # both again after a refusal
    assert dialect.prompt(logged_in=True) == b""


def test_an_empty_name_is_asked_for_again() -> None:
    dialect = TextDialect()
    assert dialect.read(b"  ", logged_in=False) is None
    assert dialect.prompt(logged_in=False) == b"Username: "


def test_an_empty_password_is_a_password() -> None:
    dialect = TextDialect()
    dialect.read(b"alice", logged_in=False)
    assert dialect.read(b"", logged_in=False) is not None


def test_a_password_that_is_not_utf8_is_asked_for_again() -> None:
    dialect = TextDialect()
    dialect.read(b"alice", logged_in=False)
    with pytest.raises(CommandError) as raised:
        dialect.read(b"caf\xe9", logged_in=False)
    assert raised.value.code == "invalid_utf8"
    assert dialect.prompt(logged_in=False) == b"Password: "


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (b"broadcast hi there", ["hi there", None]),
        (b"/broadcast hi", ["hi", None]),
        (b"  BROADCAST   hi  there ", ["hi  there", None]),
        (b"say hi", ["hi", None]),
        (b"broadcast\thi", ["hi", None]),
        ("broadcast grüße 😀".encode(), ["grüße 😀", None]),
        (b"send bob hi", [("bob",), "hi", None]),
        (b"send (bob carol) hi", [("bob", "carol"), "hi", None]),
        (b"msg bob hi", [("bob",), "hi", None]),
        (b"last 10", [10]),
        (b"busy", [None]),
        (b"busy in a meeting", ["in a meeting"]),
        (b"help", [None]),
        (b"? send", ["send"]),
        (b"history", [None, 50, None, None, None]),
        (b"history 20", [None, 20, None, None, None]),
        (b"history bob", ["bob", 50, None, None, None]),
        (b"history bob 20", ["bob", 20, None, None, None]),
        (b'search "so far" from:bob', ['"so far" from:bob', 20]),
    ],
)
def test_a_command_is_typed_with_or_without_a_slash(line: bytes, values: list[object]) -> None:
    request = TextDialect().read(line, logged_in=True)
    assert request is not None
    found = request.find(REGISTRY)
    assert found is not None
    assert found.values(request.arguments(found)) == values


@pytest.mark.parametrize("line", [b"", b"   ", b"\t"])
def test_an_empty_line_of_text_is_nothing(line: bytes) -> None:
    assert TextDialect().read(line, logged_in=True) is None


@pytest.mark.parametrize("line", [b"hello everybody", b"/", b"/// who", b"login alice secret"])
def test_what_is_no_command_is_still_a_request(line: bytes) -> None:
    request = TextDialect().read(line, logged_in=True)
    assert request is not None
    found = request.find(REGISTRY)
    assert found is None or found.name == "login"


def test_invalid_utf8_is_named_with_its_place() -> None:
    with pytest.raises(CommandError) as raised:
        TextDialect().read(b"say caf\xe9", logged_in=True)
    assert raised.value.text == "That line is not UTF-8 at byte 7; send it again."


def test_a_tab_in_a_message_stays() -> None:
    request = TextDialect().read(b"broadcast a\tb", logged_in=True)
    assert request is not None
    found = request.find(REGISTRY)
    assert found is not None
    assert found.values(request.arguments(found)) == ["a\tb", None]


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
        (Error(code="bad_request", text="No."), "-- No.\n"),
        (Bye(code="logged_out", text="Goodbye."), "-- Goodbye.\n"),
        (Reply(op="idle"), "-- You are no longer busy.\n"),
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
        (
            HistoryReply(messages=(HI,), more=True),
            "[2026-11-22 15:24 UTC] bob: hi\n"
            "-- There is more: ask again with a count and 1, as in history 50 1.\n",
        ),
        (HistoryReply(messages=(), more=False), "-- Nothing was found.\n"),
    ],
)
def test_an_event_reads_well(event: Event, text: str) -> None:
    assert TextDialect().renderer.render(event, "alice").decode() == text


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("\n\t")))
def test_no_message_looks_like_a_notice(text: str) -> None:
    event = Message(seq=1, at=AT, sender="bob", room="lobby", text=text)
    for line in TextDialect().renderer.render(event, "alice").split(b"\n")[:-1]:
        assert line.startswith((b"bob: ", b"    "))


def test_a_line_that_makes_sense_is_decoded_once() -> None:
    request = read(b'{"op":"send","id":3,"to":["bob"],"text":"hi"}')
    found = REGISTRY.get("send")
    assert request is not None
    assert found is not None
    arguments = request.arguments(found)
    assert request.arguments(found) is arguments
    assert found.values(arguments) == [("bob",), "hi", None]
