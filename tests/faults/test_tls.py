"""TLS on the chat's own port: who gets through, who does not, and that nobody waits for them."""

import hashlib
import json
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from e2e.client import PASSWORD, PATIENCE, JsonClient, at_once, eventually, line

from .amounts import SCALE, amounts, figure
from .chatting import Pair, logins_are_quick
from .conftest import Start
from .secure import (
    TlsJsonClient,
    TlsTextClient,
    TwoWay,
    client_hello,
    client_hello_of_old,
    make_pair,
    presented,
    replace,
    trusting,
)
from .target import Target

FLOOD_SECONDS = amounts(5.0, 60.0)
HALF_HANDSHAKES = amounts(30, 300)

ALERT = 0x15
PROTOCOL_VERSION = 70
"""The TLS alert for a version that is not spoken (RFC 8446, 6.2)."""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server that still has the certificate of its first start."""
    server = Target(tmp_path_factory.mktemp("fresh") / "data")
    yield server
    server.stop()


def files(server: Target) -> tuple[Path, Path]:
    return server.data / "tls" / "certificate.pem", server.data / "tls" / "key.pem"


def renew(server: Target) -> bytes:
    """Renew the certificate and its key; return the new certificate."""
    for path, content in zip(files(server), pair := make_pair(), strict=True):
        replace(path, content)
    assert presented(server.place) == as_der(pair[0])
    return pair[0]


def as_der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode("ascii"))


# -- versions and dialects --


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_json_and_text_inside_tls(server: Target, version: ssl.TLSVersion) -> None:
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with (
        TlsJsonClient(server.place, trusting(version)) as program,
        TlsTextClient(server.place, trusting(version)) as person,
        server.json(eve) as plain,
    ):
        assert isinstance(program.socket, ssl.SSLSocket)
        assert program.socket.version() == version.name.replace("_", ".")
        program.login(ann)
        assert bob not in program.ask("who")
        person.login(bob)
        program.say("hello inside")
        assert person.line("hello") == f"{ann}: hello inside"
        assert plain.expect(event="message")["text"] == "hello inside"
        person.send(f"send {ann} and back")
        assert program.expect(event="message")["text"] == "and back"
        plain.tell([ann, bob], "from outside")
        assert program.expect(event="message", text="from outside")
        assert person.line("outside") == f"{eve} → you, {ann}: from outside"
        program.ask("logout")
        assert program.bye() == "logged_out"
        person.send("logout")
        assert person.to_end().endswith("-- Goodbye.\n")
    assert f"over={version.name.replace('_', '.')}" in server.log


@pytest.mark.parametrize("minor", [1, 2], ids=["TLS 1.0", "TLS 1.1"])
def test_old_versions_are_refused(server: Target, minor: int) -> None:
    with socket.create_connection(server.place, PATIENCE) as client:
        client.sendall(client_hello_of_old(minor))
        answer = client.recv(100)
        assert answer[:1] == bytes([ALERT])
        assert answer[-1] == PROTOCOL_VERSION
        assert client.recv(100) == b""


def test_the_way_that_makes_an_old_hello_makes_a_good_new_one(server: Target) -> None:
    with socket.create_connection(server.place, PATIENCE) as client:
        client.sendall(client_hello_of_old(3))
        assert client.recv(100)[0] != ALERT


# -- handshakes that come to nothing --


@pytest.mark.parametrize("count", HALF_HANDSHAKES)
def test_half_handshake_is_cut_off_at_the_deadline_and_holds_nobody_up(
    start: Start, count: int
) -> None:
    server = start(login_deadline_seconds=1.0 * SCALE)
    ann = server.account("ann")
    hello = client_hello()
    with ExitStack() as stack, Pair(server):
        halves = []
        for _ in range(count):
            half = stack.enter_context(socket.create_connection(server.place, PATIENCE))
            half.sendall(hello[: len(hello) // 2])
            halves.append(half)
        with TlsJsonClient(server.place, trusting()) as client:
            client.login(ann)
        logins_are_quick(server, ann, 3)
        deadline = time.monotonic() + 4 * SCALE
        for half in halves:
            half.settimeout(max(0.01, deadline - time.monotonic()))
            with suppress(ConnectionError):
                assert half.recv(100) == b""
    assert server.log.count("TLS handshake took too long") == count


@pytest.mark.parametrize("stage", ["during", "after"])
def test_one_byte_at_a_time_does_not_put_the_deadline_off(start: Start, stage: str) -> None:
    """A record that never ends keeps the handshake, or the wait for the first line, busy."""
    server = start(login_deadline_seconds=1.0 * SCALE)
    with ExitStack() as stack:
        if stage == "during":
            client = stack.enter_context(socket.create_connection(server.place, PATIENCE))
            drops = client_hello()
        else:
            secured = stack.enter_context(TwoWay(server.place, trusting()))
            client, drops = secured.raw, secured.seal(b" " * 4000)
        assert cut_off_while_dripping(client, drops, within=8 * SCALE)


def cut_off_while_dripping(client: socket.socket, drops: bytes, within: float) -> bool:
    """Send byte after byte; tell whether the server hung up in time."""
    deadline = time.monotonic() + within
    client.settimeout(0.1)
    for drop in drops:
        if time.monotonic() > deadline:
            return False
        try:
            client.sendall(bytes([drop]))
            while client.recv(1000):
                pass
        except TimeoutError:
            continue
        except ConnectionError:
            return True
        return True
    raise AssertionError("there were too few drops")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16",
        b"\x16" * 1000,
        b"\x16\x03\x01",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff" + b"\x00" * 70000,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00" + b"A" * 100,
        b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00",
        b'\x16{"op":"ping"}\n',
        b"\x16" + os.urandom(5000),
    ],
    ids=["one", "only", "cut", "empty", "huge", "wrong length", "done", "json", "noise"],
)
def test_garbage_instead_of_a_handshake_ends_that_connection_only(
    server: Target, garbage: bytes
) -> None:
    with Pair(server, pause=0.0), socket.create_connection(server.place, PATIENCE) as client:
        with suppress(ConnectionError):
            client.sendall(garbage)
        with suppress(OSError):
            client.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while client.recv(1000):
                pass


def test_garbage_after_the_handshake_ends_that_connection_only(server: Target) -> None:
    ann = server.account("ann")
    with Pair(server, pause=0.0), TlsJsonClient(server.place, trusting()) as client:
        client.login(ann)
        with socket.socket(fileno=os.dup(client.socket.fileno())) as below:
            below.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with suppress(OSError):
            client.to_end()
        server.wait_for_log(f"disconnected: account={ann} .* reason=TLS failed")


# -- certificates --


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", socket.gethostname()])
def test_certificate_has_the_names_of_this_machine_and_no_other(fresh: Target, name: str) -> None:
    context = ssl.create_default_context(cafile=files(fresh)[0])
    with TlsJsonClient(fresh.place, context, name) as client:
        client.ask("ping")
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        TlsJsonClient(fresh.place, context, "chat.example.org").close()


def test_printed_fingerprint_is_that_of_the_certificate(fresh: Target) -> None:
    printed = re.search(
        r"^TLS certificate SHA-256 fingerprint: (\S+)$",
        fresh.read_output("fingerprint: ") + fresh.read_output("NAME\n"),
        re.MULTILINE,
    )
    assert printed
    digest = hashlib.sha256(presented(fresh.place)).digest()
    assert bytes.fromhex(printed[1].replace(":", "")) == digest


def test_certificate_outlives_a_restart(start: Start) -> None:
    server = start()
    before = presented(server.place)
    server.stop()
    assert presented(start().place) == before


def test_renewed_certificate_is_for_new_connections_and_old_ones_go_on(server: Target) -> None:
    ann = server.account("ann")
    with TlsJsonClient(server.place, trusting()) as before:
        before.login(ann)
        new = renew(server)
        before.ask("who")
    logged = server.log.count("TLS certificate renewed")
    for _ in range(3):
        assert presented(server.place) == as_der(new)
    assert server.log.count("TLS certificate renewed") == logged


@pytest.mark.parametrize("broken", ["half renewed", "key of another", "rubbish", "empty"])
def test_broken_pair_leaves_the_one_before_until_it_is_mended(server: Target, broken: str) -> None:
    certificate, key = files(server)
    good = renew(server)
    new, new_key = make_pair("new")
    match broken:
        case "half renewed":
            replace(certificate, new)
        case "key of another":
            replace(key, make_pair("another")[1])
        case "rubbish":
            replace(certificate, b"-----BEGIN CERTIFICATE-----\nrubbish\n")
        case "empty":
            replace(certificate, b"")
            replace(key, b"")
    for _ in range(3):
        assert presented(server.place) == as_der(good)
    assert "the new TLS certificate cannot be used" in server.log
    replace(certificate, new)
    replace(key, new_key)
    assert presented(server.place) == as_der(new)


def test_key_that_could_not_be_read_at_first_is_used_when_it_can(server: Target) -> None:
    """As when a program renews the pair as root and gives it to the server's user afterwards."""
    certificate, key = files(server)
    replace(certificate, make_pair("good")[0])
    presented(server.place)
    new, new_key = make_pair("new")
    elsewhere = key.with_suffix(".elsewhere")
    replace(elsewhere, new_key)
    original = elsewhere.stat()
    replace(certificate, new)
    # A file of the same identity but for its change time stands for one made readable by chmod,
    # which stops nobody who is root, as whoever runs these tests may be.
    replace(key, b"x" * len(new_key))
    os.utime(key, ns=(original.st_atime_ns, original.st_mtime_ns))
    presented(server.place)
    with key.open("r+b") as file:
        file.write(new_key)
    os.utime(key, ns=(original.st_atime_ns, original.st_mtime_ns))
    assert presented(server.place) == as_der(new)


# -- both ways at once --


class Talker:
    """Somebody who says as much as the server takes, in one thread, and listens in another."""

    WINDOW = 100
    """How many requests are on their way at once."""

    def __init__(self, connection: TwoWay, name: str) -> None:
        self.connection = connection
        self.name = name
        self.said: list[str] = []
        self.asked = 0
        self.events: list[dict[str, object]] = []
        self.answered: list[int] = []
        self._room = threading.Semaphore(self.WINDOW)

    def talk(self, seconds: float) -> None:
        """Broadcast, with a ping now and then, which another thread of the server answers."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self._room.acquire(timeout=PATIENCE), f"{self.name} gets no answers"
            self.asked += 1
            if self.asked % 5:
                text = f"{self.name} {len(self.said)} " + "x" * (self.asked * 37 % 3000)
                self.said.append(text)
                self.connection.write(line({"op": "broadcast", "id": self.asked, "text": text}))
            else:
                self.connection.write(line({"op": "ping", "id": self.asked}))

    def listen(self) -> None:
        """Note everything that comes, until the end."""
        rest = b""
        while data := self.connection.read():
            *lines, rest = (rest + data).split(b"\n")
            for each in lines:
                event = json.loads(each)
                if "re" in event:
                    assert event["event"] == "reply", event
                    self.answered.append(event["re"])
                    self._room.release()
                else:
                    self.events.append(event)
        assert not rest

    def heard_from(self, name: str) -> list[object]:
        """Return what came from somebody, in the order in which it came."""
        return [each["text"] for each in self.events if each.get("from") == name]


@pytest.mark.parametrize("seconds", FLOOD_SECONDS)
def test_flood_in_both_directions_arrives_whole_and_in_order(start: Start, seconds: float) -> None:
    server = start()
    versions = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    with ExitStack() as stack:
        talkers = []
        for version, name in zip(versions, server.accounts("ann", "bob"), strict=True):
            connection = stack.enter_context(TwoWay(server.place, trusting(version)))
            connection.write(line({"op": "login", "name": name, "password": PASSWORD}))
            talkers.append(Talker(connection, name))
        ann, bob = talkers

        def both_talk() -> None:
            for each in talkers:
                eventually(lambda each=each: any(x.get("op") == "login" for x in each.events))
            at_once(*(lambda each=each: each.talk(seconds) for each in talkers))
            for each, other in ((ann, bob), (bob, ann)):
                eventually(lambda each=each: len(each.answered) == each.asked)
                eventually(
                    lambda each=each, other=other: (
                        len(each.heard_from(other.name)) >= len(other.said)
                    )
                )

        def talk_and_log_out() -> None:
            try:
                both_talk()
            finally:  # which ends the listeners
                for each in talkers:
                    with suppress(OSError):
                        each.connection.write(line({"op": "logout"}))

        at_once(talk_and_log_out, ann.listen, bob.listen)
    for each, other in ((ann, bob), (bob, ann)):
        assert len(each.said) > 100 * seconds / SCALE
        assert each.heard_from(other.name) == other.said
        assert sorted(each.answered) == [*range(1, each.asked + 1)]
        said = [number for number in each.answered if number % 5]
        assert said == sorted(said), "answers to messages come in their order"
        figure(f"messages sent inside TLS by {each.name} while as much came in", len(each.said))
    assert server.alive
    with JsonClient(server.place) as client:
        client.login(ann.name)
