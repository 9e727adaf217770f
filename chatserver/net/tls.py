"""TLS over a stream: OpenSSL sees memory, never the socket.

An OpenSSL connection must not be used by two threads at once, and here one reads while others
write. So every call on it is made under one lock, and bytes are received and sent outside that
lock: what comes off the wire is put into one memory BIO, and what is to go out is taken from the
other when the outbox *seals* it. Because the outbox seals in the order in which it sends, and one
thread at a time, TLS records keep their order without a second queue.
"""

import logging
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from chatserver.errors import Disconnected
from chatserver.net.certificate import fingerprint
from chatserver.net.stream import CHUNK_BYTES, Stream, nothing

_log = logging.getLogger(__name__)

FIRST_BYTE: Final = 0x16
"""What every TLS connection opens with: the type of a handshake record."""


class TlsContexts:
    """The certificate and key in use, read again when the files have changed.

    Nothing is resumed, since connections last for hours: a resumed one is only as secret as the
    keys that were kept for it. In TLS 1.3 it is enough to give no tickets. In 1.2 OpenSSL keeps
    sessions in the context itself and Python cannot tell it not to; so 1.2 is spoken in a context
    made for the one connection (about 1.5 ms and 22 KB), and only with who cannot do better.

    Raises OSError (ssl.SSLError is one) when they cannot be used at the start; later a pair that
    cannot be used, such as one that is half renewed, leaves the one before in force.
    """

    def __init__(self, certificate: Path, key: Path, protocols: tuple[str, ...] = ()) -> None:
        """`protocols` are those that a client may ask for by name (ALPN, RFC 7301); with who asks
        for others, or for none, nothing is agreed on."""
        self._certificate = certificate
        self._key = key
        self._protocols = protocols
        self._loaded = (self._identity(), self._load(ssl.TLSVersion.TLSv1_3))
        self._spare = self._load(ssl.TLSVersion.TLSv1_2)

    def current(self) -> ssl.SSLContext:
        """Return the context for a new connection, which speaks TLS 1.3."""
        identity, context = self._loaded
        now = self._identity()
        if now != identity:
            try:
                context = self._load(ssl.TLSVersion.TLSv1_3)
                self._spare = self._load(ssl.TLSVersion.TLSv1_2)
                _log.info("TLS certificate renewed from %s: %s", self._certificate, self._shown())
            except OSError as error:
                _log.warning("the new TLS certificate cannot be used: %s; the old stays", error)
            self._loaded = (now, context)  # either way, it is not tried again until it changes
        return context

    def single(self) -> ssl.SSLContext:
        """Return a context for one connection with somebody who speaks TLS 1.2 at best."""
        try:
            return self._load(ssl.TLSVersion.TLSv1_2)
        except OSError:  # half renewed: the pair that stays in force is in this one
            return self._spare

    def _load(self, oldest: ssl.TLSVersion) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = oldest
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
        context.num_tickets = 0
        if self._protocols:
            context.set_alpn_protocols(self._protocols)
        context.load_cert_chain(self._certificate, self._key)
        return context

    def _shown(self) -> str:
        """Return the fingerprint, for whoever compares it with what a client shows."""
        try:
            return f"SHA-256 fingerprint {fingerprint(self._certificate)}"
        except (OSError, ValueError):
            return "its fingerprint cannot be read"

    def _identity(self) -> tuple[tuple[int, int, int], ...]:
        """Return what changes when the files do; nothing while one of them is missing."""
        try:
            found = [path.stat() for path in (self._certificate, self._key)]
        except OSError:
            return ()
        return tuple((each.st_ino, each.st_ctime_ns, each.st_size) for each in found)


class TlsStream:
    """A stream inside TLS. `handshake` comes first, in the handler thread."""

    def __init__(self, contexts: TlsContexts, raw: Stream, first: bytes) -> None:
        self.address = raw.address
        self.security = "TLS"
        self.protocol = ""
        """What was agreed on by name that is spoken inside, if anything was."""
        self.on_output: Callable[[], None] = nothing
        self._raw = raw
        self._lock = threading.Lock()
        self._unsent = 0  # of what was sealed
        self._contexts = contexts
        self._hello = first
        self._begin(contexts.current(), first)

    def _begin(self, context: ssl.SSLContext, received: bytes) -> None:
        """Be at the beginning of a handshake, with what was received of it."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._incoming.write(received)
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def handshake(self, seconds: float) -> None:
        """Agree on keys. Raises Disconnected when that fails or takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        hello, self._hello = self._hello, b""
        while True:
            try:
                self._ssl.do_handshake()
            except ssl.SSLWantReadError:
                self._send_all(self._outgoing.read(), deadline)
                received = self._receive_by(deadline)
                self._incoming.write(received)
                hello += received
            except ssl.SSLError as error:
                if error.reason == "UNSUPPORTED_PROTOCOL" and hello:
                    # Nothing but the client's first message has been exchanged: it speaks 1.2.
                    self._begin(self._contexts.single(), hello)
                    hello = b""
                    continue
                with suppress(Disconnected):
                    self._send_all(self._outgoing.read(), deadline)  # the alert that says why
                raise Disconnected(f"TLS handshake failed: {_reason(error)}") from error
            else:
                self._send_all(self._outgoing.read(), deadline)
                self.security = self._ssl.version() or self.security
                self.protocol = self._ssl.selected_alpn_protocol() or ""
                return

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return self._raw.fileno()

    def receive(self, timeout: float | None = None) -> bytes | None:
        """Return what has come, b"" at the end, or None when nothing came for `timeout` s."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._lock:
                data, pending = self._read(), self._outgoing.pending
            if pending:
                self.on_output()
            if data is not None:
                return data
            # Parts of a record are nothing yet: they do not start the time again.
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            received = self._raw.receive(left)
            if not received:
                # OpenSSL is not told of an end. It may be that only we were woken; and it writes
                # no more after one, though somebody who has said all may still want to read.
                return received
            with self._lock:
                self._incoming.write(received)

    def seal(self, data: bytes) -> bytes:
        """Return `data` encrypted, after whatever else OpenSSL has to send.

        Raises Disconnected. One thread at a time, in the order of sending.
        """
        try:
            with self._lock:
                if data:
                    self._ssl.write(data)
                sealed = self._outgoing.read()
                self._unsent += len(sealed)
                return sealed
        except ssl.SSLError as error:
            raise Disconnected(f"TLS failed: {_reason(error)}") from error

    def send(self, data: bytes | memoryview) -> int:
        """Send sealed bytes; return how many the system took."""
        sent = self._raw.send(data)
        self._unsent -= sent
        return sent

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
        """Say that this is the end, as TLS asks for, and close.

        In the middle of a record that the peer did not take, nothing more can be said.
        """
        if not self._unsent:
            with suppress(ssl.SSLError, Disconnected):
                with self._lock, suppress(ssl.SSLWantReadError):
                    self._ssl.unwrap()
                self._raw.send(self._outgoing.read())
        self._raw.close(linger)

    def _read(self) -> bytes | None:
        """Return decrypted bytes, b"" at the end, None when more has to come. Lock held."""
        try:
            return self._ssl.read(CHUNK_BYTES)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        except ssl.SSLError as error:
            raise Disconnected(f"TLS failed: {_reason(error)}") from error

    def _receive_by(self, deadline: float) -> bytes:
        received = self._raw.receive(max(0.0, deadline - time.monotonic()))
        if received is None:
            raise Disconnected("TLS handshake took too long")
        if not received:
            raise Disconnected("closed during the TLS handshake")
        return received

    def _send_all(self, data: bytes, deadline: float) -> None:
        """Send the few bytes of a handshake, which a new connection always has room for."""
        rest = memoryview(data)
        while rest:
            sent = self._raw.send(rest)
            rest = rest[sent:]
            if not sent:
                if time.monotonic() > deadline:
                    raise Disconnected("TLS handshake took too long")
                time.sleep(0.01)


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
