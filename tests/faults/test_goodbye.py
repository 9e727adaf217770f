"""Whoever is sent away is told why, in either dialect, inside TLS and outside, to a clean end."""

import hashlib
import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import pytest
from e2e.client import PASSWORD, PATIENCE, JsonClient, TextClient, rounds
from e2e.machines import Cable, there
from e2e.process import PYTHON, environment, port_of
from e2e.web import WebClient

from .conftest import Start, StartFar
from .secure import TlsJsonClient, TlsTextClient, trusting
from .target import Target

NO_LINK = 3
"""The exit code of a client whose link has ended."""


@dataclass
class Crowd:
    """One client of each kind."""

    programs: list[JsonClient]
    people: list[TextClient]

    def login(self, server: Target) -> None:
        """Log everybody in."""
        for program in self.programs:
            program.login(server.account("ann"))
        for person in self.people:
            person.login(server.account("bob"))

    def are_told(self, code: str, words: str) -> None:
        """Expect the goodbye of everybody, and after it a clean end: an `SSLEOFError` otherwise."""
        for program in self.programs:
            assert program.bye() == code
        for person in self.people:
            assert words in person.to_end().splitlines()[-1]


@contextmanager
def crowd(server: Target, *, pages: bool = False) -> Iterator[Crowd]:
    """Connect one client of each kind; a version of TLS counts as a kind. `pages` are some that log
    in before they are connected."""
    with ExitStack() as stack:
        programs: list[JsonClient] = [server.json()]
        if pages:
            programs += [WebClient(server.place, secure=secure) for secure in (False, True)]
        people: list[TextClient] = [server.text()]
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            programs.append(TlsJsonClient(server.place, trusting(version)))
            people.append(TlsTextClient(server.place, trusting(version)))
        for client in (*programs, *people):
            stack.enter_context(client)
        yield Crowd(programs, people)


def test_idle(start: Start) -> None:
    server = start(session_idle_timeout=0.5)
    with crowd(server) as clients:
        clients.login(server)
        clients.are_told("idle_timeout", "without a command")


def test_kicked(start: Start) -> None:
    server = start()
    with crowd(server, pages=True) as clients:
        clients.login(server)
        server.passwords.write_text("")
        clients.are_told("kicked", "-- ")


def test_shutting_down(start: Start) -> None:
    server = start()
    with crowd(server, pages=True) as clients:
        clients.login(server)
        server.begin_to_stop()
        clients.are_told("shutting_down", "shutting down")


def test_no_login(start: Start) -> None:
    server = start(login_deadline_seconds=0.5)
    with crowd(server) as clients:
        for program in clients.programs:
            program.write(b'{"op":"ping"}\n')
        clients.are_told("login_timeout", "No login")


def test_locked_out(start: Start) -> None:
    server = start(login_attempts=1)
    with crowd(server) as clients:
        for program in clients.programs:
            program.send("login", name=server.account("ann"), password="wrong horse")
        for person in clients.people:
            person.send(server.account("bob"))
            person.expect("Password: ")
            person.send("wrong horse")
        clients.are_told("locked_out", "Too many")


def test_line_without_end(start: Start) -> None:
    server = start(message_max_line_bytes=256)
    with crowd(server) as clients:
        clients.login(server)
        for client in (*clients.programs, *clients.people):
            client.write(b"x" * 1000)
        clients.are_told("line_too_long", "256 bytes")


def test_full(start: Start) -> None:
    server = start(server_max_clients=1)
    with server.json(server.account("ann")), crowd(server) as clients:
        for client in (*clients.programs, *clients.people):
            client.write(b'{"op":"ping"}\n' if isinstance(client, JsonClient) else b"help\n")
        clients.are_told("server_full", "full")


def test_no_answer_to_a_ping(start: Start) -> None:
    server = start(session_ping_seconds=0.4)
    with crowd(server, pages=True) as clients:
        clients.login(server)
        for program in clients.programs:
            assert program.bye() == "too_slow"


def test_goodbye_to_somebody_who_is_talking(start: Start) -> None:
    """Closing a connection with something unread resets it, which may overtake the last words."""
    server = start(session_rate_per_second=0)
    with crowd(server) as clients:
        clients.login(server)
        program = clients.programs[0]
        server.begin_to_stop()
        with suppress(OSError):
            for _ in rounds():
                program.write(b'{"op":"pong"}\n')
                time.sleep(0.001)
        assert program.bye() == "shutting_down"


@pytest.mark.parametrize("secure", [True, False], ids=["TLS", "plaintext"])
def test_chat_connect_leaves_when_it_is_logged_out_for_idleness(start: Start, secure: bool) -> None:
    """And does not come back for ever."""
    server = start(session_idle_timeout=0.5)
    certificate = ssl.PEM_cert_to_DER_cert((server.data / "tls" / "certificate.pem").read_text())
    fingerprint = hashlib.sha256(certificate).hexdigest()
    words = ["connect", server.place[0], port_of(server), "--user", server.account("ann")]
    keyboard, terminal = os.openpty()
    client = subprocess.Popen(
        [*PYTHON, *words, *(("--fingerprint", fingerprint) if secure else ())],
        env=environment() | {"CHAT_PASSWORD": PASSWORD, "TERM": "dumb"},
        stdin=terminal,  # somebody who says nothing: at a pipe nobody would be missed
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with client:
        try:
            assert client.wait(PATIENCE) == NO_LINK
        finally:
            client.kill()
            os.close(keyboard)
            os.close(terminal)
        assert client.stdout is not None
        assert b"without a command" in client.stdout.read()
    assert ("over=TLSv1.3" in server.log) is secure


def test_plaintext_from_another_machine(cable: Cable, start_far: StartFar) -> None:
    """With more said than is read: closing with something unread would reset the connection."""
    server = start_far()
    with (
        there(cable.client, lambda: JsonClient(server.place)) as program,
        there(cable.client, lambda: TextClient(server.place)) as person,
    ):
        program.write(b'{"op":"login","name":"ann","password":"secret"}\n' * 1000)
        person.write(b"ann\nsecret\n" * 1000)
        assert program.bye() == "bad_request"
        assert "use TLS" in person.to_end().splitlines()[-1]


def test_a_reader_that_has_stalled(start: Start) -> None:
    """It is told when it reads again in a moment, behind what was on its way; inside TLS too."""
    server = start(session_outbox_bytes=131072, session_rate_per_second=0)
    bob = server.account("bob")
    with (
        TlsTextClient(server.place, trusting()) as person,
        server.json(server.account("ann")) as sender,
    ):
        person.login(bob)
        for _ in rounds():
            if not sender.tell(bob, "\U0001f600" * 4000)["delivered"]:
                break
        assert "reads too slowly" in person.to_end().splitlines()[-1]
