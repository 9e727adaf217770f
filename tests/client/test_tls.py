"""TLS from the client's side: sure of the server before anything is said, then bytes in order."""

import functools
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatclient.errors import ConnectFailed, LinkLost, Refused, Untrusted
from chatclient.link.connection import Connection
from chatclient.link.tls import TlsTransport, secure
from chatclient.link.transport import Quiet, Transport
from chatclient.link.trust import Trust
from chatclient.setup.entrance import enter

from .fake import DEADLINE, FakeServer, Link
from .test_trust import ALICE, MALLORY, Identity, Person, meet, nobody

LOCAL = "127.0.0.1"
HANDSHAKE = 0x16
"""What every TLS connection opens with: the type of a handshake record."""

Script = Callable[[Link], None]
Ends = tuple[TlsTransport, ssl.SSLSocket]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known_servers"


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this machine count as another one."""
    monkeypatch.setattr(Transport, "is_local", False)


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> Identity:
    """The only authority that the system trusts."""
    made = Identity(authority=True, name="authority")
    trusting = functools.partial(ssl.create_default_context, cadata=made.pem.decode())
    monkeypatch.setattr(ssl, "create_default_context", trusting)
    return made


# -- what a server does --


@contextmanager
def secured(link: Link, identity: Identity) -> Iterator[Link]:
    """Shake hands; the link inside."""
    inside = Link(identity.context().wrap_socket(link.sock, server_side=True))
    try:
        yield inside
    finally:
        inside.close()


def turned_away(identity: Identity) -> Script:
    """The client ends the handshake."""

    def script(link: Link) -> None:
        with pytest.raises(OSError), secured(link, identity):  # noqa: PT011 - EOF or a reset
            pass

    return script


def hears_nothing(identity: Identity) -> Script:
    """The client shakes hands, and closes without a single byte."""

    def script(link: Link) -> None:
        with secured(link, identity) as inside:
            assert inside.until_closed() == b""

    return script


def greets(identity: Identity) -> Script:
    """The client shakes hands, and begins."""

    def script(link: Link) -> None:
        with secured(link, identity) as inside:
            inside.greet()
            inside.until_closed()

    return script


def plain(link: Link) -> None:
    """The client begins without TLS."""
    link.greet()
    link.until_closed()


def met(server: FakeServer, trust: Trust, host: str = LOCAL) -> None:
    """Connect to a server and be greeted."""
    with Connection.open(host, server.port, timeout=DEADLINE, trust=trust) as chat:
        assert chat.hello is not None
        assert chat.hello.server == "fake"


def failed(server: FakeServer, trust: Trust, timeout: float = DEADLINE) -> str:
    """Connect to a server and expect that this fails; return why."""
    with pytest.raises(ConnectFailed) as caught:
        Connection.open(LOCAL, server.port, timeout=timeout, trust=trust)
    return caught.value.text


# -- authorities --


@pytest.mark.usefixtures("far")
@pytest.mark.parametrize("host", [LOCAL, "localhost"])
def test_what_an_authority_vouches_for_is_accepted(
    file: Path, authority: Identity, host: str
) -> None:
    with FakeServer(greets(Identity(signer=authority))) as server:
        met(server, Trust(file, nobody), host)
        assert file.read_text("utf-8").startswith(f"{host}:{server.port} authority ")


@pytest.mark.usefixtures("far")
@pytest.mark.parametrize("flaw", ["by itself", "by another", "other name", "expired"])
def test_what_no_authority_vouches_for_is_asked_about(
    file: Path, authority: Identity, flaw: str
) -> None:
    match flaw:
        case "by itself":
            identity = ALICE
        case "by another":
            identity = Identity(signer=Identity(authority=True, name="authority"))
        case "other name":
            identity = Identity(signer=authority, name="elsewhere.example")
        case _:
            identity = Identity(signer=authority, days=-1)
    person = Person(answer=False)
    with FakeServer(turned_away(identity), hears_nothing(identity)) as server:
        assert "not trusted" in failed(server, Trust(file, person))
    (question,) = person.asked
    assert identity.fingerprint in question


@pytest.mark.usefixtures("far")
def test_an_authority_does_not_outvote_a_pinned_key(file: Path, authority: Identity) -> None:
    vouched = Identity(signer=authority)
    with FakeServer(hears_nothing(vouched)) as server:
        meet(file, ALICE, LOCAL, server.port)
        text = failed(server, Trust(file, nobody))
    assert ALICE.fingerprint in text
    assert vouched.fingerprint in text


@pytest.mark.usefixtures("far")
def test_an_authority_does_not_outvote_a_fingerprint(file: Path, authority: Identity) -> None:
    vouched = Identity(signer=authority)
    with FakeServer(hears_nothing(vouched)) as server:
        text = failed(server, Trust(file, nobody, ALICE.fingerprint))
    assert vouched.fingerprint in text


@pytest.mark.usefixtures("far")
@pytest.mark.parametrize("ask", [None, nobody], ids=["nobody to ask", "a person"])
def test_who_was_vouched_for_is_never_a_stranger_again(
    file: Path, authority: Identity, ask: Callable[[str], bool] | None
) -> None:
    vouched = Identity(signer=authority)
    with FakeServer(greets(vouched), greets(vouched), turned_away(MALLORY)) as server:
        met(server, Trust(file, nobody))
        met(server, Trust(file, nobody))
        before = file.read_text("utf-8")
        assert before.count("\n") == 1
        text = failed(server, Trust(file, ask))
    assert "CHANGED" in text
    assert "self-signed" in text.replace("self signed", "self-signed")
    assert f"delete the line '{LOCAL}:{server.port}' from {file}" in text
    assert file.read_text("utf-8") == before


@pytest.mark.usefixtures("far")
def test_where_it_cannot_be_remembered_that_is_said_and_it_goes_on(
    file: Path, authority: Identity
) -> None:
    file.symlink_to(file.parent / "nowhere" / "known_servers")
    said: list[str] = []
    with FakeServer(greets(Identity(signer=authority))) as server:
        met(server, Trust(file, nobody, say=said.append))
    (sentence,) = said
    assert sentence.startswith("Cannot write")
    assert "not remembered" in sentence


# -- the first time, and after that --


@pytest.mark.usefixtures("far")
def test_after_a_yes_it_is_met_without_a_question(file: Path) -> None:
    person = Person()
    scripts = (turned_away(ALICE), hears_nothing(ALICE), greets(ALICE), greets(ALICE.renewed()))
    with FakeServer(*scripts) as server:
        met(server, Trust(file, person))
        assert len(person.asked) == 1
        met(server, Trust(file, nobody))


@pytest.mark.usefixtures("far")
def test_no_connection_is_kept_waiting_while_a_person_thinks(file: Path) -> None:
    closed = threading.Event()

    def seen_and_left(link: Link) -> None:
        hears_nothing(ALICE)(link)
        closed.set()

    def think(question: str) -> bool:
        assert closed.wait(DEADLINE), "the server would take the silence for a person's"
        return True

    with FakeServer(turned_away(ALICE), seen_and_left, greets(ALICE)) as server:
        met(server, Trust(file, think))


@pytest.mark.usefixtures("far")
def test_who_comes_in_between_while_a_person_thinks_is_seen(file: Path) -> None:
    scripts = (turned_away(ALICE), hears_nothing(ALICE), hears_nothing(MALLORY))
    with FakeServer(*scripts) as server:
        text = failed(server, Trust(file, Person()))
    assert ALICE.fingerprint in text
    assert MALLORY.fingerprint in text


class Secret:
    """Credentials that nobody may ask for."""

    def name(self) -> str:
        raise AssertionError("the name was asked for")

    def password(self, name: str) -> str:
        raise AssertionError("the password was asked for")

    def refused(self, refusal: Refused) -> bool:
        raise AssertionError("something was refused")


def interrupt(question: str) -> bool:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("far")
@pytest.mark.parametrize(
    "doubt", ["answer no", "Ctrl-C", "nobody to ask", "fingerprint", "changed key"]
)
def test_who_is_in_between_hears_nothing(file: Path, doubt: str) -> None:
    met_before = doubt in ("fingerprint", "changed key")
    scripts = [hears_nothing(MALLORY)] if met_before else [turned_away(MALLORY)]
    if not met_before:
        scripts.append(hears_nothing(MALLORY))
    with FakeServer(*scripts) as server:
        match doubt:
            case "answer no":
                trust = Trust(file, Person(answer=False))
            case "Ctrl-C":
                trust = Trust(file, interrupt)
            case "nobody to ask":
                trust = Trust(file)
            case "fingerprint":
                trust = Trust(file, nobody, ALICE.fingerprint)
            case _:
                meet(file, ALICE, LOCAL, server.port)
                trust = Trust(file, nobody)
        with pytest.raises((ConnectFailed, KeyboardInterrupt)):
            enter(lambda: Connection.open(LOCAL, server.port, trust=trust), Secret(), print)
    assert file.exists() == (doubt == "changed key")


@pytest.mark.usefixtures("far")
def test_pins_that_cannot_be_read_end_it_before_the_handshake(file: Path) -> None:
    file.mkdir()
    with pytest.raises(ConnectFailed, match="Cannot read"):
        Connection.open(LOCAL, 1, trust=Trust(file, nobody))


# -- what is no server, or none of ours --


@pytest.mark.usefixtures("far")
@pytest.mark.parametrize(
    "answer",
    [
        b"-- chat 1.0\nUsername: ",
        b'{"event":"hello","protocol":"chat/1"}\n',
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",  # an alert: the handshake has failed
    ],
    ids=["text", "json", "http", "alert"],
)
def test_a_server_without_tls_is_named(file: Path, answer: bytes) -> None:
    heard: list[bytes] = []

    def script(link: Link) -> None:
        first = link.sock.recv(65536)
        assert first[0] == HANDSHAKE
        link.send(answer)
        heard.append(link.until_closed())

    with FakeServer(script) as server:
        text = failed(server, Trust(file, nobody))
    assert "does not speak TLS" in text
    assert "plaintext" not in text
    assert heard == [b""]


@pytest.mark.usefixtures("far")
@pytest.mark.parametrize("how", [Link.close, Link.reset])
def test_a_server_that_goes_in_the_handshake_is_no_server(
    file: Path, how: Callable[[Link], None]
) -> None:
    def script(link: Link) -> None:
        assert link.sock.recv(65536)
        how(link)

    with FakeServer(script) as server:
        assert failed(server, Trust(file, nobody)).startswith("The ")


@pytest.mark.usefixtures("far")
def test_a_server_that_says_nothing_is_given_up(file: Path) -> None:
    def script(link: Link) -> None:
        link.until_closed()

    with FakeServer(script) as server:
        assert "did not finish" in failed(server, Trust(file, nobody), timeout=0.1)


@pytest.mark.usefixtures("far")
@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known"])
def test_a_server_that_says_a_little_now_and_then_is_given_up_too(file: Path, known: bool) -> None:
    gone = threading.Event()

    def script(link: Link) -> None:
        link.send(b"\x16\x03\x03\x40\x00")  # a record of 16 KiB, of which
        until = time.monotonic() + 3  # much longer than the client's patience
        while time.monotonic() < until and not gone.wait(0.01):
            try:
                link.send(b"\x00")
            except ConnectionError:
                return

    with FakeServer(script) as server:
        if known:
            meet(file, ALICE, LOCAL, server.port)
        assert "did not finish" in failed(server, Trust(file, nobody), timeout=0.2)
        gone.set()


# -- without TLS --


def known_by(how: str, file: Path, authority: Identity, port: int) -> Trust:
    """Return a trust to which the server at a port is known."""
    match how:
        case "pinned":
            meet(file, ALICE, LOCAL, port)
        case "vouched":
            Trust(file).vouched(LOCAL, port, Identity(signer=authority).der)
        case _:
            return Trust(file, nobody, ALICE.fingerprint)
    return Trust(file, nobody)


KNOWN = pytest.mark.parametrize("how", ["pinned", "vouched", "fingerprint"])


@KNOWN
@pytest.mark.parametrize("is_local", [True, False], ids=["here", "elsewhere"])
def test_who_is_known_and_speaks_plaintext_is_a_warning(
    file: Path, authority: Identity, monkeypatch: pytest.MonkeyPatch, how: str, is_local: bool
) -> None:
    monkeypatch.setattr(Transport, "is_local", is_local)

    def script(link: Link) -> None:
        assert link.sock.recv(65536)[0] == HANDSHAKE
        link.send(b"-- chat 1.0\nUsername: ")
        assert link.until_closed() == b""

    with FakeServer(script) as server, pytest.raises(Untrusted) as caught:
        Connection.open(
            LOCAL,
            server.port,
            timeout=DEADLINE,
            trust=known_by(how, file, authority, server.port),
        )
    assert "Somebody may be in between" in caught.value.text
    assert "plaintext" not in caught.value.text
    assert (f"delete the line '{LOCAL}:{server.port}'" in caught.value.text) == file.exists()


@KNOWN
def test_plaintext_does_not_override_what_is_known(
    file: Path, authority: Identity, how: str
) -> None:
    with pytest.raises(Untrusted) as caught:
        Connection.open(LOCAL, 1, trust=known_by(how, file, authority, 1), plaintext=True)
    assert (f"delete the line '{LOCAL}:1' from {file}" in caught.value.text) == file.exists()


# -- this machine --


@KNOWN
def test_who_is_known_is_spoken_to_in_tls_here_too(
    file: Path, authority: Identity, how: str
) -> None:
    identity = Identity(signer=authority) if how == "vouched" else ALICE
    with FakeServer(greets(identity)) as server:
        met(server, known_by(how, file, authority, server.port))


@pytest.mark.parametrize("name", ["chat.example", "localhost.example", "127.1", "localhost.."])
def test_another_name_that_leads_here_is_spoken_to_in_tls(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def leads_here(host: str, port: int, *more: object, **others: object) -> object:
        assert host == name
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (LOCAL, port))]

    def script(link: Link) -> None:
        assert link.sock.recv(65536)[0] == HANDSHAKE

    with FakeServer(script) as server:
        monkeypatch.setattr(socket, "getaddrinfo", leads_here)
        with pytest.raises(ConnectFailed):
            Connection.open(name, server.port, timeout=DEADLINE, trust=Trust(file, nobody))


@pytest.mark.usefixtures("far")
def test_localhost_that_leads_elsewhere_is_spoken_to_in_tls(file: Path) -> None:
    def script(link: Link) -> None:
        assert link.sock.recv(65536)[0] == HANDSHAKE

    with FakeServer(script) as server, pytest.raises(ConnectFailed):
        Connection.open("localhost", server.port, timeout=DEADLINE, trust=Trust(file, nobody))


def test_on_this_machine_it_may_be_plain() -> None:
    with FakeServer(plain) as server, Connection.open(LOCAL, server.port) as chat:
        assert chat.hello is not None


def test_on_this_machine_a_fingerprint_asks_for_tls(file: Path) -> None:
    with FakeServer(greets(ALICE), hears_nothing(MALLORY)) as server:
        trust = Trust(file, nobody, ALICE.fingerprint)
        met(server, trust)
        assert "another certificate" in failed(server, trust)


@pytest.mark.usefixtures("far")
def test_elsewhere_it_is_plain_only_when_told_so() -> None:
    def speaks_tls(link: Link) -> None:
        assert link.sock.recv(65536)[0] == HANDSHAKE

    with FakeServer(plain, speaks_tls) as server:
        with Connection.open(LOCAL, server.port, plaintext=True) as chat:
            assert chat.hello is not None
        with pytest.raises(ConnectFailed):
            Connection.open(LOCAL, server.port)


# -- bytes --


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
