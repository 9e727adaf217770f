"""Clients inside TLS, certificates for the server, and the first bytes of a handshake."""

import datetime
import socket
import ssl
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from e2e.client import PATIENCE, JsonClient, Place, TextClient, trusting
from scoped import Scoped

CHUNK = 1 << 16


class TlsJsonClient(JsonClient):
    """A json client inside TLS, for a test with one thread."""

    def __init__(self, place: Place, context: ssl.SSLContext, name: str | None = None) -> None:
        super().__init__(place)
        self.socket = _secured(self.socket, context, name)


class TlsTextClient(TextClient):
    """A text client inside TLS, for a test with one thread."""

    def __init__(self, place: Place, context: ssl.SSLContext) -> None:
        super().__init__(place)
        self.socket = _secured(self.socket, context)


def _secured(raw: socket.socket, context: ssl.SSLContext, name: str | None = None) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(raw, server_hostname=name, suppress_ragged_eofs=False)
    except BaseException:
        raw.close()
        raise


class TwoWay(Scoped):
    """A TLS connection that one thread may read while another writes.

    OpenSSL must not be used by two threads at once, on this side neither: memory BIOs and a lock.
    """

    def __init__(self, place: Place, context: ssl.SSLContext) -> None:
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self.raw = socket.create_connection(place, PATIENCE)
        try:
            self._shake_hands()
        except BaseException:
            self.raw.close()
            raise

    def end(self, error: BaseException | None) -> None:
        self.raw.close()

    @property
    def version(self) -> str | None:
        """What is spoken."""
        return self._tls.version()

    def seal(self, data: bytes) -> bytes:
        """Return `data` as the records that carry it."""
        with self._lock:
            self._tls.write(data)
            return self._outgoing.read()

    def write(self, data: bytes) -> None:
        """Send bytes. Any thread."""
        with self._sending:
            self.raw.sendall(self.seal(data))

    def read(self) -> bytes:
        """Return some bytes, or b"" at the end. One thread."""
        while True:
            with self._lock:
                try:
                    return self._tls.read(CHUNK)
                except ssl.SSLWantReadError:
                    pass
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    return b""
            received = self.raw.recv(CHUNK)
            with self._lock:
                self._incoming.write(received) if received else self._incoming.write_eof()

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.raw.sendall(self._outgoing.read())
                received = self.raw.recv(CHUNK)
                assert received, "closed during the handshake"
                self._incoming.write(received)
            else:
                self.raw.sendall(self._outgoing.read())
                return


def client_hello(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """Return what a client says first."""
    outgoing = ssl.MemoryBIO()
    tls = trusting(version).wrap_bio(ssl.MemoryBIO(), outgoing)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("that was no handshake")


def client_hello_of_old(minor: int) -> bytes:
    """Return the hello of a client that knows nothing newer than 3.`minor`: 2 is TLS 1.1.

    Made of that of TLS 1.2, because an OpenSSL of today does not speak those versions at all.
    """
    hello = bytearray(client_hello(ssl.TLSVersion.TLSv1_2))
    hello[1:3] = hello[9:11] = bytes((3, minor))
    return bytes(hello)


def make_pair(name: str = "renewed") -> tuple[bytes, bytes]:
    """Return a new certificate and its key, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def replace(path: Path, content: bytes) -> None:
    """Put a new file in the place of another, as programs that renew certificates do."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)


def presented(place: Place) -> bytes:
    """Connect; return the certificate that the server presents, as DER."""
    with TlsJsonClient(place, trusting()) as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        found = client.socket.getpeercert(binary_form=True)
    assert found
    return found
