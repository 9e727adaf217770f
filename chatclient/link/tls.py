"""TLS around a transport: OpenSSL sees memory, never the socket.

The reader thread receives while other threads send, and an OpenSSL connection must not be used by
two threads at once. So every call on it is made under `_lock`, and bytes are received and sent
outside that lock; `_order` is held while sealed bytes are sent, so that they go out as sealed.
"""

import ssl
import threading
import time
from collections.abc import Callable
from typing import Final

from chatclient.errors import ConnectFailed, LinkLost
from chatclient.link.transport import Quiet, Transport
from chatclient.link.trust import Trust, normal_host

_READ_BYTES: Final = 65536


class TlsTransport(Transport):
    """A transport inside TLS. Made by `secure`."""

    def __init__(self, raw: Transport, context: ssl.SSLContext, host: str) -> None:
        """Shake hands on `raw`. Raises ssl.SSLError, LinkLost, or ConnectFailed if it is quiet."""
        self.quiet_seconds = raw.quiet_seconds
        self._raw = raw
        self._lock = threading.Lock()
        self._order = threading.Lock()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._shake_hands()
        self.security = self._tls.version() or "TLS"

    @property
    def is_local(self) -> bool:
        """Whether the other end is on this machine."""
        return self._raw.is_local

    def be_patient(self, quiet_seconds: float) -> None:
        """Set after how long without a byte `receive` raises Quiet."""
        self.quiet_seconds = quiet_seconds
        self._raw.be_patient(quiet_seconds)

    def certificate(self) -> bytes:
        """Return the server's certificate (DER)."""
        return self._tls.getpeercert(binary_form=True) or b""

    def receive(self) -> bytes:
        """Wait for the next bytes. Raises Quiet, or LinkLost at the end of the stream."""
        while True:
            with self._lock:
                data = self._read()
                pending = self._outgoing.pending
            if pending:
                self._send_pending()
            if data:
                return data
            received = self._raw.receive()
            with self._lock:
                self._incoming.write(received)

    def send(self, data: bytes, *, patient: bool = True) -> None:
        """Send all of `data`. As `Transport.send`."""
        with self._order:
            try:
                with self._lock:
                    self._tls.write(data)
                    sealed = self._outgoing.read()
            except ssl.SSLError as error:
                raise LinkLost(_broken(error)) from error
            self._raw.send(sealed, patient=patient)

    def shut(self) -> None:
        """End the stream both ways and wake whoever is receiving or sending. From any thread."""
        self._raw.shut()

    def close(self) -> None:
        """Give the socket back, as `Transport.close`."""
        self._raw.close()

    def _read(self) -> bytes:
        """Return decrypted bytes, none when more has to come. The lock is held."""
        try:
            data = self._tls.read(_READ_BYTES)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError as error:
            raise LinkLost(_broken(error)) from error
        if not data:  # the server's goodbye in TLS; the connection under it may stay open
            raise LinkLost("The server closed the connection without saying why; try again.")
        return data

    def _send_pending(self) -> None:
        """Send what OpenSSL has of its own (the reader thread, which must not wait for long).

        When another thread is sending, ours goes out with its next bytes.
        """
        if self._order.acquire(timeout=1.0):
            try:
                with self._lock:
                    sealed = self._outgoing.read()
                self._raw.send(sealed, patient=False)
            finally:
                self._order.release()

    def _shake_hands(self) -> None:
        # All of it within the time, not each part: somebody could send a byte now and then.
        deadline = time.monotonic() + self.quiet_seconds
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._raw.send(self._outgoing.read(), patient=False)
                self._incoming.write(self._receive_by(deadline))
            else:
                self._raw.be_patient(self.quiet_seconds)
                self._raw.send(self._outgoing.read(), patient=False)
                return

    def _receive_by(self, deadline: float) -> bytes:
        left = deadline - time.monotonic()
        try:
            if left <= 0:
                raise Quiet
            self._raw.be_patient(left)
            return self._raw.receive()
        except Quiet as error:
            raise ConnectFailed("The server did not finish the TLS handshake: try again.") from (
                error
            )


def secure(
    host: str, port: int, raw: Transport, connect_again: Callable[[], Transport], trust: Trust
) -> TlsTransport:
    """Return `raw` inside TLS, sure of the server before anything is said to it.

    A certificate that the system's authorities vouch for is accepted, and that is remembered; any
    other has to pass `trust`. Raises ConnectFailed.
    """
    try:
        known = trust.explicit or trust.knows(host, port)
        vouched_before = trust.knows_authority(host, port)
    except BaseException:
        _drop(raw)
        raise

    def shake(raw: Transport, context: ssl.SSLContext) -> TlsTransport:
        return _shake(host, port, raw, context, trust)

    if not known:
        try:
            transport = shake(raw, ssl.create_default_context())
        except ssl.SSLCertVerificationError as error:
            if vouched_before:
                raise trust.no_longer_vouched(host, port, error.verify_message) from error
        else:
            trust.vouched(host, port, transport.certificate())
            return transport
        # A person may be asked now, so nothing is left open meanwhile: a server takes a second of
        # silence for somebody without a client, and gives nobody forever to log in.
        stranger = shake(connect_again(), _any_certificate())
        _drop(stranger)
        trust.check(host, port, stranger.certificate())
        raw = connect_again()
    transport = shake(raw, _any_certificate())
    try:
        trust.check(host, port, transport.certificate())
    except BaseException:
        _drop(transport)
        raise
    return transport


def _shake(
    host: str, port: int, raw: Transport, context: ssl.SSLContext, trust: Trust
) -> TlsTransport:
    """Shake hands on `raw`. Raises ssl.SSLCertVerificationError, or ConnectFailed."""
    try:
        return TlsTransport(raw, context, normal_host(host))
    except ssl.SSLCertVerificationError:
        _drop(raw)
        raise
    except ssl.SSLError as error:
        _drop(raw)
        if trust.demands_tls(host, port):
            raise trust.no_longer_tls(host, port, _reason(error)) from error
        # No word of doing without: who reads this may be talked to by somebody in between.
        raise ConnectFailed(
            f"{host} port {port} does not speak TLS ({_reason(error)}), so nothing was said to it:"
            " check the host and the port, or ask its operator."
        ) from error
    except LinkLost as error:
        _drop(raw)
        raise ConnectFailed(error.text, error.code) from error
    except BaseException:
        _drop(raw)
        raise


def _drop(raw: Transport) -> None:
    raw.shut()
    raw.close()


def _any_certificate() -> ssl.SSLContext:
    """Return a context that accepts every certificate, for `Trust` to look at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _broken(error: ssl.SSLError) -> str:
    return f"The connection to the server broke ({_reason(error)}): connect again."


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
