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
from chatserver.dialects.text import TextDialect, TextRenderer, TextRequest
from chatserver.errors import CommandError
from chatserver.speech import Renderer
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


def test_the_first_line_of_json_is_a_hello() -> None:
    assert JsonDialect(REGISTRY, 0).opening() == encode(Hello(server=f"chat {__version__}"))


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
    line = b'{"op":"broadcast","text":"caf\xe9"}'
    with pytest.raises(CommandError) as raised:
        understood_strictly(line)
    assert raised.value.code == "invalid_utf8"
    assert raised.value.text == "That line is not UTF-8 at byte 29."


def understood_strictly(line: bytes) -> None:
    request = read(line)
    assert isinstance(request, JsonRequest)
    found = request.find(REGISTRY)
    assert found is not None
    request.arguments(found)


def test_json_is_the_same_for_every_reader() -> None:
    event = Message(seq=1, at=AT, sender="bob", to=("alice",), text="hi")
    renderer = JsonRenderer()
    assert renderer.event(event, "alice") == renderer.event(event, "bob") == encode(event)


@pytest.mark.parametrize("number", [0, 3])
def test_an_answer_has_the_number_of_its_request(number: int) -> None:
    request = JsonRequest("idle", number, b"")
    answer = JsonRenderer().answer(request, Reply(op="idle"))
    assert answer == encode(Reply(re=number, op="idle"))


@pytest.mark.parametrize("request_", [None, JsonRequest("idle", None, b"")])
def test_an_answer_to_what_has_no_number_has_none(request_: Request | None) -> None:
    assert JsonRenderer().answer(request_, Reply(op="idle")) == encode(Reply(op="idle"))


def test_an_error_has_what_goes_with_it() -> None:
    refused = CommandError("locked_out", "No.", attempts_left=0, retry_after=60)
    answer = JsonRenderer().answer(JsonRequest("login", 3, b""), refused.event())
    assert answer == encode(
        Error(re=3, code="locked_out", text="No.", attempts_left=0, retry_after=60)
    )


# -- text --


def test_text_asks_for_the_name_and_then_for_the_password() -> None:
    dialect = TextDialect(0)
    assert dialect.opening().startswith(b"-- chat ")
    assert dialect.ready(logged_in=False) == b"Username: "
    assert dialect.read(b" alice ") == Direct()
    assert dialect.ready(logged_in=False) == b"Password: "
    request = dialect.read(b" correct horse ")
    assert isinstance(request, TextRequest)
    login = request.find(REGISTRY)
    assert login is not None
    assert login.values(request.arguments(login)) == ["alice", " correct horse ", None]
    assert dialect.ready(logged_in=False) == b"Username: "  # both again after a refusal
    assert dialect.ready(logged_in=True) == b""


def test_the_line_after_a_login_is_read_when_that_has_been_carried_out() -> None:
    dialect = TextDialect(0)
    read = []
    for item in dialect.receive(b"alice\ncorrect horse\nwho\n"):
        read.append(item)
        dialect.ready(logged_in=len(read) == 2)
    assert [type(each) for each in read] == [Direct, TextRequest, TextRequest]
    assert [each.op for each in read[1:]] == ["login", "who"]


def test_an_empty_name_is_asked_for_again() -> None:
    dialect = TextDialect(0)
    assert dialect.read(b"  ") == Direct()
    assert dialect.ready(logged_in=False) == b"Username: "


def test_an_empty_password_is_a_password() -> None:
    dialect = TextDialect(0)
    dialect.read(b"alice")
    assert isinstance(dialect.read(b""), TextRequest)


def test_a_password_that_is_not_utf8_is_asked_for_again() -> None:
    dialect = TextDialect(0)
    dialect.read(b"alice")
    with pytest.raises(CommandError) as raised:
        dialect.read(b"caf\xe9")
    assert raised.value.code == "invalid_utf8"
    assert dialect.ready(logged_in=False) == b"Password: "


def typed(line: bytes) -> TextRequest | Direct:
    dialect = TextDialect(0)
    dialect.ready(logged_in=True)
    return dialect.read(line)


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
        (b"history bob", [("bob",), 50, None, None, None]),
        (b"history bob 20", [("bob",), 20, None, None, None]),
        (b"history bob 20 7", [("bob",), 20, None, 7, None]),
        (b"history (bob carol)", [("bob", "carol"), 50, None, None, None]),
        (b"history (bob carol) 5", [("bob", "carol"), 5, None, None, None]),
        (b"history (5 carol) 5", [("5", "carol"), 5, None, None, None]),
        (b"history (5)", [("5",), 50, None, None, None]),
        (b'search "so far" from:bob', ['"so far" from:bob', 20]),
    ],
)
def test_a_command_is_typed_with_or_without_a_slash(line: bytes, values: list[object]) -> None:
    request = typed(line)
    assert isinstance(request, TextRequest)
    found = request.find(REGISTRY)
    assert found is not None
    assert found.values(request.arguments(found)) == values


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"history (bob", "Put the names in brackets: (bob carol)."),
        (b"history () 5", "Put the names in brackets: (bob carol)."),
        (b"history (bob carol) five", "<count> must be a whole number, not 'five'."),
        (b"history bob carol", "<count> must be a whole number, not 'carol'."),
        (b"history (%s)" % b" ".join([b"x"] * 101), "history: with must be at most 100 long."),
    ],
)
def test_what_is_typed_wrongly_is_answered_with_what_is_wrong(line: bytes, text: str) -> None:
    request = typed(line)
    assert isinstance(request, TextRequest)
    found = request.find(REGISTRY)
    assert found is not None
    with pytest.raises(CommandError) as raised:
        request.arguments(found)
    assert raised.value.code == "bad_request"
    assert raised.value.text.startswith(text)


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
    found = REGISTRY.get("history")
    request = read(f'{{"op":"history","with":{written}}}'.encode())
    assert isinstance(request, JsonRequest)
    assert found is not None
    assert found.values(request.arguments(found))[0] == value


@pytest.mark.parametrize("written", ['""', "[]", '["bob",""]', "3", "{}", "[3]", str(["x"] * 101)])
def test_what_is_no_name_and_no_names_is_refused(written: str) -> None:
    with pytest.raises(CommandError) as raised:
        understood_strictly(f'{{"op":"history","with":{written}}}'.replace("'", '"').encode())
    assert raised.value.code == "bad_request"
    assert raised.value.text.startswith("history: with")


@pytest.mark.parametrize("line", [b"", b"   ", b"\t"])
def test_an_empty_line_of_text_is_nothing(line: bytes) -> None:
    assert typed(line) == Direct()


@pytest.mark.parametrize("line", [b"hello everybody", b"/", b"/// who", b"login alice secret"])
def test_what_is_no_command_is_still_a_request(line: bytes) -> None:
    request = typed(line)
    assert isinstance(request, TextRequest)
    found = request.find(REGISTRY)
    assert found is None or found.name == "login"


def test_invalid_utf8_is_named_with_its_place() -> None:
    with pytest.raises(CommandError) as raised:
        typed(b"say caf\xe9")
    assert raised.value.text == "That line is not UTF-8 at byte 7; send it again."


def test_a_tab_in_a_message_stays() -> None:
    request = typed(b"broadcast a\tb")
    assert isinstance(request, TextRequest)
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


def test_a_line_that_makes_sense_is_decoded_once() -> None:
    request = read(b'{"op":"send","id":3,"to":["bob"],"text":"hi"}')
    found = REGISTRY.get("send")
    assert isinstance(request, JsonRequest)
    assert found is not None
    arguments = request.arguments(found)
    assert request.arguments(found) is arguments
    assert found.values(arguments) == [("bob",), "hi", None]
