"""Pages: what a browser costs beside a json client. This server only."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from bench.load import Load
from bench.page import PageWire
from bench.room import Room
from bench.server import CHAT
from bench.target import Target, names
from bench.turns import Figures, Measures, in_turns
from bench.usage import SERVER, Meter, allow_files, memory_kib
from bench.works.idle import PER_CLIENT

COST = "server CPU, ms a message"


@dataclass(frozen=True)
class Pages:
    """Single messages to a room of clients, and the memory of these, by json and by pages."""

    name: ClassVar = "pages"
    case: ClassVar = "clients"
    clients: int = 200
    messages: int = 200
    rounds: int = 5

    @classmethod
    def tiny(cls) -> "Pages":
        """Return the smallest one that checks everything."""
        return cls(clients=5, messages=3, rounds=1)

    def run(self, _: Sequence[Target]) -> Figures:
        """Measure both in turns."""
        allow_files(self.clients + 1)
        sides = {
            CHAT.title: partial(self._measure, pages=False),
            "pages": partial(self._measure, pages=True),
        }
        return {str(self.clients): in_turns(self.rounds, sides)}

    def _measure(self, *, pages: bool) -> Measures:
        people = names(1 + self.clients)
        wire = PageWire() if pages else CHAT.wire
        with CHAT.start(people) as running, Load(running, wire, pages=pages) as load:
            speakers = load.enter(people[:1])
            empty = memory_kib(running.pid)
            listeners = load.enter(people[1:])
            memory = (memory_kib(running.pid) - empty) / self.clients
            room = Room(load, speakers, listeners)
            meter = Meter(running.pid)
            for number in range(1, self.messages + 1):
                room.speakers[0].say(1)
                load.run_until(
                    lambda number=number: all(each.seen == number for each in room.listeners)  # type: ignore[misc]
                )
            meter.stop()
            room.check()
        cost = 10 * meter.shares()[SERVER] * meter.seconds / self.messages
        return {COST: cost, PER_CLIENT: memory} | meter.shares()
