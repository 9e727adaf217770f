"""Whatever somebody sends, the answer is an error or a goodbye: never a fault, never half an
effect, and never anything that others notice.

Every test ends with the check that the server has logged no traceback (see conftest).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from chatserver.net.http import is_http

from .client import PASSWORD, Event, JsonClient, TextClient, line, seqs
from .process import ServerProcess

LIMIT = 70_000
SETTINGS = {"message_max_line_bytes": LIMIT, "login_attempts": 1_000_000}
MALLORY = "mallory"

CODES = {
    "bad_request",
    "unknown_command",
    "bad_credentials",
    "not_logged_in",
    "already_logged_in",
    "no_such_user",
    "text_too_long",
    "line_too_long",
    "invalid_utf8",
    "logged_out",
}
"""What may come of nonsense. `internal` is not among it."""

LAST = 424_242
"""The id of the request that must still be answered after everything else."""

few = settings(max_examples=25)


@dataclass
class Scene:
    """A server, and somebody on it who must not notice anything."""

    server: ServerProcess
    bystander: JsonClient

    def send(self, data: bytes, *, login: bool) -> list[Event]:
        """Send bytes from a new json connection and nothing after them; return every event.

        Fails when an answer is not one that nonsense may get, when the connection did not go on
        (but for a goodbye), and when the bystander saw what was not answered with a number.
        """
        with self.server.json(MALLORY if login else "") as client:
            client.write(data + b"\n" + line({"op": "ping", "id": LAST}))
            client.finish()
            events = client.to_end()
        self.server.check()
        for each in events:
            assert each["event"] in ("hello", "reply", "error", "bye", "message", "replayed"), each
            if "code" in each:
                assert each["code"] in CODES, each
                assert each["text"]
        goodbyes = [each for each in events if each["event"] == "bye"]
        assert (
            goodbyes == events[-1:] if goodbyes else any(each.get("re") == LAST for each in events)
        )
        answered = [each["seq"] for each in events if "seq" in each and each["event"] == "reply"]
        assert self.seen() <= set(answered)
        return events

    def seen(self) -> set[int]:
        """Return the numbers of the messages that the bystander has got since the last time."""
        return set(seqs(self.bystander.fence()))


@pytest.fixture(scope="module")
def scene(server: ServerProcess) -> Iterator[Scene]:
    """The scene, with its two accounts."""
    server.add(MALLORY)
    with server.json(server.add("bystander")) as bystander:
        # Nobody is told of mallory's comings and goings: they would be in the way.
        with server.json(MALLORY) as mallory:
            mallory.ask("hide")
        bystander.fence()
        yield Scene(server, bystander)


def errors(events: list[Event]) -> list[str]:
    return [each["code"] for each in events if each["event"] == "error"]


# -- json --

REQUESTS: list[dict[str, object]] = [
    {"op": "login", "name": MALLORY, "password": PASSWORD, "since": 0},
    {"op": "who"},
    {"op": "last", "minutes": 5},
    {"op": "broadcast", "text": "hi", "key": "k"},
    {"op": "send", "to": ["bystander"], "text": "hi", "key": "k"},
    {"op": "busy", "reply": "gone"},
    {"op": "idle"},
    {"op": "status"},
    {"op": "ack", "upto": 3},
    {"op": "help", "command": "send"},
    {"op": "ping"},
]
REQUIRED = {
    "login": {"name", "password"},
    "last": {"minutes"},
    "broadcast": {"text"},
    "send": {"to", "text"},
    "ack": {"upto"},
}
WRONG: dict[str, st.SearchStrategy[object]] = {
    # What is none of a field's types, whichever the field.
    "text": st.none() | st.integers() | st.booleans() | st.lists(st.text()),
    "name": st.none() | st.integers() | st.just("") | st.lists(st.text()),
    "password": st.none() | st.integers() | st.lists(st.text()),
    "to": st.none() | st.integers() | st.text() | st.just([]) | st.lists(st.none(), min_size=1),
    "key": st.integers() | st.just("") | st.text(min_size=65) | st.lists(st.text()),
    "reply": st.integers() | st.booleans() | st.lists(st.text()),
    "command": st.integers() | st.booleans() | st.lists(st.text()),
    "minutes": st.none() | st.integers(max_value=0) | st.text() | st.floats(1.1, 1.9),
    "upto": st.none() | st.integers(max_value=-1) | st.text() | st.floats(1.1, 1.9),
    "since": st.integers(max_value=-1) | st.text() | st.floats(1.1, 1.9),
    "id": st.text() | st.booleans() | st.lists(st.integers()) | st.floats(1.1, 1.9),
    "op": st.none() | st.integers() | st.lists(st.text()),
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@st.composite
def wrong_requests(draw: st.DrawFn) -> dict[str, object]:
    """A request with one thing wrong in it: a type, a missing field, one that does not exist."""
    request = dict(draw(st.sampled_from(REQUESTS))) | {"id": 5}
    required = sorted(REQUIRED.get(str(request["op"]), ()))
    how = draw(
        st.sampled_from(["wrong", "unknown", "missing"] if required else ["wrong", "unknown"])
    )
    if how == "missing":
        del request[draw(st.sampled_from(required))]
    elif how == "wrong":
        field = draw(st.sampled_from(sorted(request)))
        request[field] = draw(WRONG[field])
    else:
        name = draw(st.text(min_size=1, max_size=10))
        assume(name not in request and name not in ("limit", "before", "after", "id", "command"))
        request[name] = draw(json_values)
    return request


@few
@given(wrong_requests(), st.booleans())
def test_request_with_something_wrong_is_a_bad_request_without_effect(
    scene: Scene, request_: dict[str, object], login: bool
) -> None:
    if not login:
        assume(request_["op"] in ("login", "help", "ping"))
    if login:
        assume(request_["op"] != "login")
    events = scene.send(line(request_), login=login)
    (error,) = [each for each in events if each["event"] == "error"]
    assert error["code"] == "bad_request"
    if request_.get("id") == 5 and isinstance(request_["op"], str):
        assert error["re"] == 5
    assert not any("seq" in each for each in events)


@few
@given(st.lists(st.binary(max_size=60) | json_values.map(line), max_size=6))
@example([b'{"op":"who","id":' + b"9" * 5000 + b"}"])
@example([b'{"op":"who","id":1e400}', b'{"op":"who","id":-0}', b'{"op":"who","id":NaN}'])
@example([b'\xef\xbb\xbf{"op":"who"}', b'{"op":"who"}{"op":"who"}', b'{"op":"who"} x'])
@example([b"\0", b"\xff\xfe", b'{"op":"who","op":"status"}', b"{}", b"[]", b'""', b"null", b"5"])
def test_json_client_may_send_any_bytes(scene: Scene, lines: list[bytes]) -> None:
    data = b"\n".join(lines)
    scene.send(data, login=True)
    scene.send(b"{}\n" + data, login=False)


@few
@given(st.sampled_from(REQUESTS), st.data())
def test_request_with_bytes_changed_does_all_or_nothing(
    scene: Scene, request_: dict[str, object], data: st.DataObject
) -> None:
    changed = bytearray(line({**request_, "id": 5}))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        to = data.draw(st.integers(at, min(len(changed), at + 3)))
        changed[at:to] = data.draw(st.binary(max_size=3))
        assume(changed)
    scene.send(bytes(changed), login=request_["op"] != "login")


@few
@given(st.text(max_size=100), st.text(max_size=40), st.text(max_size=10))
@example("\0", "\0", "\0")
@example('"', '*" OR NEAR(a b)', "x")
def test_any_text_may_stand_in_any_field(scene: Scene, text: str, name: str, key: str) -> None:
    requests: list[dict[str, object]] = [
        {"op": "broadcast", "text": text, "key": key},
        {"op": "send", "to": [name, "bystander"], "text": text},
        {"op": "busy", "reply": text},
        {"op": "idle"},
        {"op": "help", "command": name},
        {"op": "search", "query": text},
        {"op": "history", "with": name},
        {"op": name},
        {"op": "login", "name": name, "password": text},
    ]
    data = b"".join(line({**each, "id": at}) for at, each in enumerate(requests))
    answers = {each["re"]: each for each in scene.send(data, login=True) if "re" in each}
    assert sorted(answers) == [*range(len(requests)), LAST]
    before = scene.send(b"{}\n" + data, login=False)
    assert len([each for each in before if "re" in each]) == len(requests) + 1


NUMBERS = [b"0", b"-1", b"1e5", b"9" * 19, b"9" * 20, b"9" * 400, b"9" * 5000, b"1e999", b"-0.0"]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.decode()[:25])
def test_numbers_of_any_size_are_taken_or_refused(scene: Scene, number: bytes) -> None:
    requests = [
        b'"last","minutes":%s',
        b'"history","limit":%s',
        b'"broadcast","text":%s',
        b'"busy","reply":%s',
        b'"ack","upto":%s',
    ]
    data = b"\n".join(
        b'{"op":%s,"id":%d}' % (each % number, at) for at, each in enumerate(requests)
    )
    answers = {each["re"]: each for each in scene.send(data, login=True) if "re" in each}
    assert {0, 1, 2, 3} <= answers.keys()
    assert [answers[at]["code"] for at in (2, 3)] == ["bad_request"] * 2
    scene.send(b'{"op":"status","id":%s}' % number, login=True)
    login = b'{"op":"login","name":"mallory","password":"%s","since":%s}'
    scene.send(login % (PASSWORD.encode(), number), login=False)


@few
@given(st.integers(LIMIT + 1, LIMIT + 3000), st.binary(min_size=1, max_size=20), st.booleans())
def test_line_that_is_too_long_ends_the_connection(
    scene: Scene, length: int, pattern: bytes, login: bool
) -> None:
    assume(b"\n" not in pattern)
    data = (b"{" + pattern * length)[:length] + b"\n" + line({"op": "broadcast", "text": "hi"})
    events = scene.send(data, login=login)
    assert errors(events) == ["line_too_long"]
    assert [each["code"] for each in events if each["event"] == "bye"] == ["line_too_long"]


# -- text --

words = st.sampled_from(
    [
        *("who", "last", "broadcast", "say", "send", "msg", "busy", "idle", "status", "help"),
        *("history", "search", "login", "bystander", "mallory", "nobody", "5", "-1"),
        *'?/()*":,#{',
    ]
)
typed = st.lists(
    st.lists(words | st.text(max_size=12), max_size=6).map(" ".join).map(str.encode)
    | st.binary(max_size=40),
    max_size=8,
)


@few
@given(typed)
@example([b"send (bystander", b"send () hi", b"send (((", b"send bystander", b"last 99999999999"])
@example(
    [b"broadcast \0\x1b", b"\0", b"\xff", b"busy \xed\xa0\x80", b"help \x1b[2J", b"/", b"//who"]
)
@example(
    [b'search "', b"search *", b"search from:", b"history nobody 5", b"history 5", b"search ("]
)
def test_text_client_may_type_anything(scene: Scene, lines: list[bytes]) -> None:
    data = b"\n".join(lines)
    with scene.server.text(MALLORY) as client:
        client.write(data + b"\nstatus\n")
        client.finish()
        output = client.to_end()
    assert f"-- You are {MALLORY}: " in output or output.endswith("-- Goodbye.\n")
    assert "Something went wrong" not in output
    said = output.count("-- Sent to everybody here.") + output.count("-- Delivered to")
    assert len(scene.seen()) <= said


@few
@given(st.binary(max_size=80))
@example(b"\0\n\0\n")
@example(b"\xff\xff\nx\n\xff\nx\n")
@example(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
@example(b" " * 1000 + b"\n")
@example(b"x" * 3000 + b"\n" + b"y" * 3000 + b"\n")
def test_newcomer_may_send_anything(scene: Scene, data: bytes) -> None:
    assume(data and data[0] not in b"{\x16")
    with TextClient(scene.server.place) as client:
        client.write(data)
        client.finish()
        output = client.to_end()
    assert output.startswith("HTTP/1.1 " if is_http(data) else "-- chat ")
    assert "Something went wrong" not in output
    assert scene.bystander.fence() == []


@few
@given(st.binary(max_size=80))
@example(bytes.fromhex("16030100050100000100"))
def test_newcomer_may_pretend_to_speak_tls(scene: Scene, data: bytes) -> None:
    with TextClient(scene.server.place) as client:
        client.write(b"\x16" + data)
        client.finish()
        answer = client.receive_all()
    assert answer == b"" or answer[0] == 0x15  # nothing, or a TLS alert
    assert scene.bystander.fence() == []


def test_server_goes_on(scene: Scene) -> None:
    with scene.server.json(MALLORY) as client, scene.server.text(MALLORY) as person:
        client.ask("idle")
        seq = client.tell("bystander", "still there?")["seq"]
        assert scene.seen() == {seq}
        person.ask("status", "-- You are ")
