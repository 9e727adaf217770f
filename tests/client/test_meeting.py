"""Meeting a server: the client is sure of it before anything is said."""

import functools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatclient.errors import ConnectFailed, Refused, Untrusted
from chatclient.link.connection import Connection
from chatclient.link.transport import Transport
from chatclient.link.trust import Trust
from chatclient.setup.entrance import enter

from .fake import DEADLINE, FakeServer, Link, greeted
from .identity import ALICE, MALLORY, Identity, Person, meet, nobody

LOCAL = "127.0.0.1"
HANDSHAKE = 0x16
"""What every TLS connection opens with: the type of a handshake record."""

REALLY_LOCAL = vars(Transport)["is_local"]

Script = Callable[[Link], None]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known_servers"


@pytest.fixture(autouse=True)
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this machine count as another one."""
    monkeypatch.setattr(Transport, "is_local", False)


@pytest.fixture
def here(far: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it count as what it is."""
    monkeypatch.setattr(Transport, "is_local", REALLY_LOCAL)


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


def inside(identity: Identity, play: Script) -> Script:
    """The client shakes hands; what follows is inside TLS."""

    def script(link: Link) -> None:
        with secured(link, identity) as secure:
            play(secure)

    return script


def hears_nothing(identity: Identity) -> Script:
    """The client shakes hands, and closes without a single byte."""

    def script(link: Link) -> None:
        assert link.until_closed() == b""

    return inside(identity, script)


def greets(identity: Identity) -> Script:
    """The client shakes hands, and begins."""
    return inside(identity, greeted())


def met(server: FakeServer, trust: Trust, host: str = LOCAL) -> None:
    """Connect to a server and be greeted."""
    with Connection.open(host, server.port, timeout=DEADLINE, trust=trust) as chat:
        assert chat.hello is not None
        assert chat.hello.server == "fake"


def failed(
    server: FakeServer,
    trust: Trust,
    timeout: float = DEADLINE,
    kind: type[ConnectFailed] = ConnectFailed,
) -> str:
    """Connect to a server and expect that this fails; return why."""
    with pytest.raises(kind) as caught:
        Connection.open(LOCAL, server.port, timeout=timeout, trust=trust)
    return caught.value.text


def speaks_tls(link: Link) -> None:
    """The client begins a handshake."""
    assert link.sock.recv(65536)[0] == HANDSHAKE


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


# -- authorities --


@pytest.mark.parametrize("host", [LOCAL, "localhost"])
def test_what_an_authority_vouches_for_is_accepted(
    file: Path, authority: Identity, host: str
) -> None:
    with FakeServer(greets(Identity(signer=authority))) as server:
        met(server, Trust(file, nobody), host)
        assert file.read_text("utf-8").startswith(f"{host}:{server.port} authority ")


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


@pytest.mark.parametrize("how", ["pinned", "fingerprint"])
def test_an_authority_outvotes_nothing(file: Path, authority: Identity, how: str) -> None:
    vouched = Identity(signer=authority)
    with FakeServer(hears_nothing(vouched)) as server:
        text = failed(server, known_by(how, file, authority, server.port))
    assert ALICE.fingerprint in text
    assert vouched.fingerprint in text


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


def test_a_person_thinks_while_no_connection_is_kept_waiting_and_is_asked_once(file: Path) -> None:
    closed = threading.Event()
    asked: list[str] = []

    def seen_and_left(link: Link) -> None:
        hears_nothing(ALICE)(link)
        closed.set()

    def think(question: str) -> bool:
        asked.append(question)
        assert closed.wait(DEADLINE), "the server would take the silence for a person's"
        return True

    scripts = (turned_away(ALICE), seen_and_left, greets(ALICE), greets(ALICE.renewed()))
    with FakeServer(*scripts) as server:
        met(server, Trust(file, think))
        assert len(asked) == 1
        met(server, Trust(file, nobody))


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


def test_pins_that_cannot_be_read_end_it_before_the_handshake(file: Path) -> None:
    file.mkdir()
    with pytest.raises(ConnectFailed, match="Cannot read"):
        Connection.open(LOCAL, 1, trust=Trust(file, nobody))


# -- what is no server, or none of ours --


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
        speaks_tls(link)
        link.send(answer)
        heard.append(link.until_closed())

    with FakeServer(script) as server:
        text = failed(server, Trust(file, nobody))
    assert "does not speak TLS" in text
    assert "plaintext" not in text
    assert heard == [b""]


@pytest.mark.parametrize("how", [Link.close, Link.reset])
def test_a_server_that_goes_in_the_handshake_is_no_server(
    file: Path, how: Callable[[Link], None]
) -> None:
    def script(link: Link) -> None:
        assert link.sock.recv(65536)
        how(link)

    with FakeServer(script) as server:
        assert failed(server, Trust(file, nobody)).startswith("The ")


def test_a_server_that_says_nothing_is_given_up(file: Path) -> None:
    with FakeServer(Link.until_closed) as server:
        assert "did not finish" in failed(server, Trust(file, nobody), timeout=0.1)


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


@KNOWN
@pytest.mark.parametrize("is_local", [True, False], ids=["here", "elsewhere"])
def test_who_is_known_and_speaks_plaintext_is_a_warning(
    file: Path, authority: Identity, monkeypatch: pytest.MonkeyPatch, how: str, is_local: bool
) -> None:
    monkeypatch.setattr(Transport, "is_local", is_local)

    def script(link: Link) -> None:
        speaks_tls(link)
        link.send(b"-- chat 1.0\nUsername: ")
        assert link.until_closed() == b""

    with FakeServer(script) as server:
        text = failed(server, known_by(how, file, authority, server.port), kind=Untrusted)
    assert "Somebody may be in between" in text
    assert "plaintext" not in text
    assert (f"delete the line '{LOCAL}:{server.port}'" in text) == file.exists()


@KNOWN
def test_plaintext_does_not_override_what_is_known(
    file: Path, authority: Identity, how: str
) -> None:
    with pytest.raises(Untrusted) as caught:
        Connection.open(LOCAL, 1, trust=known_by(how, file, authority, 1), plaintext=True)
    assert (f"delete the line '{LOCAL}:1' from {file}" in caught.value.text) == file.exists()


# -- this machine --


@pytest.mark.usefixtures("here")
@KNOWN
def test_who_is_known_is_spoken_to_in_tls_here_too(
    file: Path, authority: Identity, how: str
) -> None:
    identity = Identity(signer=authority) if how == "vouched" else ALICE
    with FakeServer(greets(identity)) as server:
        met(server, known_by(how, file, authority, server.port))


@pytest.mark.parametrize("name", ["localhost", "chat.example", "127.1", "localhost.."])
def test_without_a_name_of_this_machine_and_its_address_it_is_tls(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def leads_here(host: str, port: int, *more: object, **others: object) -> object:
        assert host == name
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (LOCAL, port))]

    monkeypatch.setattr(Transport, "is_local", name != "localhost")
    with FakeServer(speaks_tls) as server:
        monkeypatch.setattr(socket, "getaddrinfo", leads_here)
        with pytest.raises(ConnectFailed):
            Connection.open(name, server.port, timeout=DEADLINE, trust=Trust(file, nobody))


@pytest.mark.usefixtures("here")
def test_on_this_machine_it_may_be_plain() -> None:
    with FakeServer(greeted()) as server, Connection.open(LOCAL, server.port) as chat:
        assert chat.hello is not None


def test_elsewhere_it_is_plain_only_when_told_so() -> None:
    with FakeServer(greeted(), speaks_tls) as server:
        with Connection.open(LOCAL, server.port, plaintext=True) as chat:
            assert chat.hello is not None
        with pytest.raises(ConnectFailed):
            Connection.open(LOCAL, server.port)
