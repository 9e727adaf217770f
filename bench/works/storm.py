"""Join storm: everybody comes at once, as after a power cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from bench.load import AT_ONCE, Load
from bench.server import CHAT
from bench.target import Target, names
from bench.turns import Figures, Measures, in_turns
from bench.usage import Meter, allow_files


@dataclass(frozen=True)
class Storm:
    """Seconds until all are logged in and in the room: a few at a time, and all at once."""

    name: ClassVar = "storm"
    case: ClassVar = "logins"
    clients: int = 1000
    rounds: int = 3

    @classmethod
    def tiny(cls) -> "Storm":
        """Return the smallest one that checks everything."""
        return cls(clients=5, rounds=1)

    def run(self, targets: Sequence[Target]) -> Figures:
        """Measure."""
        allow_files(self.clients)
        few = {each.title: partial(self._measure, each, AT_ONCE) for each in targets}
        everybody = {CHAT.title: partial(self._measure, CHAT, self.clients)}
        return {
            f"{self.clients:,}, {AT_ONCE} at a time": in_turns(self.rounds, few),
            # Not of ngIRCd: only 10 connections can wait there until they are accepted.
            f"{self.clients:,} at once": in_turns(self.rounds, everybody),
        }

    def _measure(self, target: Target, at_once: int) -> Measures:
        people = names(self.clients)
        with target.start(people) as running, Load(running, target.wire) as load:
            meter = Meter(running.pid)
            load.enter(people, at_once=at_once)
            meter.stop()
            refusals = {"told to come later": float(load.refusals)}
        return {"s until all are in": meter.seconds} | refusals | meter.shares()
