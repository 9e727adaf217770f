"""Bytes to and from a server. The only file here that sees a socket, so the only one that sees an
OSError: each becomes a `ConnectFailed` or a `LinkLost` with one sentence that says what to do.

`TlsTransport` has the same methods; nothing above the two notices which it is.
"""

import contextlib
import errno
import os
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Final, Self

from chatclient.errors import ConnectFailed, LinkLost
from chatwire.loopback import is_loopback

_RECEIVE_BYTES: Final = 65536
_NEXT_ADDRESS_SECONDS: Final = 0.25
_LIFE_SECONDS: Final = 60

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""As from `socket.getaddrinfo`."""


class Quiet(Exception):
    """Nothing has come for a while; the link may be fine."""


class Transport:
    """A TCP connection. One thread may receive while any number of threads send, one at a time.

    Nothing is locked here: whoever sends holds the caller's write lock.
    """

    def __init__(self, sock: socket.socket, quiet_seconds: float) -> None:
        """Take over a connected socket; `quiet_seconds` is when `receive` raises Quiet."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _expect_life(sock)
        self._sock = sock
        self.be_patient(quiet_seconds)

    security = "plaintext"
    """What protects it, for people: `TLSv1.3`, `plaintext`."""

    @property
    def is_local(self) -> bool:
        """Whether the other end is on this machine, so that nobody can be in between."""
        try:
            address = str(self._sock.getpeername()[0])
        except OSError:
            return False
        return is_loopback(address)

    def be_patient(self, quiet_seconds: float) -> None:
        """Set after how long without a byte `receive` raises Quiet."""
        self.quiet_seconds = quiet_seconds
        self._sock.settimeout(quiet_seconds)

    @classmethod
    def open(cls, host: str, port: int, timeout: float, quiet_seconds: float) -> Self:
        """Connect to the address of `host` that answers first, within `timeout` seconds.

        Raises ConnectFailed.
        """
        try:
            sock = _connect_to_any(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), timeout)
        except (OSError, UnicodeError, OverflowError) as error:
            raise ConnectFailed(_why_not(error, host, port, timeout)) from error
        try:
            return cls(sock, quiet_seconds)
        except OSError as error:  # it was closed again at once
            sock.close()
            raise ConnectFailed(_why_not(error, host, port, timeout)) from error

    def receive(self) -> bytes:
        """Wait for the next bytes. Raises Quiet, or LinkLost at the end of the stream."""
        try:
            data = self._sock.recv(_RECEIVE_BYTES)
        except TimeoutError as error:
            if error.errno == errno.ETIMEDOUT:  # the network's time-out, not ours
                raise LinkLost(_why_lost(error)) from error
            raise Quiet from error
        except OSError as error:
            raise LinkLost(_why_lost(error)) from error
        if not data:
            raise LinkLost("The server closed the connection without saying why; try again.")
        return data

    def send(self, data: bytes, *, patient: bool = True) -> None:
        """Send all of `data`, however long the server takes to read it. Raises LinkLost.

        A send may time out because the socket has one time-out for both ways. That is no error: the
        server reads a busy client slowly on purpose. Whether it is still there is for the receiving
        thread to find out; when it gives up it calls `shut`, which ends this loop too. That thread
        itself must not be `patient`: it would wait for its own verdict.
        """
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._sock.send(rest) :]
            except TimeoutError as error:
                if not patient or error.errno == errno.ETIMEDOUT:
                    raise LinkLost(_why_lost(error)) from error
            except OSError as error:
                raise LinkLost(_why_lost(error)) from error

    def shut(self) -> None:
        """End the stream both ways and wake whoever is receiving or sending. From any thread."""
        with contextlib.suppress(OSError):  # the other side may have been faster
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back. Call `shut` first, and let nobody be receiving any more."""
        self._sock.close()


def _connect_to_any(
    addresses: Sequence[AddressInfo],
    timeout: float,
    new_socket: Callable[..., socket.socket] = socket.socket,
) -> socket.socket:
    """Return a socket that is connected to the address that answers first, within `timeout` s.

    The addresses are tried in their order, each when the one before has failed, or has not
    answered for a quarter of a second (RFC 8305). Raises the OSError of the last that failed.
    """
    deadline = time.monotonic() + timeout
    waiting = list(addresses)
    error: OSError = TimeoutError("timed out")
    with ExitStack() as losers, selectors.DefaultSelector() as trying:
        next_at = 0.0
        closing: dict[socket.socket, ExitStack] = {}
        while waiting or trying.get_map():
            now = time.monotonic()
            if now >= deadline:
                raise TimeoutError("timed out")
            if waiting and (now >= next_at or not trying.get_map()):
                family, kind, protocol, _, address = waiting.pop(0)
                next_at = now + _NEXT_ADDRESS_SECONDS
                try:
                    sock = new_socket(family, kind, protocol)
                    closing[sock] = losers.enter_context(ExitStack())
                    closing[sock].callback(sock.close)
                    sock.setblocking(False)
                    failure = sock.connect_ex(address)
                    if failure not in (0, errno.EINPROGRESS):
                        raise OSError(failure, os.strerror(failure))
                except OSError as failed:
                    error, next_at = failed, 0.0
                    continue
                trying.register(sock, selectors.EVENT_WRITE, sock)
            until = min(deadline, next_at) if waiting else deadline
            for key, _ in trying.select(max(0.0, until - time.monotonic())):
                answered: socket.socket = key.data
                trying.unregister(answered)
                failure = answered.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not failure:
                    closing[answered].pop_all()
                    return answered
                error, next_at = OSError(failure, os.strerror(failure)), 0.0
    raise error


def _expect_life(sock: socket.socket) -> None:
    """Have the system find out within about a minute that the other machine has gone."""
    options = {
        "TCP_KEEPIDLE": _LIFE_SECONDS // 2,
        "TCP_KEEPALIVE": _LIFE_SECONDS // 2,  # macOS's name for it
        "TCP_KEEPINTVL": _LIFE_SECONDS // 6,
        "TCP_KEEPCNT": 3,
        "TCP_USER_TIMEOUT": _LIFE_SECONDS * 1000,
    }
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in options.items():
        if hasattr(socket, name):
            with contextlib.suppress(OSError):  # no TCP, or gone already
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _why_not(error: Exception, host: str, port: int, timeout: float) -> str:
    """Return why there is no connection, and what to do about it."""
    match error:
        case ConnectionRefusedError():
            return (
                f"Nobody is listening at {host} port {port}: start the server there,"
                " or check the host and the port."
            )
        case socket.gaierror(errno=socket.EAI_AGAIN):
            return f"The address of {host} cannot be looked up now: check your network."
        case socket.gaierror() | UnicodeError():
            return f"There is no host called {host}: check the name."
        case TimeoutError():
            return (
                f"{host} port {port} did not answer within {timeout:g} s: check the address,"
                " the network and any firewall between."
            )
        case OverflowError():
            return f"{port} is not a port: choose one from 1 to 65535."
    reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    return f"{host} port {port} cannot be reached{reason}: check the address and the network."


def _why_lost(error: OSError) -> str:
    """Return how a connection ended, and what to do about it."""
    match error:
        case ConnectionError():
            return "The connection to the server broke: connect again."
        case TimeoutError():
            return "The server can no longer be reached: check the network and connect again."
    reason = f" ({error.strerror})" if error.strerror else ""
    return f"The connection to the server broke{reason}: connect again."
