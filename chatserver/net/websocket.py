"""WebSocket over a stream: what comes in frames is read as lines, and goes out as it is.

websockets' ServerProtocol, which does no I/O, takes the frames apart. Here is what each means: a
message is a line; a ping, or a part of a message, costs as much as an empty line and is given on as
one, so that the rates of what reads the lines are those of everything that comes. What goes out is
whole frames already (see `dialects.web`); the answers to pings and closes wait here, and go out
behind whole frames, because only one thread at a time seals.
"""

import logging
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Wanted
from websockets.protocol import State
from websockets.server import ServerProtocol

from chatserver.errors import Disconnected
from chatserver.net.http import Request
from chatserver.net.stream import Stream

_SILENT: Final = logging.getLogger(f"{__name__}.protocol")
_SILENT.setLevel(logging.CRITICAL)  # every connection that ends is logged once, by the handler

_LINGER_SECONDS: Final = 1.0
"""How long the peer may take to read why the connection is closed."""


class Handshake(NamedTuple):
    """The answer to a request for a WebSocket: 101, or why there is none."""

    status: int
    headers: tuple[tuple[str, str], ...]
    text: bytes


def handshake(request: Request) -> Handshake:
    """Return the answer to a request for a WebSocket."""
    wanted = Wanted(request.path, Headers(request.headers), request.method, request.version)
    response = ServerProtocol(logger=_SILENT).accept(wanted)
    kept = tuple(
        each for each in response.headers.raw_items() if each[0] not in ("Connection", "Date")
    )
    if response.status_code == 101:
        return Handshake(101, (*kept, ("Connection", "Upgrade")), b"")
    kept = tuple(each for each in kept if each[0] in ("Upgrade", "Allow"))
    return Handshake(response.status_code, kept, bytes(response.body or b""))


class WebSocketStream:
    """A stream inside a WebSocket, once the handshake is over."""

    def __init__(self, raw: Stream, max_size: int, first: bytes = b"") -> None:
        """`max_size` is how many bytes a message may have; `first` has been read already."""
        self.address = raw.address
        """Whose it is: where a proxy stands between, not the proxy's."""
        self.security = raw.security
        self._raw = raw
        self._protocol = ServerProtocol(state=State.OPEN, max_size=max_size, logger=_SILENT)
        self._message = bytearray()  # as far as it has come, in parts
        self._lines = bytearray()
        self._over = False
        """Whether no more frames are read: the peer has closed, or sent what cannot be read."""
        self._failed = ""
        self._last = b""
        """The close frame, which goes out when all that came before it has been read."""
        # Written by the reading thread and taken by the sealing one, each by a single operation.
        self._pong: list[bytes] = []
        self._close: list[bytes] = []
        self._closed = False  # of the sealing thread: nothing may follow a close frame
        if first:
            self._take(first)

    @property
    def on_output(self) -> Callable[[], None]:
        """What the reading thread calls when there is something to send."""
        return self._raw.on_output

    @on_output.setter
    def on_output(self, call: Callable[[], None]) -> None:
        self._raw.on_output = call
        if self._pong:  # of what came before there was anybody to send it
            call()

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return self._raw.fileno()

    def receive(self, timeout: float | None = None) -> bytes | None:
        """Return what has come as lines, b"" at the end, or None when nothing came for `timeout` s.

        Raises Disconnected when what came is nothing that can be read.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._lines:
            if self._over:
                self._say_close()
                if self._failed:
                    raise Disconnected(self._failed)
                return b""
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            data = self._raw.receive(left)
            if not data:
                return data
            self._take(data)
            if self._pong:
                self.on_output()
        lines, self._lines = bytes(self._lines), bytearray()
        return lines

    def seal(self, data: bytes) -> bytes:
        """Return the bytes to send for `data`, which are whole frames, and what waits to be sent
        behind them. One thread at a time."""
        if self._closed:
            data = b""
        else:
            if self._pong:
                data += self._pong.pop()
            if self._close:
                data += self._close.pop()
                self._closed = True
        return self._raw.seal(data)

    def send(self, data: bytes | memoryview) -> int:
        """Send sealed bytes; return how many the system took."""
        return self._raw.send(data)

    def is_gone(self) -> bool:
        """Tell whether the peer has reset the connection, without reading what it has sent."""
        return self._raw.is_gone()

    def expect_life(self, seconds: float) -> None:
        """Have the system find out within about `seconds` that the peer's machine has gone."""
        self._raw.expect_life(seconds)

    def unacknowledged(self) -> int:
        """Return how many sent bytes the peer's system has not confirmed to have."""
        return self._raw.unacknowledged()

    def interrupt(self) -> None:
        """Wake the thread that waits in `receive`, from any other thread; it gets b""."""
        self._raw.interrupt()

    def close(self, linger: float = 0.0) -> None:
        """Close; first let the peer read what was sent, for up to `linger` seconds."""
        self._raw.close(max(linger, _LINGER_SECONDS) if self._failed else linger)

    def _say_close(self) -> None:
        """Have the close frame sent, once."""
        if self._last:
            self._close.append(self._last)
            self._last = b""
            self.on_output()

    def _take(self, data: bytes) -> None:
        """Take frames apart."""
        protocol = self._protocol
        protocol.receive_data(data)
        for frame in protocol.events_received():
            assert isinstance(frame, Frame)
            refusal = self._read(frame)
            if refusal is not None:
                protocol.fail(*refusal)
                self._failed = refusal[1]
                break
        writes = protocol.data_to_send()
        if protocol.state is State.OPEN:
            if writes:  # answers to pings, of which the last is enough (RFC 6455, 5.5.3)
                self._pong[:] = writes[-1:]
            return
        self._over = True
        self._last = next((each for each in reversed(writes) if each), b"")
        if protocol.parser_exc is not None:
            self._failed = f"WebSocket failed: {protocol.parser_exc}"

    def _read(self, frame: Frame) -> tuple[int, str] | None:
        """Read a frame. Return the code and the reason to close with where it is no line."""
        if frame.opcode is Opcode.CLOSE:
            return None
        if frame.opcode is Opcode.BINARY:
            return 1003, "Only text is read."
        if frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._message += frame.data
            if frame.fin:
                payload = bytes(self._message)
                self._message.clear()
                return self._read_message(payload)
        self._lines += b"\n"
        return None

    def _read_message(self, payload: bytes) -> tuple[int, str] | None:
        if b"\n" in payload:
            return 1007, "A message is one line."
        if not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError as error:
                return 1007, f"That is not UTF-8 at byte {error.start}."
        self._lines += payload
        self._lines += b"\n"
        return None
