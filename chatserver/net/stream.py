"""One client's bytes. This is the only file that calls a client's socket.

A stream is read by its handler thread and written by whichever thread drains its outbox (one at
a time). The socket stays in blocking mode, so that reading costs one system call; writes ask for
MSG_DONTWAIT each. Every OSError becomes Disconnected here.
"""

import fcntl
import select
import socket
import struct
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from chatserver.errors import Disconnected

CHUNK_BYTES: Final = 65536
UP_TO_PROXY: Final = "TLS up to a proxy"
"""The security of a stream whose client speaks TLS with a proxy that is trusted."""

_IDLE_BYTES: Final = 1024
"""Asked for until more comes at once: the buffer is there as long as a thread waits in `recv`, and
most of them wait most of the time."""

_LINGER_BYTES: Final = 1 << 20
_NOT_NOW: Final = (BlockingIOError, InterruptedError)
_INT: Final = struct.Struct("i")
_PROBES: Final = 3
_SO_NWRITE: Final = 0x1024  # <sys/socket.h> of macOS
_MOST_SECONDS: Final = 32_767
"""The longest that Linux takes for the time between keep-alive probes."""

_LOOK_SECONDS: Final = 0.02


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

    def expect_life(self, seconds: float) -> None:
        """Have the system find out within about `seconds` that the peer's machine has gone."""
        ...

    def unacknowledged(self) -> int:
        """Return how many sent bytes the peer's system has not confirmed to have: 0 where our
        system does not know. Still right after an error, until `close`; raises Disconnected."""
        ...

    def interrupt(self) -> None:
        """Wake the thread that waits in `receive`, from any other thread; it gets b"".

        The peer's own stream has not ended by that: it can still be sent to."""
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
        self._interrupted = False
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

    def expect_life(self, seconds: float) -> None:
        """Have the system find out within about `seconds` that the peer's machine has gone.

        Keep-alive probes tell where nothing is on its way, and where something is, the time for
        which it may stay unconfirmed (TCP_USER_TIMEOUT, RFC 5482). That one also counts while the
        peer is there and does not read; so it comes a little later, to let whoever looks after
        such peers say why they are cut off.
        """
        idle = int(min(max(1.0, seconds / 2), _MOST_SECONDS))
        between = int(min(max(1.0, seconds / 2 / _PROBES), _MOST_SECONDS))
        for name, value in (
            ("TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE", idle),
            ("TCP_KEEPINTVL", between),
            ("TCP_KEEPCNT", _PROBES),
            ("TCP_USER_TIMEOUT", int(min(seconds * 1.2 + 1, 2_000_000) * 1000)),
        ):
            if (option := getattr(socket, name, None)) is not None:
                with suppress(OSError):  # no TCP, or the peer has gone already
                    self._socket.setsockopt(socket.IPPROTO_TCP, option, value)

    def unacknowledged(self) -> int:
        """Return how many sent bytes the peer's system has not confirmed to have."""
        try:
            if sys.platform == "linux":
                left = fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(_INT.size))
                return int(_INT.unpack(left)[0])
            if sys.platform == "darwin":
                return self._socket.getsockopt(socket.SOL_SOCKET, _SO_NWRITE)
        except (OSError, ValueError) as error:  # ValueError: it is closed
            raise Disconnected("closed") from error
        return 0

    def interrupt(self) -> None:
        """Wake the thread that waits in `receive`, from any other thread; it gets b""."""
        self._interrupted = True
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
                if not got and not (self._interrupted and self.unacknowledged()):
                    return
                if not got:  # we were woken, which is not the peer's end: look again soon
                    time.sleep(_LOOK_SECONDS)
                left -= got
        except (OSError, Disconnected):
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
