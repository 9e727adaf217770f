"""Flood: a few senders as fast as they are answered, everybody else receives."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from bench.load import Load
from bench.ngircd import NGIRCD, TLS_NGIRCD
from bench.room import Room
from bench.server import CHAT, WITHOUT_INDEX
from bench.target import Target, names
from bench.turns import Figures, Measures, in_turns
from bench.usage import Meter

RATE = "million deliveries/s"
_MOST_IN_CHANNEL = 1000
"""In a channel each hears of each who joins: more than so many take minutes to gather."""


@dataclass(frozen=True)
class Flood:
    """Deliveries a second while senders send as fast as they are answered."""

    name: ClassVar = "flood"
    case: ClassVar = "senders"
    senders: tuple[int, ...] = (1, 10)
    receivers: int = 200
    messages: int = 20_000
    rounds: int = 3

    @classmethod
    def tiny(cls) -> "Flood":
        """Return the smallest one that checks everything."""
        return cls(senders=(1, 2), receivers=3, messages=300, rounds=1)

    def run(self, targets: Sequence[Target]) -> Figures:
        """Measure."""
        return {
            str(senders): in_turns(
                self.rounds,
                {
                    each.title: partial(_flood, each, senders, self.receivers, self.messages)
                    for each in targets
                },
            )
            for senders in self.senders
        }


@dataclass(frozen=True)
class TlsFlood:
    """The same through TLS, one sender."""

    name: ClassVar = "tls"
    case: ClassVar = "receivers"
    receivers: int = 200
    messages: int = 10_000
    rounds: int = 3

    @classmethod
    def tiny(cls) -> "TlsFlood":
        """Return the smallest one that checks everything."""
        return cls(receivers=3, messages=300, rounds=1)

    def run(self, targets: Sequence[Target]) -> Figures:
        """Measure."""
        sides = {
            each.title: partial(
                _flood,
                TLS_NGIRCD if each is NGIRCD else each,
                1,
                self.receivers,
                self.messages,
                tls=True,
            )
            for each in targets
        }
        return {str(self.receivers): in_turns(self.rounds, sides)}


@dataclass(frozen=True)
class Index:
    """The flood of one sender with the search index on and off. This server only."""

    name: ClassVar = "index"
    case: ClassVar = "receivers"
    receivers: int = 200
    messages: int = 20_000
    rounds: int = 5

    @classmethod
    def tiny(cls) -> "Index":
        """Return the smallest one that checks everything."""
        return cls(receivers=3, messages=300, rounds=1)

    def run(self, _: Sequence[Target]) -> Figures:
        """Measure."""
        sides = {
            "index on": partial(_flood, CHAT, 1, self.receivers, self.messages),
            "index off": partial(_flood, WITHOUT_INDEX, 1, self.receivers, self.messages),
        }
        return {str(self.receivers): in_turns(self.rounds, sides)}


@dataclass(frozen=True)
class Fanout:
    """The flood of one sender to more and more receivers, about as many deliveries each."""

    name: ClassVar = "fanout"
    case: ClassVar = "receivers"
    receivers: tuple[int, ...] = (10, 50, 200, 1000, 5000)
    deliveries: int = 3_000_000
    rounds: int = 1

    @classmethod
    def tiny(cls) -> "Fanout":
        """Return the smallest one that checks everything."""
        return cls(receivers=(1, 4), deliveries=400, rounds=1)

    def run(self, targets: Sequence[Target]) -> Figures:
        """Measure."""
        return {
            str(receivers): in_turns(
                self.rounds,
                {
                    each.title: partial(_flood, each, 1, receivers, self._messages(receivers))
                    for each in targets
                    if each is CHAT or receivers <= _MOST_IN_CHANNEL
                },
            )
            for receivers in self.receivers
        }

    def _messages(self, receivers: int) -> int:
        return min(30_000, self.deliveries // receivers)


def _flood(
    target: Target, senders: int, receivers: int, messages: int, *, tls: bool = False
) -> Measures:
    each = messages // senders
    people = names(senders + receivers)
    with target.start(people) as running, Load(running, target.wire) as load:
        clients = load.enter(people, tls=tls)
        room = Room(load, clients[:senders], clients[senders:])

        def step() -> float | None:
            for speaker in room.speakers:
                speaker.go_on(each)
            return None if room.has_heard(each * senders) else 0.05

        meter = Meter(running.pid)
        load.run(step)
        meter.stop()
        room.check()
    deliveries = each * senders * receivers
    return {RATE: deliveries / meter.seconds / 1e6} | meter.shares()
