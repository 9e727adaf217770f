"""TLS from the client's side: bytes in order from many threads, and every way it ends."""

import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chatclient.errors import LinkLost
from chatclient.link.tls import TlsTransport, secure
from chatclient.link.transport import Quiet, Transport
from chatclient.link.trust import Trust

from .fake import DEADLINE
from .test_trust import ALICE

LOCAL = "127.0.0.1"
Ends = tuple[TlsTransport, ssl.SSLSocket]


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """The client's transport, and the server's socket."""
    context = ALICE.context()
    context.minimum_version = context.maximum_version = request.param
    with socket.create_server((LOCAL, 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(DEADLINE)
        port = listener.getsockname()[1]

        def accept() -> ssl.SSLSocket:
            accepted, _ = listener.accept()
            accepted.settimeout(DEADLINE)
            return context.wrap_socket(accepted, server_side=True)

        accepting = pool.submit(accept)
        transport = secure(
            LOCAL,
            port,
            Transport.open(LOCAL, port, DEADLINE, quiet_seconds=DEADLINE),
            lambda: pytest.fail("one connection is enough"),
            Trust(Path("nowhere"), fingerprint=ALICE.fingerprint),
        )
        with accepting.result(DEADLINE) as other:
            yield transport, other
        transport.shut()
        transport.close()


def test_it_says_what_it_is(ends: Ends) -> None:
    transport, other = ends
    assert transport.security == other.version()
    assert transport.is_local
    assert transport.certificate() == ALICE.der


def test_quiet_is_not_the_end(ends: Ends) -> None:
    transport, other = ends
    transport.be_patient(0.01)
    assert transport.quiet_seconds == 0.01
    with pytest.raises(Quiet):
        transport.receive()
    other.sendall(b"hello")
    transport.be_patient(DEADLINE)
    assert transport.receive() == b"hello"


def converse(sock: ssl.SSLSocket, out: bytes, expected: int) -> bytes:
    """Send `out` and read meanwhile, in one thread, as OpenSSL wants it; return what was read."""
    sock.setblocking(False)
    rest, got = memoryview(out), bytearray()
    while rest or len(got) < expected:
        try:
            while rest:
                rest = rest[sock.send(rest[:50_000]) :]
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        try:
            while len(got) < expected:
                more = sock.recv(65536)
                assert more, f"the end after {len(got)} of {expected} bytes"
                got += more
        except ssl.SSLWantReadError:
            pass
        if rest or len(got) < expected:
            ready = select.select([sock], [sock] if rest else [], [], DEADLINE)
            assert any(ready), f"{len(rest)} bytes to send, {len(got)} of {expected} read"
    return bytes(got)


def lines_of(thread: int) -> list[bytes]:
    """Return what a thread sends: mostly a few bytes, at times more than fits into a record."""
    sizes = (10, 0, 100, 20_000, 3, 0, 70_000)
    return [
        b"%d %d " % (thread, number) + b"x" * sizes[number % len(sizes)] + b"\n"
        for number in range(200)
    ]


def test_a_flood_both_ways_from_many_threads_stays_in_order(ends: Ends) -> None:
    transport, other = ends
    senders = 4
    start = threading.Barrier(senders)
    ours = [lines_of(thread) for thread in range(senders)]
    theirs = b"".join(b"%d\n" % number for number in range(400_000))

    def send(lines: list[bytes]) -> None:
        start.wait(DEADLINE)
        for line in lines:
            transport.send(line)

    def receive() -> bytes:
        got = bytearray()
        while len(got) < len(theirs):
            got += transport.receive()
        return bytes(got)

    with ThreadPoolExecutor(senders + 2) as pool:
        total = sum(len(line) for lines in ours for line in lines)
        conversing = pool.submit(converse, other, theirs, total)
        receiving = pool.submit(receive)
        try:
            for sending in [pool.submit(send, lines) for lines in ours]:
                sending.result(DEADLINE)
            arrived = conversing.result(DEADLINE).splitlines(keepends=True)
            assert receiving.result(DEADLINE) == theirs
        finally:
            transport.shut()  # whoever is still at it
    for thread, lines in enumerate(ours):
        assert [each for each in arrived if each.startswith(b"%d " % thread)] == lines


class Guarded:
    """An OpenSSL connection that notes every use of it without the lock."""

    def __init__(self, transport: TlsTransport) -> None:
        self._tls, self._lock = transport._tls, transport._lock
        self.uses: list[tuple[str, bool]] = []

    def __getattr__(self, name: str) -> object:
        self.uses.append((name, self._lock.locked()))
        return getattr(self._tls, name)


def test_openssl_is_never_used_by_two_threads_at_once(ends: Ends) -> None:
    transport, other = ends
    transport._tls = guarded = Guarded(transport)  # type: ignore[assignment]
    transport.send(b"hello")
    assert other.recv(100) == b"hello"
    other.sendall(b"welcome")
    assert transport.receive() == b"welcome"
    assert {name for name, _ in guarded.uses} == {"read", "write"}
    assert all(locked for _, locked in guarded.uses)


# -- the end --


def test_shut_wakes_the_reader(ends: Ends) -> None:
    transport, _ = ends
    started = threading.Event()

    def receive() -> bytes:
        started.set()
        return transport.receive()

    with ThreadPoolExecutor(1) as pool:
        receiving = pool.submit(receive)
        assert started.wait(DEADLINE)
        transport.shut()
        with pytest.raises(LinkLost):
            receiving.result(DEADLINE / 2)  # less than it would be quiet


def test_shut_frees_a_sender(ends: Ends) -> None:
    transport, other = ends
    started = threading.Event()

    def send() -> None:
        started.set()
        transport.send(b"x" * 20_000_000)  # more than any system takes in

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        assert started.wait(DEADLINE)
        assert other.recv(1)
        transport.shut()
        with pytest.raises(LinkLost):
            sending.result(DEADLINE / 2)


def receive_all(transport: TlsTransport, got: bytearray) -> None:
    """Add what comes to `got`, until that raises something."""
    while True:
        got += transport.receive()


def say_goodbye(sock: ssl.SSLSocket) -> None:
    """Say that nothing more will come, as TLS asks for, and stay."""
    sock.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):
        sock.unwrap()


def reset(sock: ssl.SSLSocket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def forge(sock: ssl.SSLSocket) -> None:
    """Send a record that was not sealed by whom it seems to come from, and stay."""
    with socket.socket(fileno=sock.fileno()) as raw:
        raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        raw.detach()


def cut_off(sock: ssl.SSLSocket) -> None:
    """Send half a record and close."""
    with socket.socket(fileno=sock.detach()) as raw:
        raw.sendall(b"\x17\x03\x03\x10\x00" + b"x" * 32)


@pytest.mark.parametrize("way", [ssl.SSLSocket.close, say_goodbye, reset, forge, cut_off])
def test_a_lost_link_is_a_lost_link(ends: Ends, way: Callable[[ssl.SSLSocket], None]) -> None:
    transport, other = ends
    other.sendall(b"last words")
    assert transport.receive() == b"last words"
    way(other)
    for _ in range(2):
        with pytest.raises(LinkLost):
            transport.receive()


@pytest.mark.parametrize("way", [ssl.SSLSocket.close, say_goodbye, cut_off])
def test_what_came_before_the_end_is_not_lost(
    ends: Ends, way: Callable[[ssl.SSLSocket], None]
) -> None:
    transport, other = ends
    other.sendall(b"last ")
    other.sendall(b"words")
    way(other)
    got = bytearray()
    with pytest.raises(LinkLost):
        receive_all(transport, got)
    assert got == b"last words"


def test_what_is_closed_is_lost(ends: Ends) -> None:
    transport, _ = ends
    transport.shut()
    transport.close()
    transport.shut()
    transport.close()
    with pytest.raises(LinkLost):
        transport.send(b"x")
    with pytest.raises(LinkLost):
        transport.receive()
