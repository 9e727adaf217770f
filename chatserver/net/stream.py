"""One client's bytes. This is the only file that calls a client's socket.

A stream is read by its handler thread and written by whichever thread drains its outbox (one at
a time). The socket stays in blocking mode, so that reading costs one system call; writes ask for
MSG_DONTWAIT each. Every OSError becomes Disconnected here.
"""

import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from chatserver.errors import Disconnected

CHUNK_BYTES: Final = 65536
_IDLE_BYTES: Final = 2048
"""Asked for until more comes at once: the buffer is there as long as a thread waits in `recv`, and
most of them wait most of the time."""

_LINGER_BYTES: Final = 1 << 20
_NOT_NOW: Final = (BlockingIOError, InterruptedError)


class Stream(Protocol):
    """What the rest of the server sees of a connection, encrypted or not."""

    address: str
    security: str
    """What protects it: `TLSv1.3`, `plaintext`."""
    on_output: Callable[[], None]
    """Called by the reading thread when the stream has something to send of its own accord."""

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        ...

    def receive(self, timeout: float | None = None) -> bytes | None:
        """Return what has come, b"" at the end, or None when nothing came for `timeout` s."""
        ...

    def seal(self, data: bytes) -> bytes:
        """Return the bytes to send for `data`: encrypted, or as it is."""
        ...

    def send(self, data: bytes | memoryview) -> int:
        """Send what the system takes now and return how many bytes that was; never blocks."""
        ...

    def is_gone(self) -> bool:
        """Tell whether the peer has reset the connection, without reading what it has sent."""
        ...

    def interrupt(self) -> None:
        """Wake the thread that waits in `receive`, from any other thread; it gets b""."""
        ...

    def close(self, linger: float = 0.0) -> None:
        """Close; first let the peer read what was sent, for up to `linger` seconds."""
        ...


class PlainStream:
    """A TCP connection as it is."""

    security = "plaintext"

    def __init__(self, connection: socket.socket, address: str) -> None:
        self.address = address
        self.on_output: Callable[[], None] = nothing
        self._socket = connection
        self._ask_for = _IDLE_BYTES
        with suppress(OSError):  # some systems refuse options once the peer has gone
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return self._socket.fileno()

    def receive(self, timeout: float | None = None) -> bytes | None:
        """Return what has come, b"" at the end, or None when nothing came for `timeout` s."""
        try:
            if timeout is not None and not self._readable(timeout):
                return None
            data = self._socket.recv(self._ask_for)
            self._ask_for = CHUNK_BYTES if len(data) == self._ask_for else _IDLE_BYTES
            return data
        except OSError as error:
            raise Disconnected(_reason(error)) from error

    def seal(self, data: bytes) -> bytes:
        """Return `data` as it is."""
        return data

    def send(self, data: bytes | memoryview) -> int:
        """Send what the system takes now and return how many bytes that was; never blocks."""
        try:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        except _NOT_NOW:
            return 0
        except OSError as error:
            raise Disconnected(_reason(error)) from error

    def is_gone(self) -> bool:
        """Tell whether the peer has reset the connection, without reading what it has sent."""
        poll = select.poll()
        poll.register(self._socket, 0)  # errors are always reported
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))

    def interrupt(self) -> None:
        """Wake the thread that waits in `receive`, from any other thread; it gets b""."""
        self._shutdown(socket.SHUT_RD)

    def close(self, linger: float = 0.0) -> None:
        """Close; first let the peer read what was sent, for up to `linger` seconds.

        Closing with unread input makes the system send a reset, which can overtake the last
        words. So say that no more will come, and read what is still coming to its end.
        """
        if linger:
            self._shutdown(socket.SHUT_WR)
            self._discard(time.monotonic() + linger)
        self._socket.close()

    def _discard(self, deadline: float) -> None:
        left = _LINGER_BYTES
        try:
            while left > 0 and self._readable(max(0.0, deadline - time.monotonic())):
                got = len(self._socket.recv(CHUNK_BYTES))
                if not got:
                    return
                left -= got
        except OSError:
            return

    def _readable(self, timeout: float) -> bool:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    def _shutdown(self, how: int) -> None:
        with suppress(OSError):  # the peer was faster
            self._socket.shutdown(how)


def nothing() -> None:
    """Do nothing: what a plain stream has to send of its own accord."""


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
