"""Join storm: everybody comes at once, as after a power cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from bench.load import Load
from bench.target import Target, names
from bench.turns import Figures, Measures, in_turns
from bench.usage import Meter, allow_files


@dataclass(frozen=True)
class Storm:
    """Seconds until everybody who came at once is logged in and in the room."""

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
        sides = {each.title: partial(self._measure, each) for each in targets}
        return {str(self.clients): in_turns(self.rounds, sides)}

    def _measure(self, target: Target) -> Measures:
        people = names(self.clients)
        with target.start(people) as running, Load(running, target.wire) as load:
            meter = Meter(running.pid)
            load.enter(people, at_once=self.clients)
            meter.stop()
            refusals = {"told to come later": float(load.refusals)}
        return {"s until all are in": meter.seconds} | refusals | meter.shares()
