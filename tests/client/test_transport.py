"""Bytes over a real socket, plain and in TLS: in order from many threads, and how it ends."""

import errno
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, cast

import pytest

from chatclient.errors import LinkLost
from chatclient.link import transport as transport_module
from chatclient.link.tls import TlsTransport, secure
from chatclient.link.transport import AddressInfo, Quiet, Transport, _connect_to_any
from chatclient.link.trust import Trust
from chatclient.link.writer import Writer

from .fake import DEADLINE, reset
from .identity import ALICE

LOCAL = "127.0.0.1"
TLS = ["TLSv1.2", "TLSv1.3"]
TOO_MUCH = b"x" * 20_000_000
"""Bytes; more than any system takes in for somebody who does not read."""

Ends = tuple[Transport, socket.socket]


@pytest.fixture(params=["plain", *TLS])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """The client's transport, and the server's socket."""
    context = ALICE.context() if request.param in TLS else None
    if context is not None:
        version = ssl.TLSVersion[request.param.replace(".", "_")]
        context.minimum_version = context.maximum_version = version
    with socket.create_server((LOCAL, 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(DEADLINE)
        port = listener.getsockname()[1]

        def accept() -> socket.socket:
            accepted, _ = listener.accept()
            accepted.settimeout(DEADLINE)
            return context.wrap_socket(accepted, server_side=True) if context else accepted

        def once() -> Transport:
            pytest.fail("one connection is enough")

        accepting = pool.submit(accept)
        transport = Transport.open(LOCAL, port, DEADLINE, quiet_seconds=DEADLINE)
        if context is not None:
            trust = Trust(Path("nowhere"), fingerprint=ALICE.fingerprint)
            transport = secure(LOCAL, port, transport, once, trust)
        with accepting.result(DEADLINE) as other:
            yield transport, other
        transport.shut()
        transport.close()


def test_it_says_what_it_is(ends: Ends) -> None:
    transport, other = ends
    assert transport.is_local
    if isinstance(transport, TlsTransport):
        assert isinstance(other, ssl.SSLSocket)
        assert transport.security == other.version()
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


def test_an_impatient_sender_gives_up(ends: Ends) -> None:
    transport, _ = ends
    transport.be_patient(0.05)
    with pytest.raises(LinkLost):
        transport.send(TOO_MUCH, patient=False)


def test_a_patient_sender_waits_until_it_is_read(ends: Ends) -> None:
    transport, other = ends
    transport.be_patient(0.05)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(transport.send, TOO_MUCH)
        for _ in range(4):
            with pytest.raises(Quiet):
                transport.receive()  # longer than a send may take without being tried again
        assert not sending.done()
        read = 0
        while read < len(TOO_MUCH):
            read += len(other.recv(1_000_000))
        assert sending.result(DEADLINE) is None


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


@pytest.mark.parametrize("ends", TLS, indirect=True)
def test_a_flood_both_ways_from_many_threads_stays_in_order(ends: Ends) -> None:
    transport, other = ends
    assert isinstance(other, ssl.SSLSocket)
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


@pytest.mark.parametrize("ends", TLS, indirect=True)
def test_openssl_is_never_used_by_two_threads_at_once(ends: Ends) -> None:
    transport, other = ends
    assert isinstance(transport, TlsTransport)
    transport._tls = guarded = Guarded(transport)  # type: ignore[assignment]
    transport.send(b"hello")
    assert other.recv(100) == b"hello"
    other.sendall(b"welcome")
    assert transport.receive() == b"welcome"
    assert {name for name, _ in guarded.uses} == {"read", "write"}
    assert all(locked for _, locked in guarded.uses)


# -- the end --


@pytest.mark.parametrize("what", ["sending", "receiving"])
def test_shut_frees_who_waits(ends: Ends, what: str) -> None:
    transport, other = ends
    started = threading.Event()

    def wait() -> None:
        started.set()
        if what == "sending":
            transport.send(TOO_MUCH)
        transport.receive()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait)
        assert started.wait(DEADLINE)
        if what == "sending":
            assert other.recv(1)
        transport.shut()
        with pytest.raises(LinkLost):
            waiting.result(DEADLINE / 2)  # less than it would be quiet


def receive_all(transport: Transport, got: bytearray) -> None:
    """Add what comes to `got`, until that raises something."""
    while True:
        got += transport.receive()


def say_goodbye(sock: ssl.SSLSocket) -> None:
    """Say that nothing more will come, as TLS asks for, and stay."""
    sock.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):
        sock.unwrap()


def forge(sock: ssl.SSLSocket) -> None:
    """Send a record that was not sealed by whom it seems to come from, and stay."""
    with socket.socket(fileno=sock.fileno()) as raw:
        raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        raw.detach()


def cut_off(sock: ssl.SSLSocket) -> None:
    """Send half a record and close."""
    with socket.socket(fileno=sock.detach()) as raw:
        raw.sendall(b"\x17\x03\x03\x10\x00" + b"x" * 32)


WAYS = [
    ("plain", socket.socket.close),
    ("plain", reset),
    *((version, way) for version in TLS for way in (socket.socket.close, reset)),
    *((version, way) for version in TLS for way in (say_goodbye, forge, cut_off)),
]


@pytest.mark.parametrize(("ends", "way"), WAYS, indirect=["ends"])
def test_a_lost_link_is_a_lost_link(ends: Ends, way: Callable[[socket.socket], None]) -> None:
    transport, other = ends
    other.sendall(b"last ")
    other.sendall(b"words")
    got = bytearray()
    if way in (reset, forge):  # which may take with them what was not yet read
        while got != b"last words":
            got += transport.receive()
    way(other)
    with pytest.raises(LinkLost):
        receive_all(transport, got)
    assert got == b"last words"
    with pytest.raises(LinkLost):
        transport.receive()


def test_what_is_closed_is_lost(ends: Ends) -> None:
    transport, _ = ends
    for _ in range(2):
        transport.shut()
        transport.close()
    with pytest.raises(LinkLost, match="connection to the server broke"):
        transport.send(b"x")
    with pytest.raises(LinkLost):
        transport.receive()


# -- several addresses --


class Silent(socket.socket):
    """A socket whose connections to port 1 get no answer and to port 2 are refused."""

    made: ClassVar[list["Silent"]] = []

    def __init__(self, *arguments: int) -> None:
        super().__init__(*arguments)
        self.made.append(self)

    def connect_ex(self, address: tuple[str, int]) -> int:  # type: ignore[override]
        if address[1] == 1:
            self.listen()  # never writable, as while a network swallows everything
            return errno.EINPROGRESS
        if address[1] == 2:
            return errno.ECONNREFUSED
        return super().connect_ex(address)


def address(port: int) -> AddressInfo:
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    Silent.made = []
    monkeypatch.setattr(transport_module, "_NEXT_ADDRESS_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("before", [[1], [2], [1, 1, 2], []])
def test_the_next_address_is_tried_soon_and_the_losers_are_closed(
    listener: int, before: list[int]
) -> None:
    addresses = [address(port) for port in (*before, listener, 1)]
    with _connect_to_any(addresses, DEADLINE, Silent) as connected:
        assert connected.getpeername()[1] == listener
        assert [each.fileno() for each in Silent.made] == [
            connected.fileno() if each is connected else -1 for each in Silent.made
        ]


def test_an_address_that_answers_late_still_wins(listener: int) -> None:
    with _connect_to_any([address(listener), address(1)], DEADLINE, Silent) as connected:
        assert connected.getpeername()[1] == listener


def test_when_nobody_answers_the_time_is_for_all_of_them() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        _connect_to_any([address(1)] * 3, 0.2, Silent)
    assert time.monotonic() - began >= 0.2
    with pytest.raises(ConnectionRefusedError):
        _connect_to_any([address(2)] * 3, DEADLINE, Silent)
    with pytest.raises(TimeoutError):
        _connect_to_any([], 0.01, Silent)
    assert all(each.fileno() == -1 for each in Silent.made)


# -- lines go out whole --


class Pipe:
    """All that a writer wants of a transport; `entered` and `go_on` are about who sends."""

    quiet_seconds = 0.01

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.shut_down = False
        self.entered, self.go_on = threading.Event(), threading.Event()

    def send(self, data: bytes, *, patient: bool = True) -> None:
        self.entered.set()
        if b"interrupt" in data:
            raise KeyboardInterrupt
        assert self.go_on.wait(DEADLINE) or not patient
        self.sent.append(data)

    def shut(self) -> None:
        self.shut_down = True


def test_an_interrupt_in_a_line_ends_the_link() -> None:
    pipe = Pipe()
    with pytest.raises(KeyboardInterrupt):
        Writer(cast("Transport", pipe)).send({"op": "interrupt"})
    assert pipe.shut_down


def test_the_reader_leaves_its_line_out_where_another_is_on_its_way() -> None:
    pipe = Pipe()
    writer = Writer(cast("Transport", pipe))
    sender = threading.Thread(target=writer.send, args=({"op": "who"},), daemon=True)
    sender.start()
    assert pipe.entered.wait(DEADLINE)
    writer.say({"op": "pong"})
    pipe.go_on.set()
    sender.join(DEADLINE)
    writer.say({"op": "pong"})
    assert pipe.sent == [b'{"op":"who"}\n', b'{"op":"pong"}\n']
