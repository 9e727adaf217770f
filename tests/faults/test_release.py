"""Before a release: an hour of ordinary life in fast forward, after which nothing has grown.

People come, in every dialect, talk, look things up, hide, are busy, and go again. Each round ends
with everybody gone; what the server uses then has to stay the same from round to round.
"""

import random
import selectors
import socket
import ssl
import time
from contextlib import ExitStack, suppress

import pytest
from e2e.client import PASSWORD, PATIENCE, eventually, line

from .amounts import figure, needs_proc
from .chatting import Pair
from .conftest import Start
from .procfs import Usage, at_rest
from .secure import trusting
from .target import Target

PEOPLE = 200
ROUNDS = 9
SECONDS = 20
"""A round. Together they are three minutes."""

USUAL_PAUSE = 1.0
"""Seconds between two things that somebody does."""

SETTLING_ROUNDS = 3
"""After these an allocator has all that it is going to keep."""

MIB = 1024  # KiB
ROOM_FOR_NOISE = 6 * MIB

FAULTS = (b'"code":"internal"', b'"code":"too_slow"', b"Something went wrong", b"Cut off")


class Person:
    """Somebody who does ordinary things, and reads what comes without looking at it."""

    def __init__(self, server: Target, name: str, dice: random.Random, kind: str) -> None:
        self.name = name
        self.kind = kind
        self.received = 0
        self.said = 0
        self.seen_faults: list[bytes] = []
        self.next_at = 0.0
        self._dice = dice
        self._tail = b""
        self.socket = socket.create_connection(server.place, PATIENCE)
        if kind == "secure":
            self.socket = trusting().wrap_socket(self.socket)
        if kind == "text":
            self.socket.sendall(f"{name}\n{PASSWORD}\n".encode())
        else:
            self.socket.sendall(line({"op": "login", "name": name, "password": PASSWORD}))
        self.socket.setblocking(False)

    def read(self) -> bool:
        """Take what has come; False at the end."""
        with suppress(BlockingIOError, ssl.SSLWantReadError):
            while True:
                data = self.socket.recv(1 << 16)
                if not data:
                    return False
                self.received += len(data)
                seen = self._tail + data
                self.seen_faults += [each for each in FAULTS if each in seen]
                self._tail = data[-40:]
        return True

    def act(self, everybody: list[str]) -> None:
        """Do one thing."""
        self.said += 1
        other = self._dice.choice(everybody)
        words = " ".join(self._dice.choices(("yes", "no", "tea", "deploy", "why"), k=8))
        program, typed = self._dice.choice(
            [({"op": "broadcast", "text": words}, f"broadcast {words}")] * 3
            + [({"op": "send", "to": [other], "text": words}, f"send {other} {words}")] * 4
            + [
                ({"op": "who"}, "who"),
                ({"op": "last", "minutes": 5}, "last 5"),
                ({"op": "busy", "reply": words}, f"busy {words}"),
                ({"op": "idle"}, "idle"),
                ({"op": "hide"}, "hide"),
                ({"op": "appear"}, "appear"),
                ({"op": "status"}, "status"),
                ({"op": "history", "with": other, "limit": 20}, f"history {other} 20"),
                ({"op": "search", "query": "tea"}, "search tea"),
                ({"op": "ack", "upto": 10**9}, "nonsense"),
            ]
        )
        self._send(typed.encode() + b"\n" if self.kind == "text" else line(program))

    def leave(self) -> None:
        """Say goodbye, or just hang up."""
        if self._dice.random() < 0.8:
            self._send(b"logout\n" if self.kind == "text" else line({"op": "logout"}))
            deadline = time.monotonic() + PATIENCE
            with suppress(OSError):
                while self.read():
                    assert time.monotonic() < deadline, f"{self.name} is not let go"
                    time.sleep(0.001)
        self.socket.close()

    def _send(self, data: bytes) -> None:
        with suppress(BlockingIOError, ssl.SSLWantWriteError):
            self.socket.send(data)


def live(server: Target, names: list[str], dice: random.Random, seconds: float) -> tuple[int, int]:
    """Have everybody there for a round; return how much was done, and how much was received."""
    kinds = ("json", "json", "text", "secure")
    done = received = 0
    with ExitStack() as stack, selectors.DefaultSelector() as selector:

        def come(name: str) -> Person:
            person = Person(server, name, dice, dice.choice(kinds))
            stack.callback(person.socket.close)
            person.next_at = time.monotonic() + dice.random() * USUAL_PAUSE
            selector.register(person.socket, selectors.EVENT_READ, person)
            return person

        people = {name: come(name) for name in names}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for key, _ in selector.select(0.01):
                assert key.data.read(), f"{key.data.name} was thrown out"
            now = time.monotonic()
            for person in [each for each in people.values() if each.next_at <= now]:
                person.act(names)
                person.next_at = now + dice.expovariate(1 / USUAL_PAUSE)
            if dice.random() < 0.2:  # somebody goes and comes again
                person = people[dice.choice(names)]
                selector.unregister(person.socket)
                done, received = done + person.said, received + person.received
                assert person.seen_faults == []
                person.leave()
                people[person.name] = come(person.name)
        for person in people.values():
            person.leave()
            assert person.seen_faults == []
            done, received = done + person.said, received + person.received
    return done, received


def at_rest_of(server: Target) -> Usage:
    """Wait until everybody has gone but the pair that always chats; return what is used then."""
    eventually(lambda: server.log.count(" connected:") == server.log.count(" disconnected:") + 2)
    return at_rest(server.process)


@needs_proc
@pytest.mark.soak
@pytest.mark.timeout(400)
def test_an_hour_of_ordinary_life_leaves_nothing_behind(start: Start) -> None:
    server = start(session_rate_per_second=10)
    dice = random.Random(4119)
    names = server.accounts(*["person"] * PEOPLE)
    usages = []
    done = received = 0
    with Pair(server, pause=0.2) as pair:
        for _ in range(ROUNDS):
            more = live(server, names, dice, SECONDS)
            done, received = done + more[0], received + more[1]
            usages.append(at_rest_of(server))
    figure("things done by everybody", done)
    figure("received by everybody, MiB", received >> 20)
    figure("threads after each round", [each.threads for each in usages])
    figure("descriptors after each round", [each.descriptors for each in usages])
    figure("memory after each round, MiB", [round(each.pss / MIB, 1) for each in usages])
    figure("a message of the pair, slowest (s)", round(max(pair.took), 3))
    assert done > ROUNDS * SECONDS * PEOPLE / USUAL_PAUSE / 4
    settled, last = usages[SETTLING_ROUNDS], usages[-1]
    assert {each.threads for each in usages[1:]} == {settled.threads}
    assert last.descriptors <= usages[1].descriptors + 2
    assert last.pss < 1.1 * settled.pss + ROOM_FOR_NOISE
