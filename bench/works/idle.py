"""Idle: many clients logged in, and nothing happens."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

from bench.load import Client, Load
from bench.ngircd import IDLE_NGIRCD, NGIRCD
from bench.server import CHAT, IDLE_CHAT
from bench.target import Target, names
from bench.turns import Figures, Measures
from bench.usage import SERVER, Meter, allow_files, memory_kib, threads
from bench.wire import Wire

PER_CLIENT = "KiB a client"
IN_ALL = "MiB in all"

_WITH_PINGS = {CHAT.title: IDLE_CHAT, NGIRCD.title: IDLE_NGIRCD}
_PARTS = (16, 8, 4, 2, 1)


@dataclass(frozen=True)
class Idle:
    """Memory and threads of more and more clients that do nothing, and the CPU they take."""

    name: ClassVar = "idle"
    case: ClassVar = "clients"
    clients: int = 8000
    seconds: float = 60.0

    @classmethod
    def tiny(cls) -> "Idle":
        """Return the smallest one that checks everything."""
        return cls(clients=16, seconds=0.1)

    def run(self, targets: Sequence[Target]) -> Figures:
        """Measure. The quiet time is that of all servers at once, since nothing happens in it;
        a minute has one ping to every client."""
        allow_files(self.clients * len(targets))
        people = names(self.clients)
        figures: Figures = {}

        def note(count: int, target: Target, measures: Measures) -> None:
            figures.setdefault(str(count), {})[target.title] = [measures]

        with ExitStack() as stack:
            loads = {}
            for target in targets:
                pinging = _WITH_PINGS[target.title]
                running = stack.enter_context(pinging.start(people))
                load = stack.enter_context(Load(running, pinging.wire))
                loads[target] = load
                empty = memory_kib(running.pid)
                for part in _PARTS:
                    count = self.clients // part
                    _add(load, people[len(load.clients) : count])
                    note(count, target, _memory(load, empty))
            meters = {target: Meter(load.running.pid) for target, load in loads.items()}
            _wait(list(loads.values()), self.seconds)
            for target, meter in meters.items():
                meter.stop()
                found = figures[str(self.clients)][target.title][0]
                found[SERVER] = meter.shares()[SERVER]
        return figures


def _add(load: Load, people: Sequence[str]) -> None:
    for client in load.enter(people):
        client.take = _Answerer(load.wire, client).take


def _memory(load: Load, empty: int) -> Measures:
    pid = load.running.pid
    kib = memory_kib(pid)
    return {
        PER_CLIENT: (kib - empty) / len(load.clients),
        IN_ALL: kib / 1024,
        "threads": threads(pid),
    }


def _wait(loads: Sequence[Load], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for load in loads:
            load.read()


class _Answerer:
    """Answers the server's pings and ignores the rest."""

    def __init__(self, wire: Wire, client: Client) -> None:
        self._wire = wire
        self._client = client

    def take(self, data: bytes, _: float) -> None:
        """A ping is a few bytes and comes in one piece."""
        answer = self._wire.answer_to(data)
        if answer:
            self._client.send(answer)
