"""TLS over a stream: whole and in order, and a handshake that holds nobody up."""

import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatserver.errors import Disconnected
from chatserver.net.certificate import ensure_certificate
from chatserver.net.outbox import Outbox
from chatserver.net.stream import PlainStream
from chatserver.net.tls import FIRST_BYTE, TlsContexts, TlsStream

from .fakes import DEADLINE

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
        ours, self.raw = socket.socketpair()
        self.raw.settimeout(DEADLINE)
        self.plain = PlainStream(ours, "test")
        self._trusted = pems[0]

    def connect(self) -> tuple[TlsStream, ssl.SSLSocket]:
        """Shake hands; return the server's and the client's end."""
        context = ssl.create_default_context(cafile=str(self._trusted))
        clients: list[ssl.SSLSocket] = []

        def wrap() -> None:
            clients.append(
                context.wrap_socket(
                    self.raw, server_hostname="localhost", suppress_ragged_eofs=False
                )
            )

        connecting = threading.Thread(target=wrap)
        connecting.start()
        stream = self.opened()
        stream.handshake(DEADLINE)
        connecting.join(DEADLINE)
        self.raw = clients[0]
        return stream, clients[0]

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


def test_bytes_go_both_ways_inside_tls(link: Link) -> None:
    stream, client = link.connect()
    client.sendall(b"hello")
    assert stream.receive(DEADLINE) == b"hello"
    stream.send(stream.seal(b"welcome"))
    assert client.recv(100) == b"welcome"
    assert stream.security == "TLSv1.3"
    assert stream.fileno() == link.plain.fileno()
    assert stream.address == "test"


def test_a_client_that_knows_the_certificate_trusts_it(link: Link) -> None:
    _, client = link.connect()
    assert client.getpeercert()


def test_much_at_once_arrives_whole(link: Link) -> None:
    stream, client = link.connect()
    data = bytes(range(256)) * 4096
    outbox = Outbox(stream.send, 0, stream.seal)
    outbox.push(data)
    got: list[bytes] = []
    reading = threading.Thread(target=lambda: got.append(read(client, len(data))))
    reading.start()
    while not outbox.drain(retry=True):
        pass
    reading.join(DEADLINE)
    assert got == [data]


def test_two_threads_at_once_do_not_disturb_each_other(link: Link) -> None:
    stream, client = link.connect()
    outbox = Outbox(stream.send, 0, stream.seal)
    lines = b"".join(b"%d\n" % number for number in range(3000))
    got: dict[str, bytes] = {}

    def write() -> None:
        for line in lines.splitlines(keepends=True):
            outbox.push(line)
            outbox.drain(retry=True)
        while not outbox.drain(retry=True):
            pass

    def listen() -> None:
        data = bytearray()
        while len(data) < len(lines):
            data += stream.receive() or b""
        got["server"] = bytes(data)

    def read_and_say() -> None:
        client.sendall(lines)
        got["client"] = read(client, len(lines))

    threads = [threading.Thread(target=each) for each in (write, listen, read_and_say)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert got == {"server": lines, "client": lines}


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
    stream.send(stream.seal(b"welcome"))
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


def test_the_server_says_goodbye_too(link: Link) -> None:
    stream, client = link.connect()
    stream.close()
    assert client.recv(100) == b""  # and no SSLEOFError


def test_whoever_waits_can_be_woken_and_can_still_say_goodbye(link: Link) -> None:
    stream, client = link.connect()
    stream.interrupt()
    assert stream.receive(DEADLINE) == b""
    assert stream.receive(DEADLINE) == b""
    stream.send(stream.seal(b"bye"))
    assert client.recv(100) == b"bye"
    stream.close()
    assert client.recv(100) == b""  # and no SSLEOFError


def test_who_has_said_all_is_still_answered(link: Link) -> None:
    stream, client = link.connect()
    socket.socket.shutdown(client, socket.SHUT_WR)
    assert stream.receive(DEADLINE) == b""
    stream.send(stream.seal(b"answer"))
    assert client.recv(100) == b"answer"


def test_no_goodbye_is_put_into_the_middle_of_a_record(link: Link) -> None:
    stream, client = link.connect()
    sealed = stream.seal(b"x" * 1000)
    stream.send(sealed[:500])
    stream.close()
    with pytest.raises(ssl.SSLEOFError):  # and no record that was tampered with
        client.recv(2000)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_nothing_is_resumed(pems: Pems, version: ssl.TLSVersion) -> None:
    """As a client would that has kept its session and its ticket."""
    contexts = TlsContexts(*pems)
    trusting = ssl.create_default_context(cafile=str(pems[0]))
    trusting.minimum_version = trusting.maximum_version = version
    session: ssl.SSLSession | None = None
    for _ in range(3):
        ours, theirs = socket.socketpair()
        theirs.settimeout(DEADLINE)
        client = trusting.wrap_socket(
            theirs, server_hostname="localhost", do_handshake_on_connect=False, session=session
        )
        connecting = threading.Thread(target=client.do_handshake)
        connecting.start()
        plain = PlainStream(ours, "test")
        stream = TlsStream(contexts, plain, plain.receive(DEADLINE) or b"")
        stream.handshake(DEADLINE)
        connecting.join(DEADLINE)
        assert stream.security == version.name.replace("_", ".")
        stream.send(stream.seal(b"hello"))
        assert client.recv(100) == b"hello"  # a ticket would be here by now
        assert not client.session_reused
        session = client.session
        assert session is None or not session.has_ticket
        stream.close()
        client.close()


def test_what_is_no_handshake_is_refused(link: Link) -> None:
    link.raw.sendall(bytes([FIRST_BYTE]) + b"this is no TLS at all")
    with pytest.raises(Disconnected, match="TLS handshake failed"):
        link.opened().handshake(DEADLINE)


def test_a_client_that_stops_in_the_handshake_is_not_waited_for(link: Link) -> None:
    link.raw.sendall(bytes([FIRST_BYTE]))
    with pytest.raises(Disconnected, match="took too long"):
        link.opened().handshake(0.01)


def test_a_client_that_goes_in_the_handshake_is_gone(link: Link) -> None:
    link.raw.sendall(bytes([FIRST_BYTE]))
    link.raw.close()
    with pytest.raises(Disconnected, match="closed during the TLS handshake"):
        link.opened().handshake(DEADLINE)


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


def test_a_renewed_certificate_is_used_at_once(
    tmp_path: Path, pems: Pems, other_pems: Pems
) -> None:
    contexts = TlsContexts(*install(tmp_path, pems))
    first = contexts.current()
    assert contexts.current() is first
    install(tmp_path, other_pems)
    assert contexts.current() is not first


def test_half_a_renewal_leaves_the_old_one_in_force(
    tmp_path: Path, pems: Pems, other_pems: Pems, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = install(tmp_path, pems)
    contexts = TlsContexts(certificate, key)
    first = contexts.current()
    certificate.write_bytes(other_pems[0].read_bytes())
    with caplog.at_level(logging.WARNING):
        assert contexts.current() is first
        assert contexts.current() is first
    assert len(caplog.records) == 1  # said once
    key.write_bytes(other_pems[1].read_bytes())
    assert contexts.current() is not first


def test_a_certificate_that_is_gone_for_a_moment_leaves_the_old_one_in_force(
    tmp_path: Path, pems: Pems
) -> None:
    certificate, key = install(tmp_path, pems)
    contexts = TlsContexts(certificate, key)
    first = contexts.current()
    certificate.unlink()
    assert contexts.current() is first


def test_a_pair_that_does_not_fit_is_an_error_at_the_start(pems: Pems, other_pems: Pems) -> None:
    with pytest.raises(OSError, match="KEY_VALUES_MISMATCH"):
        TlsContexts(pems[0], other_pems[1])
