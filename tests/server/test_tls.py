"""TLS over a stream: whole and in order, and a handshake that holds nobody up."""

import logging
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatserver.errors import Disconnected
from chatserver.net.certificate import ensure_certificate
from chatserver.net.outbox import Outbox
from chatserver.net.stream import PlainStream
from chatserver.net.tls import FIRST_BYTE, TlsContexts, TlsStream

from .fakes import DEADLINE, all_at_once, begun

Pems = tuple[Path, Path]


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Pems:
    return ensure_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def other_pems(tmp_path_factory: pytest.TempPathFactory) -> Pems:
    return ensure_certificate(tmp_path_factory.mktemp("other"))


class Link:
    """A server's TLS stream, and the client's socket inside TLS or not."""

    def __init__(self, pems: Pems) -> None:
        self.contexts = TlsContexts(*pems)
        self.trusting = ssl.create_default_context(cafile=str(pems[0]))
        self.begin()

    def begin(self) -> None:
        """Begin another connection."""
        ours, self.raw = socket.socketpair()
        self.raw.settimeout(DEADLINE)
        self.plain = PlainStream(ours, "test")

    def connect(self, session: ssl.SSLSession | None = None) -> tuple[TlsStream, ssl.SSLSocket]:
        """Shake hands; return the server's and the client's end."""
        self.raw = client = self.trusting.wrap_socket(
            self.raw,
            server_hostname="localhost",
            do_handshake_on_connect=False,
            suppress_ragged_eofs=False,
            session=session,
        )
        connecting = begun(client.do_handshake)
        stream = self.opened()
        stream.handshake(DEADLINE)
        connecting.result(DEADLINE)
        return stream, client

    def opened(self) -> TlsStream:
        """Return a stream on what the client has sent so far."""
        first = self.plain.receive(DEADLINE)
        assert first
        return TlsStream(self.contexts, self.plain, first)

    def close(self) -> None:
        self.plain.close()
        self.raw.close()


@pytest.fixture
def link(pems: Pems) -> Iterator[Link]:
    made = Link(pems)
    yield made
    made.close()


def read(client: ssl.SSLSocket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        data += client.recv(65536)
    return bytes(data)


def send(stream: TlsStream, data: bytes) -> None:
    stream.send(stream.seal(data))


def test_bytes_go_both_ways_to_who_trusts_the_certificate(link: Link) -> None:
    stream, client = link.connect()
    client.sendall(b"hello")
    assert stream.receive(DEADLINE) == b"hello"
    send(stream, b"welcome")
    assert client.recv(100) == b"welcome"
    assert client.getpeercert()
    assert stream.security == "TLSv1.3"
    assert stream.fileno() == link.plain.fileno()
    assert stream.address == "test"


def test_much_at_once_arrives_whole(link: Link) -> None:
    stream, client = link.connect()
    data = bytes(range(256)) * 4096
    outbox = Outbox(stream.send, 0, stream.seal)
    outbox.push(data)
    reading = begun(read, client, len(data))
    while not outbox.drain(retry=True):
        pass
    assert reading.result(DEADLINE) == data


def test_two_threads_at_once_do_not_disturb_each_other(link: Link) -> None:
    stream, client = link.connect()
    outbox = Outbox(stream.send, 0, stream.seal)
    lines = b"".join(b"%d\n" % number for number in range(3000))

    def write() -> None:
        for line in lines.splitlines(keepends=True):
            outbox.push(line)
            outbox.drain(retry=True)
        while not outbox.drain(retry=True):
            pass

    def listen() -> bytes:
        data = bytearray()
        while len(data) < len(lines):
            data += stream.receive() or b""
        return bytes(data)

    def say_and_read() -> bytes:
        client.sendall(lines)
        return read(client, len(lines))

    assert all_at_once(write, listen, say_and_read) == [None, lines, lines]


class Guarded:
    """An OpenSSL connection that notes every use of it without the lock."""

    def __init__(self, stream: TlsStream) -> None:
        self._ssl, self._lock = stream._ssl, stream._lock
        self.uses: list[tuple[str, bool]] = []

    def __getattr__(self, name: str) -> object:
        self.uses.append((name, self._lock.locked()))
        return getattr(self._ssl, name)


def test_openssl_is_never_used_by_two_threads_at_once(link: Link) -> None:
    stream, client = link.connect()
    stream._ssl = guarded = Guarded(stream)  # type: ignore[assignment]
    client.sendall(b"hello")
    stream.receive(DEADLINE)
    send(stream, b"welcome")
    stream.close()
    assert {name for name, _ in guarded.uses} == {"read", "write", "unwrap"}
    assert all(locked for _, locked in guarded.uses)


def test_nothing_within_the_time_is_none_and_a_goodbye_is_the_end(link: Link) -> None:
    stream, client = link.connect()
    assert stream.receive(timeout=0) is None
    client.settimeout(0)
    with pytest.raises(ssl.SSLWantReadError):
        client.unwrap()
    assert stream.receive(DEADLINE) == b""


def test_a_client_that_just_closes_is_at_its_end(link: Link) -> None:
    stream, client = link.connect()
    client.close()
    assert stream.receive(DEADLINE) == b""


def test_whoever_waits_can_be_woken_and_can_still_say_goodbye(link: Link) -> None:
    stream, client = link.connect()
    stream.interrupt()
    assert stream.receive(DEADLINE) == b""
    assert stream.receive(DEADLINE) == b""
    send(stream, b"bye")
    assert client.recv(100) == b"bye"
    stream.close()
    assert client.recv(100) == b""  # and no SSLEOFError


def test_who_has_said_all_is_still_answered(link: Link) -> None:
    stream, client = link.connect()
    socket.socket.shutdown(client, socket.SHUT_WR)
    assert stream.receive(DEADLINE) == b""
    send(stream, b"answer")
    assert client.recv(100) == b"answer"


def test_no_goodbye_is_put_into_the_middle_of_a_record(link: Link) -> None:
    stream, client = link.connect()
    sealed = stream.seal(b"x" * 1000)
    stream.send(sealed[:500])
    stream.close()
    with pytest.raises(ssl.SSLEOFError):  # and no record that was tampered with
        client.recv(2000)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_nothing_is_resumed(link: Link, version: ssl.TLSVersion) -> None:
    """As a client would that has kept its session and its ticket."""
    link.trusting.minimum_version = link.trusting.maximum_version = version
    session: ssl.SSLSession | None = None
    for _ in range(3):
        stream, client = link.connect(session)
        assert stream.security == version.name.replace("_", ".")
        send(stream, b"hello")
        assert client.recv(100) == b"hello"  # a ticket would be here by now
        assert not client.session_reused
        session = client.session
        assert session is None or not session.has_ticket
        link.close()
        link.begin()


@pytest.mark.parametrize(
    ("sent", "goes", "seconds", "problem"),
    [
        (b"this is no TLS at all", False, DEADLINE, "TLS handshake failed"),
        (b"", False, 0.01, "took too long"),
        (b"", True, DEADLINE, "closed during the TLS handshake"),
    ],
    ids=["nonsense", "stops", "goes"],
)
def test_a_handshake_that_comes_to_nothing_is_refused_and_not_waited_for(
    link: Link, sent: bytes, goes: bool, seconds: float, problem: str
) -> None:
    link.raw.sendall(bytes([FIRST_BYTE]) + sent)
    if goes:
        link.raw.close()
    with pytest.raises(Disconnected, match=problem):
        link.opened().handshake(seconds)


def test_no_context_speaks_an_older_version_than_1_2(pems: Pems) -> None:
    contexts = TlsContexts(*pems)
    assert contexts.current().minimum_version == ssl.TLSVersion.TLSv1_3
    assert contexts.single().minimum_version == ssl.TLSVersion.TLSv1_2


def test_what_was_tampered_with_is_disconnected(link: Link) -> None:
    stream, client = link.connect()
    raw = socket.socket(fileno=client.detach())
    raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    with pytest.raises(Disconnected, match="TLS failed"):
        stream.receive(DEADLINE)
    raw.close()


# -- certificates --


def install(folder: Path, pems: Pems) -> Pems:
    """Put certificate and key in place as a renewal does; return where."""
    for path in pems:
        (folder / "new").write_bytes(path.read_bytes())
        (folder / "new").rename(folder / path.name)
    return folder / pems[0].name, folder / pems[1].name


def test_a_renewed_certificate_is_used_at_once_and_half_a_renewal_not(
    tmp_path: Path, pems: Pems, other_pems: Pems, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = install(tmp_path, pems)
    contexts = TlsContexts(certificate, key)
    first = contexts.current()
    assert contexts.current() is first
    certificate.write_bytes(other_pems[0].read_bytes())
    with caplog.at_level(logging.WARNING):
        assert contexts.current() is first
        assert contexts.current() is first
    assert len(caplog.records) == 1  # said once
    certificate.unlink()
    assert contexts.current() is first
    install(tmp_path, other_pems)
    assert contexts.current() is not first


def test_a_pair_that_does_not_fit_is_an_error_at_the_start(pems: Pems, other_pems: Pems) -> None:
    with pytest.raises(OSError, match="KEY_VALUES_MISMATCH"):
        TlsContexts(pems[0], other_pems[1])
