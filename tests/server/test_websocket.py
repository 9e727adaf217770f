"""Frames: what comes in them is read as lines, and what cannot be read ends the connection."""

import struct
from collections.abc import Iterator
from itertools import pairwise

import pytest
from e2e.web import BINARY, CLOSE, PING, PONG, TEXT, frame
from hypothesis import given
from hypothesis import strategies as st

from chatserver.errors import Disconnected
from chatserver.net.http import Request
from chatserver.net.websocket import WebSocketStream, handshake

from .fakes import FakeStream

LIMIT = 1000


class Scripted(FakeStream):
    """A stream that receives these pieces and then ends."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces

    def receive(self, timeout: float | None = None) -> bytes | None:
        return next(self._pieces, b"")


def cut(data: bytes, at: list[int]) -> Iterator[bytes]:
    places = [0, *sorted(min(each, len(data)) for each in at), len(data)]
    return (data[start:end] for start, end in pairwise(places) if end > start)


class Read:
    """All that a stream reads of some bytes, and what it sends by itself."""

    def __init__(self, data: bytes, at: list[int] | None = None) -> None:
        self.stream = WebSocketStream(Scripted(cut(data, at or [])), LIMIT)
        self.lines, self.sent, self.reason = b"", b"", ""
        self.stream.on_output = self._send
        try:
            while more := self.stream.receive():
                self.lines += more
        except Disconnected as error:
            self.reason = error.reason
        self._send()

    def _send(self) -> None:
        self.sent += self.stream.seal(b"")

    @property
    def close_code(self) -> int:
        """The code of the close frame, which is the last that is sent."""
        at = self.sent.rfind(b"\x88")
        return struct.unpack(">H", self.sent[at + 2 : at + 4])[0] if at >= 0 else 0


PAYLOADS = st.binary(max_size=300).map(lambda data: data.hex().encode())
CUTS = st.lists(st.integers(0, 4000), max_size=12)


@given(st.lists(PAYLOADS, max_size=6), CUTS)
def test_frames_are_lines_however_the_network_cuts_them(
    payloads: list[bytes], at: list[int]
) -> None:
    data = b"".join(frame(each) for each in payloads)
    read = Read(data, at)
    assert read.lines == b"".join(each + b"\n" for each in payloads)
    assert (read.sent, read.reason) == (b"", "")


@given(PAYLOADS, st.lists(st.integers(0, 600), min_size=1, max_size=5), CUTS)
def test_a_message_in_parts_is_one_line_and_each_part_before_the_last_costs_one(
    payload: bytes, parts: list[int], at: list[int]
) -> None:
    pieces = [*cut(payload, parts)] or [b""]
    data = b""
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        data += frame(piece, 0 if number else TEXT, fin=last)
        data += b"" if last else frame(b"still there?", PING)
    read = Read(data, at)
    assert read.lines.splitlines() == [b""] * 2 * (len(pieces) - 1) + [payload]


@given(st.binary(max_size=400), CUTS)
def test_any_bytes_end_with_a_reason_or_are_lines(data: bytes, at: list[int]) -> None:
    read = Read(data, at)
    assert read.lines.endswith(b"\n") or not read.lines
    assert len(read.sent) <= 2 * 127
    if read.reason:
        assert read.close_code in (1002, 1003, 1007, 1009)


@given(st.lists(st.tuples(st.integers(0, 15), st.booleans(), st.binary(max_size=130)), max_size=8))
def test_any_frames_end_with_a_reason_or_are_lines(
    frames: list[tuple[int, bool, bytes]],
) -> None:
    read = Read(b"".join(frame(data, opcode, fin=fin) for opcode, fin, data in frames))
    assert not read.reason or read.close_code in (1002, 1003, 1007, 1009)


UNREADABLE = [
    "binary",
    "lines",
    "bytes",
    "long",
    "long-in-parts",
    "part",
    "bare",
    "packed",
    "long-ping",
    "unknown",
]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(b"{}", BINARY), 1003),
        (frame(b"one\ntwo"), 1007),
        (frame(b"\xff\xfe"), 1007),
        (frame(b"x" * (LIMIT + 1)), 1009),
        (frame(b"x" * LIMIT, fin=False) + frame(b"x", 0), 1009),
        (frame(b"no beginning", 0), 1002),
        (b"\x81\x02{}", 1002),  # not masked
        (frame(b"{}", 0x41), 1002),  # compressed, though nobody has agreed on that
        (frame(b"x" * 126, PING), 1002),
        (frame(b"{}", 0x3), 1002),
    ],
    ids=UNREADABLE,
)
def test_what_cannot_be_read_is_closed_with_its_code_and_what_came_before_is_not_lost(
    data: bytes, code: int
) -> None:
    for at in ([], [*range(1, 4000, 3)]):
        read = Read(frame(b"before") + data + frame(b"after"), at)
        assert read.lines.splitlines()[0] == b"before"
        assert b"after" not in read.lines
        assert read.close_code == code
        assert read.reason


def test_the_longest_message_is_read() -> None:
    assert Read(frame(b"x" * LIMIT)).lines == b"x" * LIMIT + b"\n"


def test_a_close_is_answered_when_what_came_before_it_has_been_read() -> None:
    raw = Scripted(iter([frame(b"last") + frame(struct.pack(">H", 1001), CLOSE) + frame(b"no")]))
    stream = WebSocketStream(raw, LIMIT)
    sent = []
    stream.on_output = lambda: sent.append(stream.seal(b""))
    assert stream.receive() == b"last\n"
    assert sent == []
    assert stream.receive() == b""
    assert sent == [b"\x88\x02\x03\xe9"]
    assert stream.seal(b"an event that comes too late") == b""
    assert stream.receive() == b""


def test_of_many_pings_the_last_is_answered_behind_a_whole_frame_and_each_costs_a_line() -> None:
    raw = Scripted(iter([frame(b"one", PING) + frame(b"two", PING) + frame(b"", PONG)]))
    stream = WebSocketStream(raw, LIMIT)
    assert stream.receive() == b"\n\n\n"
    assert stream.seal(b"<frame>") == b"<frame>\x8a\x03two"
    assert stream.seal(b"<frame>") == b"<frame>"


def test_what_has_come_with_the_request_is_read_first() -> None:
    stream = WebSocketStream(Scripted(iter([frame(b"second")])), LIMIT, frame(b"first"))
    assert stream.receive() == b"first\n"
    assert stream.receive() == b"second\n"


def test_a_timeout_is_one_and_the_end_without_a_close_is_the_end() -> None:
    raw = FakeStream()
    stream = WebSocketStream(raw, LIMIT)
    assert stream.receive(0) is None
    raw.gone = True
    assert stream.receive(0) == b""


def test_after_a_failure_the_peer_has_time_to_read_why() -> None:
    read = Read(frame(b"", BINARY))
    lingered: list[float] = []
    read.stream._raw.close = lingered.append  # type: ignore[method-assign]
    read.stream.close(0.0)
    assert lingered == [1.0]


GOOD = {
    "upgrade": "websocket",
    "connection": "keep-alive, Upgrade",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}


def test_a_handshake_is_answered_and_agrees_to_nothing_else() -> None:
    offered = {"sec-websocket-extensions": "permessage-deflate", "sec-websocket-protocol": "chat"}
    answer = handshake(Request("GET", "/ws", GOOD | offered))
    assert answer.status == 101
    assert dict(answer.headers) == {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    }


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"upgrade": "h2c"}, 426),
        ({"connection": "close"}, 426),
        ({"sec-websocket-key": "short"}, 400),
        ({"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="}, 400),
        ({"sec-websocket-version": "8"}, 400),
    ],
)
def test_what_is_no_handshake_is_refused(changed: dict[str, str], status: int) -> None:
    answer = handshake(Request("GET", "/ws", GOOD | changed))
    assert answer.status == status
    assert answer.text
