"""HTTP/1.1: requests however they are cut, limits, times, and shapes with two readings."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.errors import Disconnected
from chatserver.net import http as module
from chatserver.net.http import METHODS, HttpConversation, Request, Response, is_http

from .fakes import FakeStream

HOST = b"Host: chat.example\r\n"


class Scripted(FakeStream):
    """A stream that receives these pieces, and then ends; None is a time-out."""

    def __init__(self, *pieces: bytes | None) -> None:
        super().__init__()
        self.pieces = [*pieces]
        self.waits: list[float | None] = []

    def receive(self, timeout: float | None = None) -> bytes | None:
        self.waits.append(timeout)
        return self.pieces.pop(0) if self.pieces else b""


class Asked:
    """What is read of a conversation in which everything is answered with `ok`."""

    def __init__(self, *pieces: bytes | None, first: bytes = b"") -> None:
        self.stream = Scripted(*pieces)
        self.conversation = HttpConversation(self.stream, first, lambda _: None)
        self.requests: list[Request] = []
        for request in self.conversation.requests():
            self.requests.append(request)
            self.conversation.respond(Response(200, b"ok"))

    @property
    def statuses(self) -> list[int]:
        sent = bytes(self.stream.sent)
        return [int(each[:3]) for each in sent.split(b"HTTP/1.1 ")[1:]]


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted(min(each, len(data)) for each in at), len(data)]
    return [data[start:end] for start, end in pairwise(places) if end > start]


BODIES = st.binary(max_size=200)
CUTS = st.lists(st.integers(0, 1500), max_size=12)


@given(st.lists(BODIES, min_size=1, max_size=5), CUTS)
def test_requests_are_the_same_however_the_network_cuts_them(
    bodies: list[bytes], at: list[int]
) -> None:
    data = b"".join(
        b"POST /%d HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (number, HOST, len(body), body)
        for number, body in enumerate(bodies)
    )
    first, *pieces = cut(data, at)
    asked = Asked(*pieces, first=first)
    assert [each.body for each in asked.requests] == bodies
    assert [each.target for each in asked.requests] == [f"/{at}" for at in range(len(bodies))]
    assert asked.statuses == [200] * len(bodies)


@given(st.binary(max_size=600), CUTS)
def test_any_bytes_are_requests_or_are_refused_or_nothing(data: bytes, at: list[int]) -> None:
    first = b"GET "
    asked = Asked(*cut(data, at), first=first)
    assert set(asked.statuses) <= {200, 400, 411, 413, 431}


BITS = (
    b"GET / HTTP/1.1|\r\n|\n|Host: a|Content-Length: 3|Transfer-Encoding: chunked|abc| |\t|\0|:"
).split(b"|")


@given(st.lists(st.sampled_from(BITS), max_size=30).map(b"".join), CUTS)
def test_odd_shapes_are_requests_or_are_refused_or_nothing(data: bytes, at: list[int]) -> None:
    asked = Asked(*cut(data, at), first=b"GET / HTTP/1.1\r\n")
    assert set(asked.statuses) <= {200, 400, 411, 413, 431}
    assert all(
        "transfer-encoding" not in each.headers and "host" in each.headers
        for each in asked.requests
    )


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 411),
        (b"Transfer-Encoding: chunked\r\n", 411),
        (b"Transfer-Encoding: xchunked\r\n", 501),
        (b"Transfer-Encoding : chunked\r\n", 400),
        (b"Content-Length: 3\r\nContent-Length: 4\r\n", 400),
        (b"Content-Length: +3\r\n", 400),
        (b"Content-Length: 3, 4\r\n", 400),
        (b"Content-Length: 0x3\r\n", 400),
        (b"Content-Length: -3\r\n", 400),
        (b"Content-Length: 99999999999999999999\r\n", 413),
        (b"Content-Length: 16385\r\n", 413),
        (b"Host: other.example\r\n", 400),
        (b"Origin: http://a\r\nOrigin: http://b\r\n", 400),
        (b"X: a\rb\r\n", 400),
        (b"X: a\0b\r\n", 400),
        (b" X: a\r\n", 400),
        (b"no colon\r\n", 400),
        (b"X: " + b"x" * 16400 + b"\r\n", 431),
    ],
)
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "cut"])
def test_shapes_that_two_programs_may_read_differently_are_the_last(
    lines: bytes, status: int, whole: bool
) -> None:
    data = b"POST / HTTP/1.1\r\n" + (b"" if lines[0] == 32 else HOST) + lines + b"\r\nabc"
    data += b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
    asked = Asked(
        *([] if whole else cut(data, [*range(1, len(data), 7)])), first=data if whole else b""
    )
    assert asked.requests == []
    assert asked.statuses == [status]
    assert b"connection: close" in bytes(asked.stream.sent).lower()


def test_headers_of_the_limit_are_read_and_one_more_byte_is_not() -> None:
    rest = 16_384 - len(b"/") - len(b"hostchat.example") - len(b"x") - 2 * 4
    for more, status in ((0, 200), (1, 431)):
        data = b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"x" * (rest + more) + b"\r\n\r\n"
        assert Asked(first=data).statuses == [status]


def test_a_body_of_the_limit_is_read() -> None:
    body = b"x" * 16_384
    data = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 16384\r\n\r\n" + body
    assert Asked(*cut(data, [*range(1, 20_000, 999)])).requests[0].body == body


def test_after_a_hundred_requests_the_connection_ends() -> None:
    asked = Asked(first=(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") * 101)
    assert len(asked.requests) == 100
    assert bytes(asked.stream.sent).lower().count(b"connection: close") == 1


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"]
)
def test_who_wants_one_answer_gets_one(data: bytes) -> None:
    assert Asked(first=data * 2).statuses == [200]


def test_times(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
    asked = Asked(None, first=whole)
    assert (asked.statuses, asked.stream.waits) == ([200], [5.0])  # nothing to say: just closed
    asked = Asked(None)
    assert (asked.statuses, asked.stream.waits) == ([], [5.0])
    asked = Asked(None, first=whole[:9])
    assert asked.statuses == [408]
    now = iter(range(0, 1000, 7))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(now)))
    asked = Asked(b"T", b" ", b"/", b" ", b"H", b"T", None, first=b"GE")
    assert asked.stream.waits == [23.0, 16.0, 9.0, 2.0, 0.0, 0.0, 0.0]  # however often some comes
    assert asked.statuses == [408]


def test_a_response_that_is_not_read_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REQUEST_SECONDS", 0.01)
    stream = Scripted()
    stream.room = 10
    watched: list[object] = []
    conversation = HttpConversation(stream, b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", watched.append)
    next(conversation.requests())
    with pytest.raises(Disconnected):
        conversation.respond(Response(200, b"too much"))
    assert watched == [conversation]
    stream.room = None
    assert conversation.flush()
    assert bytes(stream.sent).endswith(b"too much")


def test_a_body_that_waits_to_be_wanted_is_asked_for() -> None:
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    asked = Asked(b"abc", first=head)
    assert asked.requests[0].body == b"abc"
    assert asked.statuses == [100, 200]


def test_head_is_answered_without_a_body() -> None:
    asked = Asked(first=b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert b"Content-Length: 2\r\n" in bytes(asked.stream.sent)
    assert bytes(asked.stream.sent).endswith(b"\r\n\r\n")


def test_headers_that_come_twice_are_one() -> None:
    data = b"GET / HTTP/1.1\r\n" + HOST + b"Cookie: a=1\r\nCookie: b=2\r\nX: 1\r\nX: 2\r\n\r\n"
    headers = Asked(first=data).requests[0].headers
    assert (headers["cookie"], headers["x"]) == ("a=1; b=2", "1, 2")


def test_before_an_upgrade_what_follows_is_left_to_it() -> None:
    data = b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    conversation = HttpConversation(Scripted(), data + b"frames" * 5000, lambda _: None)
    next(conversation.requests())
    assert conversation.upgrade((("Connection", "Upgrade"), ("Upgrade", "websocket"))) == (
        b"frames" * 5000
    )


def test_who_has_gone_meanwhile_is_noticed_and_what_he_said_is_not_lost() -> None:
    stream = Scripted(b"next", b"")
    conversation = HttpConversation(stream, b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", lambda _: None)
    next(conversation.requests())
    conversation.check_is_there()
    assert conversation._unread == b"next"
    conversation._unread = b""
    with pytest.raises(Disconnected):
        conversation.check_is_there()


@pytest.mark.parametrize("method", METHODS)
def test_http_is_known_by_its_first_bytes_and_a_beginning_is_waited_for(method: str) -> None:
    whole = f"{method} ".encode()
    assert is_http(whole + b"/ HTTP/1.1")
    for size in range(1, len(whole)):
        assert is_http(whole[:size]) is None
    assert is_http(whole[:-1] + b"\n") is False


@pytest.mark.parametrize(
    "first", [b"OPTIONS / HTTP/1.1\r\n", b"brew /pot HTTP/1.0\nx", b"PRI * HTTP/2.0\r\n\r\nSM"]
)
def test_any_method_is_http_and_no_login(first: bytes) -> None:
    assert is_http(first) is True
    assert is_http(first[:9]) is None


@pytest.mark.parametrize(
    "first",
    [b"", b"alice\n", b"GETTER x\n", b"get / \n", b"P\n", b"{", b"DELETED\r\n", b"\xff GET"],
)
def test_who_is_no_browser_is_not_taken_for_one(first: bytes) -> None:
    assert is_http(first) is False
