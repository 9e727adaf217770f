"""The listening server: how many it lets in, whom it turns away, and that it goes on."""

import errno
import socket
import socketserver
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from scoped import Scoped

from chatserver.net import server as module
from chatserver.net.server import Admit, ChatTCPServer
from chatserver.net.stream import Stream

from .fakes import DEADLINE, raising

FULL = b"full\n"


class Host(Scoped):
    """A server whose handler tells each client whether it is welcome and waits for its end."""

    def __init__(
        self, host: str = "127.0.0.1", max_clients: int = 2, max_per_address: int = 1, port: int = 0
    ) -> None:
        self.broken = False
        self.asks = True
        self.addresses: list[str] = []
        self.clients: list[socket.socket] = []
        self.server = ChatTCPServer(
            host,
            port,
            self.handle,
            max_clients=max_clients,
            max_per_address=max_per_address,
            full_line=FULL,
        )

    def begin(self) -> None:
        self.server.start()

    def end(self, error: BaseException | None) -> None:
        self.server.stop()
        self.leave()

    def handle(self, stream: Stream, admit: Admit) -> None:
        if self.broken:
            raise RuntimeError("a bug")
        self.addresses.append(stream.address)
        stream.send(b"welcome\n" if self.asks and admit(stream.address) else b"refused\n")
        while stream.receive():
            pass

    def connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.server.port), DEADLINE)
        self.clients.append(client)
        return client

    def greetings(self, count: int) -> list[bytes]:
        """Connect so many times and return the first thing the server says to each."""
        return [self.connect().recv(100) for _ in range(count)]

    def leave(self) -> None:
        """Close every client and wait until the server has noticed."""
        for client in self.clients:
            client.close()
        self.clients.clear()
        assert self.server.wait_until_empty(DEADLINE)


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as running:
        yield running


@pytest.fixture
def idle() -> Iterator[Host]:
    """Give a host that listens but does not accept by itself."""
    made = Host()
    yield made
    made.leave()
    made.server.server_close()


WELCOME = [b"welcome\n"]
REFUSED = [b"refused\n"]


def test_clients_are_let_in_up_to_the_limit_and_whoever_leaves_makes_room(host: Host) -> None:
    for _ in range(3):
        assert host.greetings(4) == WELCOME * 2 + REFUSED * 2
        host.leave()


def test_beyond_the_visitors_the_acceptor_turns_newcomers_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_VISITORS", 2)
    with Host() as host:
        assert host.greetings(4) == WELCOME * 2 + REFUSED * 2
        assert told_and_closed(host.connect())


def test_whoever_asks_for_no_place_is_no_client(host: Host) -> None:
    host.asks = False
    assert host.greetings(5) == REFUSED * 5
    host.asks = True
    assert host.greetings(3) == WELCOME * 2 + REFUSED


def told_and_closed(client: socket.socket) -> bool:
    """Return whether a client is told that the server is full, and nothing else."""
    return (client.recv(100), client.recv(100)) == (FULL, b"")


def test_a_limit_of_zero_is_none() -> None:
    with Host(max_clients=0, max_per_address=0) as host:
        assert host.greetings(10) == WELCOME * 10


def test_a_link_local_address_keeps_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    place = ("fe80::1%eth0", 4119, 0, 7)
    found = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", place)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert module._address("fe80::1%eth0", 4119) == (socket.AF_INET6, place)


def test_no_host_is_every_address() -> None:
    with Host("") as host:
        assert host.greetings(1) == WELCOME
        assert host.addresses == ["127.0.0.1"]  # and not an IPv6 address that means it


def test_without_ipv6_no_host_is_every_ipv4_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_ipv6(self: socket.socket, address: tuple[object, ...]) -> None:
        if self.family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "no IPv6")
        bind(self, address)

    bind = socket.socket.bind
    monkeypatch.setattr(socket.socket, "bind", no_ipv6)
    with Host("") as host:
        assert host.server.address_family == socket.AF_INET
        assert host.greetings(1) == WELCOME


def test_a_host_that_there_is_not_is_an_error() -> None:
    with pytest.raises(OSError, match="not"):
        Host("no-such-host.invalid")


@pytest.mark.parametrize("kind", ["clients", "visitors"])
def test_an_address_and_an_ipv6_64_have_a_limit_but_not_this_machine(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(module, "_VISITORS", 1 if kind == "visitors" else 3)
    server = Host(max_clients=2, max_per_address=1).server
    monkeypatch.setattr(server._visitors, "_most", 2)

    def come(address: str) -> module._Visit | None:
        visit = module._Visit(address)
        if kind == "visitors":
            return visit if server._enter(visit) else None
        assert server._enter(visit)
        if server._admit(visit, address):
            return visit
        server._leave(visit)
        return None

    for first, second in (("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::2")):
        here = come(first)
        assert here
        assert come(second) is None
        server._leave(here)
        here, other = come(second), come("2001:db8:0:1::2")
        assert here
        assert other
        server._leave(here)
        server._leave(other)
    assert server.wait_until_empty(0)
    for address in ("127.0.0.1", "::1", "127.8.8.8"):
        *here_now, last = [come(address) for _ in range(3)]  # all together
        assert last is None
        for each in here_now:
            assert each
            server._leave(each)
    server.server_close()


def test_a_bug_in_the_handler_ends_one_client_and_is_logged(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    host.broken = True
    assert host.greetings(5) == [b""] * 5
    host.broken = False
    host.leave()
    assert "the handler of a connection from 127.0.0.1 failed" in caplog.text
    assert host.greetings(3) == WELCOME * 2 + REFUSED


def test_stopping_leaves_clients_to_their_handlers(idle: Host) -> None:
    idle.server.start()
    assert idle.greetings(1) == WELCOME
    port = idle.server.port
    idle.server.stop()
    assert not idle.server.wait_until_empty(0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), DEADLINE)
    idle.leave()


def test_a_port_that_is_taken_is_an_error(host: Host) -> None:
    with pytest.raises(OSError, match="in use") as raised:
        Host(port=host.server.port)
    assert raised.value.errno == errno.EADDRINUSE


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect how long the acceptor would have rested."""
    collected: list[float] = []
    monkeypatch.setattr(module.time, "sleep", collected.append)
    return collected


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_out_of_descriptors_a_newcomer_is_told_and_the_acceptor_rests(
    idle: Host, monkeypatch: pytest.MonkeyPatch, pauses: list[float], number: int
) -> None:
    exhausted = raising(OSError(number, "exhausted"))
    monkeypatch.setattr(socketserver.TCPServer, "get_request", exhausted)
    for count in range(1, 4):
        client = idle.connect()
        with pytest.raises(OSError, match="exhausted"):
            idle.server.get_request()
        assert told_and_closed(client)
        assert pauses == [0.1] * count


def test_out_of_descriptors_even_for_that_the_acceptor_rests_all_the_same(
    idle: Host, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    exhausted = SimpleNamespace(accept=raising(OSError(errno.EMFILE, "exhausted")))
    listening = idle.server.socket
    monkeypatch.setattr(idle.server, "socket", exhausted)
    with pytest.raises(OSError, match="exhausted"):
        idle.server.get_request()
    assert pauses == [0.1]
    monkeypatch.setattr(idle.server, "socket", listening)


def test_other_errors_of_accept_are_passed_over_without_rest(
    idle: Host, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    aborted = raising(OSError(errno.ECONNABORTED, "aborted"))
    monkeypatch.setattr(socketserver.TCPServer, "get_request", aborted)
    with pytest.raises(OSError, match="aborted"):
        idle.server.get_request()
    assert pauses == []


def test_a_server_that_was_out_of_descriptors_goes_on(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        exhausted = raising(OSError(errno.EMFILE, "exhausted"))
        patched.setattr(socketserver.TCPServer, "get_request", exhausted)
        assert host.greetings(1) == [FULL]
    assert host.greetings(1) == WELCOME


def test_out_of_threads_a_newcomer_is_told_and_not_counted(
    idle: Host, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", raising(RuntimeError("no more threads")))
        for _ in range(3):
            ours, theirs = socket.socketpair()
            idle.server.process_request(ours, ("127.0.0.1", 1))
            assert theirs.recv(100) == FULL
            theirs.close()
    assert pauses == [0.1] * 3
    assert idle.server.wait_until_empty(0)


def test_what_goes_wrong_while_accepting_is_logged_and_not_printed(
    idle: Host, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        raise RuntimeError("a bug")
    except RuntimeError:
        idle.server.handle_error(None, ("192.0.2.1", 1))
    assert "could not accept a connection from ('192.0.2.1', 1)" in caplog.text
    assert capsys.readouterr() == ("", "")
