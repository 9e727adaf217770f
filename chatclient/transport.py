"""Bytes to and from a server. The only file here that sees a socket, so the only one that sees an
OSError: each becomes a `ConnectFailed` or a `LinkLost` with one sentence that says what to do.

TLS will be a second class with the same five methods; nothing above this file will notice.
"""

import contextlib
import errno
import ipaddress
import socket
from typing import Final, Self

from chatclient.errors import ConnectFailed, LinkLost

_RECEIVE_BYTES: Final = 65536


class Quiet(Exception):
    """Nothing has come for a while; the link may be fine."""


class Transport:
    """A TCP connection. One thread may receive while any number of threads send, one at a time.

    Nothing is locked here: whoever sends holds the caller's write lock.
    """

    def __init__(self, sock: socket.socket, quiet_seconds: float) -> None:
        """Take over a connected socket; `quiet_seconds` is when `receive` raises Quiet."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
        parsed = ipaddress.ip_address(address.partition("%")[0])
        return bool((getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback)

    def be_patient(self, quiet_seconds: float) -> None:
        """Set after how long without a byte `receive` raises Quiet."""
        self.quiet_seconds = quiet_seconds
        self._sock.settimeout(quiet_seconds)

    @classmethod
    def open(cls, host: str, port: int, timeout: float, quiet_seconds: float) -> Self:
        """Connect to the first address of `host` that answers, each within `timeout` seconds.

        Raises ConnectFailed.
        """
        try:
            sock = socket.create_connection((host, port), timeout)
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
