"""Pairs: private messages to and fro, every one the answer to the one before."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from bench.exchange import exchange
from bench.load import Load
from bench.target import Target, names
from bench.turns import Figures, Measures, in_turns, latencies
from bench.usage import Meter


@dataclass(frozen=True)
class Pairs:
    """Messages a second between pairs in which each answers each."""

    name: ClassVar = "pairs"
    case: ClassVar = "pairs"
    pairs: int = 50
    messages: int = 1000
    rounds: int = 5

    @classmethod
    def tiny(cls) -> "Pairs":
        """Return the smallest one that checks everything."""
        return cls(pairs=2, messages=20, rounds=1)

    def run(self, targets: Sequence[Target]) -> Figures:
        """Measure; `messages` is how many a pair exchanges."""
        sides = {each.title: partial(self._measure, each) for each in targets}
        return {str(self.pairs): in_turns(self.rounds, sides)}

    def _measure(self, target: Target) -> Measures:
        people = names(2 * self.pairs)
        with target.start(people) as running, Load(running, target.wire) as load:
            clients = load.enter(people)
            load.settle(clients)
            meter = Meter(running.pid)
            times = exchange(load, clients, self.messages, meter)
            load.settle(clients, silent=True)
        rate = {"messages/s": len(times) / meter.seconds}
        return rate | latencies(times) | meter.shares()
