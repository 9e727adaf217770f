"""Busy, at every client: nothing live, everything in order at idle, own words never again."""

import json
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Protocol

import pexpect
import pytest

from chatclient.bot import Bot
from chatwire.events import Message

from .client import PASSWORD, PATIENCE, eventually
from .process import PYTHON, ServerProcess, environment_of
from .proxy import CuttingProxy


class Output(Protocol):
    """A client that is running: what it has shown, and a way to say something, where it has one."""

    def shown(self) -> str: ...
    def say(self, text: str) -> None: ...


class _Child:
    """A command at a pipe or at a terminal."""

    def __init__(self, place: tuple[str, int], name: str, *arguments: str) -> None:
        env = environment_of(place, name, TERM="xterm")
        self._json = "--json" in arguments and "connect" in arguments
        command, *rest = [*PYTHON, *arguments]
        self._child = pexpect.spawn(command, rest, env=env, dimensions=(50, 200), encoding="utf-8")
        self._child.setecho(False)
        self._text = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                self._text += self._child.read_nonblocking(65536, 1)
            except pexpect.TIMEOUT:
                continue
            except (pexpect.EOF, OSError):
                return

    def shown(self) -> str:
        return self._text

    def say(self, text: str) -> None:
        self._child.send(
            json.dumps({"op": "broadcast", "text": text}) + "\n" if self._json else f"say {text}\r"
        )

    def close(self) -> None:
        self._child.kill(signal.SIGKILL)
        self._reader.join(PATIENCE)
        self._child.close(force=True)


@contextmanager
def child(place: tuple[str, int], name: str, kind: str) -> Iterator[Output]:
    arguments = {
        "terminal": ("connect",),
        "plain": ("connect", "--plain"),
        "json": ("connect", "--json"),
        "tail": ("tail", "-n", "0"),
    }[kind]
    made = _Child(place, name, *arguments)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def bot(place: tuple[str, int], name: str) -> Iterator[Output]:
    class Heard:
        text = ""

        def shown(self) -> str:
            return self.text

        def say(self, text: str) -> None:
            it.broadcast(text).result(PATIENCE)

    heard, ready = Heard(), threading.Event()
    it = Bot(place[0], port=place[1], user=name, password=PASSWORD, replayed=True)
    it.start(lambda _: ready.set())

    @it.message
    def note(message: Message) -> None:
        heard.text += f"{message.text}\n"

    running = threading.Thread(target=it.run)
    running.start()
    try:
        assert ready.wait(PATIENCE)
        yield heard
    finally:
        it.stop()
        running.join(PATIENCE)


@pytest.mark.filterwarnings("ignore:.*forkpty.*:DeprecationWarning")
@pytest.mark.parametrize("cut", [False, True], ids=["", "the link is cut while busy"])
@pytest.mark.parametrize("kind", ["terminal", "plain", "json", "tail", "bot"])
def test_everything_in_order_at_idle(server: ServerProcess, kind: str, cut: bool) -> None:
    ann, bob = server.accounts("ann", "bob")
    proxy = CuttingProxy(*server.place, step=10**9)
    start = bot if kind == "bot" else partial(child, kind=kind)
    with (
        closing(proxy),
        server.json(bob) as person,
        start(("127.0.0.1", proxy.port), ann) as client,
    ):
        person.expect(event="presence", name=ann, state="online")
        with server.json(ann) as other:
            person.say("m0.")  # live, so that this client knows where it is
            eventually(lambda: "m0." in client.shown())
            other.ask("busy")
            person.say("m1.")
            person.tell(ann, "m2.")
            if kind != "tail":
                client.say("m3.")
                person.expect(text="m3.")
            other.say("m4.")
            person.say("m5.")
        if cut:
            proxy.cut()
            person.expect(event="presence", name=ann, state="offline")
            person.expect(event="presence", name=ann, state="online")
        with server.json(ann) as other:
            person.say("m6.")
            other.tell(bob, "m7.")
            assert not re.search(r"m[124567]\.", client.shown())
            other.ask("idle")
            person.say("m8.")
            eventually(lambda: "m8." in client.shown())
    _, _, after = client.shown().partition("m1.")
    own = "" if kind == "bot" else "47"  # a bot is told nothing that its own account said
    assert re.findall(r"m(\d)\.", after) == sorted(f"256{own}8")
