"""Paced: one sender keeps a rate, and the time from sending to receiving is taken."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from bench.load import Load
from bench.message import LENGTH
from bench.room import Room
from bench.target import Target, names
from bench.turns import Figures, Measures, in_turns, latencies
from bench.usage import Meter

RATE_KEPT = "messages/s delivered to all"
_SAMPLES = 400_000
"""Latencies noted in one measurement, about: above that, only some receivers note theirs."""


@dataclass(frozen=True)
class Paced:
    """Latency while one sender keeps a rate."""

    name: ClassVar = "paced"
    case: ClassVar = "messages/s"
    rates: tuple[int, ...] = (100, 300)
    receivers: int = 200
    seconds: float = 5.0
    rounds: int = 3

    @classmethod
    def tiny(cls) -> "Paced":
        """Return the smallest one that checks everything."""
        return cls(rates=(100,), receivers=3, seconds=0.2, rounds=1)

    def run(self, targets: Sequence[Target]) -> Figures:
        """Measure."""
        return _at_rates(targets, self.rates, self.receivers, self.seconds, self.rounds)


@dataclass(frozen=True)
class Saturation:
    """Latency against load, up to more than the servers can take."""

    name: ClassVar = "saturation"
    case: ClassVar = "messages/s"
    rates: tuple[int, ...] = (30, 100, 300, 1000, 3000, 6000, 10_000, 20_000)
    receivers: int = 200
    seconds: float = 2.0
    rounds: int = 1

    @classmethod
    def tiny(cls) -> "Saturation":
        """Return the smallest one that checks everything."""
        return cls(rates=(50, 1000), receivers=3, seconds=0.1, rounds=1)

    def run(self, targets: Sequence[Target]) -> Figures:
        """Measure."""
        return _at_rates(targets, self.rates, self.receivers, self.seconds, self.rounds)


def keep_rate(room: Room, load: Load, rate: int, seconds: float) -> None:
    """Have the first speaker keep a rate for so long, and wait until everybody has heard it all.

    What is due is sent whether or not the server keeps up.
    """
    speaker = room.speakers[0]
    total = max(1, int(rate * seconds))
    started = time.monotonic()

    def step() -> float | None:
        due = min(total, 1 + int((time.monotonic() - started) * rate))
        if due > speaker.sent:
            speaker.say(due - speaker.sent)
        if speaker.sent < total:
            return max(0.0, started + speaker.sent / rate - time.monotonic())
        return None if room.has_heard(total) else 0.05

    load.run(step, seconds + 60)


def _at_rates(
    targets: Sequence[Target], rates: Sequence[int], receivers: int, seconds: float, rounds: int
) -> Figures:
    return {
        str(rate): in_turns(
            rounds,
            {each.title: partial(_paced, each, rate, receivers, seconds) for each in targets},
        )
        for rate in rates
    }


def _paced(
    target: Target, rate: int, receivers: int, seconds: float, length: int = LENGTH
) -> Measures:
    people = names(1 + receivers)
    with target.start(people) as running, Load(running, target.wire) as load:
        clients = load.enter(people)
        timed = min(receivers, max(1, int(_SAMPLES / (rate * seconds))))
        room = Room(load, clients[:1], clients[1:], length=length, timed=timed)
        meter = Meter(running.pid)
        keep_rate(room, load, rate, seconds)
        meter.stop()
        room.check()
    kept = {RATE_KEPT: room.speakers[0].sent / meter.seconds}
    return latencies(room.times) | kept | meter.shares()
