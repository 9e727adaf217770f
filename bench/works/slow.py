"""Slow reader: one of many stops reading; what do the others notice?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from bench.load import Client, Load
from bench.room import Room
from bench.target import Target, names
from bench.turns import Figures, Measures, in_turns, latencies
from bench.usage import Meter
from bench.works.paced import keep_rate


@dataclass(frozen=True)
class Slow:
    """Latency of the others with one reader stalled, and with none."""

    name: ClassVar = "slow"
    case: ClassVar = "server"
    rate: int = 300
    receivers: int = 200
    length: int = 400
    seconds: float = 8.0
    rounds: int = 3

    @classmethod
    def tiny(cls) -> "Slow":
        """Return the smallest one that checks everything."""
        return cls(rate=200, receivers=3, seconds=0.2, rounds=1)

    def run(self, targets: Sequence[Target]) -> Figures:
        """Measure."""
        return {
            each.title: in_turns(
                self.rounds,
                {
                    "one stalled": partial(self._measure, each, stalled=True),
                    "all read": partial(self._measure, each, stalled=False),
                },
            )
            for each in targets
        }

    def _measure(self, target: Target, *, stalled: bool) -> Measures:
        people = names(1 + self.receivers)
        with target.start(people) as running, Load(running, target.wire) as load:
            clients = load.enter(people)
            others = clients[1:-1]
            room = Room(load, clients[:1], others, length=self.length, timed=len(others))
            last = clients[-1]
            if stalled:
                load.neglect(last)
            meter = Meter(running.pid)
            keep_rate(room, load, self.rate, self.seconds)
            meter.stop()
            room.check()
            cut = {"stalled one cut off": float(_is_cut_off(load, last))} if stalled else {}
        return latencies(room.times) | cut | meter.shares()


def _is_cut_off(load: Load, client: Client) -> bool:
    """Let the stalled reader read again, and tell whether it is too late."""
    load.attend(client)
    try:
        load.settle([client])
    except ConnectionError:
        return True
    return False
