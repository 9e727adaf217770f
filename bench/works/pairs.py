"""Pairs: private messages to and fro, every one the answer to the one before."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from bench.load import Client, Load
from bench.message import compose, stamp_of
from bench.target import Target, names
from bench.turns import Figures, Measures, in_turns, latencies
from bench.usage import Meter
from bench.wire import Wire


@dataclass(frozen=True)
class Pairs:
    """Messages a second between pairs in which each answers each."""

    name: ClassVar = "pairs"
    case: ClassVar = "pairs"
    pairs: int = 50
    messages: int = 400
    rounds: int = 3

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
            times = array("d")
            partners = [
                _Partner(target.wire, client, people[number ^ 1], self.messages, times)
                for number, client in enumerate(clients)
            ]
            meter = Meter(running.pid)
            for partner in partners[::2]:
                partner.say(1)
            load.run_until(lambda: len(times) >= self.pairs * self.messages)
            meter.stop()
            if any(each.last < self.messages - 1 for each in partners):
                raise ValueError("a pair did not come to its end")
            load.settle(clients, silent=True)
        rate = {"messages/s": len(times) / meter.seconds}
        return rate | latencies(times) | meter.shares()


class _Partner:
    """One of a pair. Raises ValueError when a message is lost, doubled or out of order."""

    def __init__(
        self, wire: Wire, client: Client, other: str, messages: int, times: "array[float]"
    ) -> None:
        self.last = 0
        self._wire = wire
        self._client = client
        self._other = other
        self._messages = messages
        self._times = times
        self._tail = b""
        client.take = self._take

    def say(self, number: int) -> None:
        """Send the pair's message of that number."""
        self.last = number
        self._client.send(self._wire.to_one(self._other, compose(0, number)))

    def _take(self, data: bytes, now: float) -> None:
        data = self._tail + data
        end = data.rfind(b"\n") + 1
        self._tail = data[end:]
        for text in self._wire.texts(data[:end]):
            stamp = stamp_of(text)
            if stamp.number != self.last + 1:
                raise ValueError("a message was lost, doubled or out of order")
            self.last = stamp.number
            self._times.append(now - stamp.sent)
            if stamp.number < self._messages:
                self.say(stamp.number + 1)
