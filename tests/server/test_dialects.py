"""The dialects: whatever comes in is a request or a refusal, and every event has its form."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.commands import all_commands
from chatserver.commands.registry import Request
from chatserver.dialects.choice import Choice, Offer
from chatserver.dialects.dialect import Dialect, Direct
from chatserver.dialects.json import JsonDialect, JsonRenderer, JsonRequest
from chatserver.dialects.text import TextDialect, TextRenderer
from chatserver.errors import CommandError
from chatserver.speech import Renderer
from chatwire import __version__
from chatwire.events import Error, Hello, Message
from chatwire.protocol import encode
from chatwire.replies import Reply

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


def understood(dialect: Dialect, data: bytes) -> int:
    """Take what comes as far as its arguments; the only way to fail is CommandError. Return how
    many requests and other items there were."""
    items = list(dialect.receive(data))
    for item in items:
        if isinstance(item, Direct):
            continue
        try:
            found = item.find(REGISTRY)
            if found is not None:
                found.values(item.arguments(found))
        except CommandError as error:
            dialect.renderer.answer(item, error.event(), "alice")
    return len(items)


@given(LINES)
def test_every_line_of_json_is_a_request_or_a_refusal(line: bytes) -> None:
    assert understood(JsonDialect(REGISTRY, 0), line.replace(b"\n", b"") + b"\n") == 1


@given(st.lists(LINES, max_size=4), st.booleans())
def test_every_line_of_text_is_a_request_or_a_refusal(lines: list[bytes], logged_in: bool) -> None:
    dialect = TextDialect(0)
    dialect.ready(logged_in)
    data = b"".join(line.replace(b"\n", b"") + b"\n" for line in lines)
    assert understood(dialect, data) == len(lines)


@pytest.mark.parametrize("make", [lambda: JsonDialect(REGISTRY, 10), lambda: TextDialect(10)])
def test_what_comes_after_a_line_that_is_too_long_is_not_read(make: Callable[[], Dialect]) -> None:
    items = (dialect := make()).receive(b"\n" * 2 + b"x" * 11 + b"\nwho\n")
    assert (next(items), dialect.more_read) == (Direct(), True)
    assert (next(items), dialect.more_read) == (Direct(), False)
    with pytest.raises(CommandError, match="at most 10 bytes") as raised:
        next(items)
    assert raised.value.code == "line_too_long"


@pytest.mark.parametrize("renderer", [JsonRenderer(), TextRenderer()])
def test_a_renderer_is_a_value(renderer: Renderer) -> None:
    assert renderer == type(renderer)()
    assert len({renderer, type(renderer)(), JsonRenderer(), TextRenderer()}) == 2


# -- the choice --


def begins(word: bytes) -> Offer:
    """Return an offer of json to who begins with a word, letter by letter if need be."""
    return Offer(
        lambda first: None if first != word and word.startswith(first) else first[:4] == word,
        lambda: JsonDialect(REGISTRY, 0),
    )


@pytest.mark.parametrize(
    ("first", "last", "chosen"),
    [
        (b"JSON", False, JsonDialect),
        (b"JSON {}", False, JsonDialect),
        (b"JSO", False, None),
        (b"JSO", True, TextDialect),
        (b"JSOB", False, TextDialect),
        (b"", True, TextDialect),
    ],
)
def test_the_first_that_recognises_its_own_is_chosen(
    first: bytes, last: bool, chosen: type[Dialect] | None
) -> None:
    choice = Choice((begins(b"JSON"),), lambda: TextDialect(0))
    assert type(choice.of(first, last=last)) is (type(None) if chosen is None else chosen)


# -- json --


def read(line: bytes) -> JsonRequest | Direct:
    return JsonDialect(REGISTRY, 0).read(line)


def values(line: bytes) -> list[object]:
    """Return the checked arguments of a request."""
    request = read(line)
    assert isinstance(request, JsonRequest)
    command = request.find(REGISTRY)
    assert command is not None
    arguments = request.arguments(command)
    assert request.arguments(command) is arguments  # decoded once
    return command.values(arguments)


def test_the_first_line_of_json_is_a_hello() -> None:
    can = tuple(each.name for each in REGISTRY)
    assert {"login", "send", "join", "typing"} < set(can)
    hello = Hello(server=f"chat {__version__}", can=can)
    assert JsonDialect(REGISTRY, 0).opening() == encode(hello)


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
    assert isinstance(request, JsonRequest)
    assert (request.op, request.re) == (op, number)


@pytest.mark.parametrize("line", [b"", b"  ", b"\t"])
def test_an_empty_line_is_nothing(line: bytes) -> None:
    assert read(line) == Direct()


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
    with pytest.raises(CommandError) as raised:
        values(b'{"op":"broadcast","text":"caf\xe9"}')
    assert raised.value.code == "invalid_utf8"
    assert raised.value.text == "That line is not UTF-8 at byte 29."


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"bob"', "bob"),
        ('["bob"]', ("bob",)),
        ('["bob","carol"]', ("bob", "carol")),
        ("null", None),
    ],
)
def test_whose_history_it_is_may_be_one_name_or_several(written: str, value: object) -> None:
    assert values(f'{{"op":"history","with":{written}}}'.encode())[0] == value


@pytest.mark.parametrize("written", ['""', "[]", '["bob",""]', "3", "{}", "[3]", str(["x"] * 101)])
def test_what_is_no_name_and_no_names_is_refused(written: str) -> None:
    with pytest.raises(CommandError) as raised:
        values(f'{{"op":"history","with":{written}}}'.replace("'", '"').encode())
    assert raised.value.code == "bad_request"
    assert raised.value.text.startswith("history: with")


def test_json_is_the_same_for_every_reader() -> None:
    event = Message(seq=1, at="2026-11-22T15:24:02.123Z", sender="bob", to=("alice",), text="hi")
    renderer = JsonRenderer()
    assert renderer.event(event, "alice") == renderer.event(event, "bob") == encode(event)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (JsonRequest("idle", 0, b""), Reply(re=0, op="idle")),
        (JsonRequest("idle", 3, b""), Reply(re=3, op="idle")),
        (JsonRequest("idle", None, b""), Reply(op="idle")),
        (None, Reply(op="idle")),
    ],
)
def test_an_answer_has_the_number_of_its_request(request_: Request | None, answer: Reply) -> None:
    assert JsonRenderer().answer(request_, Reply(op="idle")) == encode(answer)


def test_an_error_has_what_goes_with_it() -> None:
    refused = CommandError("locked_out", "No.", attempts_left=0, retry_after=60)
    answer = JsonRenderer().answer(JsonRequest("login", 3, b""), refused.event())
    assert answer == encode(
        Error(re=3, code="locked_out", text="No.", attempts_left=0, retry_after=60)
    )
