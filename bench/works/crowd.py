"""Crowd: as many clients as the server takes, and one message to all of them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from bench.load import Load
from bench.room import Room
from bench.server import CHAT
from bench.target import Target, names
from bench.turns import Figures, Measures, percentile
from bench.usage import Meter, allow_files, memory_kib, threads

ALL = "s until all have it"


@dataclass(frozen=True)
class Crowd:
    """One message to a crowd: how long until everybody has it. This server only."""

    name: ClassVar = "crowd"
    case: ClassVar = "clients"
    clients: int = 10_000
    messages: int = 5

    @classmethod
    def tiny(cls) -> "Crowd":
        """Return the smallest one that checks everything."""
        return cls(clients=20, messages=2)

    def run(self, _: Sequence[Target]) -> Figures:
        """Measure several messages, one after the other."""
        allow_files(self.clients + 1)
        people = names(1 + self.clients)
        with CHAT.start(people) as running, Load(running, CHAT.wire) as load:
            meter = Meter(running.pid)
            clients = load.enter(people)
            meter.stop()
            logins = {"logins/s": len(people) / meter.seconds}
            room = Room(load, clients[:1], clients[1:], timed=self.clients)
            found = [_reach_all(load, room) for _ in range(self.messages)]
            room.check()
            held = {
                "MiB in all": memory_kib(running.pid) / 1024,
                "threads": float(threads(running.pid)),
            }
        return {str(self.clients): {CHAT.title: [each | logins | held for each in found]}}


def _reach_all(load: Load, room: Room) -> Measures:
    del room.times[:]
    speaker = room.speakers[0]
    started = time.monotonic()
    meter = Meter(load.running.pid)
    speaker.say(1)
    load.run_until(lambda: len(room.times) == len(room.listeners))
    meter.stop()
    took = sorted(room.times)
    return {
        ALL: time.monotonic() - started,
        "s until half have it": percentile(took, 0.5),
    } | meter.shares()
