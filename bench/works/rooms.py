"""Rooms: the same rate spread over a thousand rooms, and in one of them. This server only."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from bench.load import Client, Load
from bench.message import compose, stamp_of
from bench.server import CHAT, running_server
from bench.target import Target, names
from bench.turns import Figures, Measures, in_turns, latencies
from bench.usage import Meter, memory_kib
from chatserver.order.apply import apply
from chatserver.order.items import AccountMade, Came, Item, Joined, RoomMade, Went
from chatserver.storage.store import FILE_NAME as STORE_FILE
from chatserver.storage.store import Store


@dataclass(frozen=True)
class Rooms:
    """Latency of messages to rooms of `members`, of which each client is in as many."""

    name: ClassVar = "rooms"
    case: ClassVar = "rooms"
    clients: int = 2000
    rooms: int = 1000
    members: int = 20
    rate: int = 300
    seconds: float = 5.0
    rounds: int = 3

    @classmethod
    def tiny(cls) -> "Rooms":
        """Return the smallest one that checks everything."""
        return cls(clients=6, rooms=4, members=3, rate=50, seconds=0.2, rounds=1)

    def run(self, _: Sequence[Target]) -> Figures:
        """Measure."""
        return {
            str(many): in_turns(self.rounds, {CHAT.title: partial(self._measure, many)})
            for many in (1, self.rooms)
        }

    def _measure(self, spread: int) -> Measures:
        """Say something in `spread` of the rooms in turn, and time how long it takes to all."""
        people = names(self.clients)
        with (
            running_server(people, prepare=self._fill) as running,
            Load(running, CHAT.wire) as load,
        ):
            empty = memory_kib(running.pid)
            clients = load.enter(people)
            memory = (memory_kib(running.pid) - empty) / self.clients
            meter = Meter(running.pid)
            listeners = self._talk(load, clients, spread)
            meter.stop()
        times = [each for listener in listeners for each in listener.times]
        return latencies(times) | {"KiB a client": memory} | meter.shares()

    def _talk(self, load: Load, clients: Sequence[Client], spread: int) -> list["_Listener"]:
        listeners = [_Listener() for _ in clients]
        for client, listener in zip(clients, listeners, strict=True):
            client.take = listener.take
        total = int(self.rate * self.seconds)
        said = [0] * spread
        started = time.monotonic()
        sent = 0

        def step() -> float | None:
            nonlocal sent
            due = min(total, 1 + int((time.monotonic() - started) * self.rate))
            while sent < due:
                room = sent % spread
                said[room] += 1
                speaker = clients[self._members(room)[0]]  # of two the order is not known
                text = compose(room, said[room])
                line = f'{{"op":"send","id":1,"room":"r{room}","text":"{text}"}}\n'
                speaker.send(line.encode("ascii"))
                sent += 1
            if sent < total:
                return max(0.0, started + sent / self.rate - time.monotonic())
            heard = sum(len(each.times) for each in listeners)
            return None if heard >= total * (self.members - 1) else 0.05

        load.run(step, self.seconds + 60)
        return listeners

    def _members(self, room: int) -> list[int]:
        """Return who is in a room: clients in turn, so that all are in equally many."""
        first = room * self.members
        return [(first + each) * 7 % self.clients for each in range(self.members)]

    def _fill(self, folder: Path) -> None:
        """Make the rooms. Everybody is account and session of the same number, from 1 on."""
        store = Store(folder / STORE_FILE)
        state = store.load()

        def happen(items: Sequence[Item]) -> None:
            for item in items:
                apply(state, item)
            store.write(state)
            state.saved()

        people = names(self.clients)
        try:
            happen([AccountMade(at=1, name=name) for name in people])
            happen(
                [Came(at=1, account=n, session=n, name=name) for n, name in enumerate(people, 1)]
            )
            for room in range(self.rooms):
                inside = [each + 1 for each in self._members(room)]
                owner = inside[0]
                happen([RoomMade(at=2, account=owner, session=owner, name=f"r{room}")])
                number = state.room(f"r{room}")
                assert number is not None
                joins = [
                    Joined(at=2, account=each, session=each, room=number.id)
                    for each in random.Random(room).sample(inside, len(inside))
                ]
                happen(joins)
            happen(
                [
                    Went(at=3, account=each, session=each, acked=state.seq)
                    for each in range(1, len(people) + 1)
                ]
            )
        finally:
            store.close()


class _Listener:
    """Notes how long each message took. Raises ValueError where one is lost, doubled or late."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._newest: dict[int, int] = {}
        self._rest = b""

    def take(self, data: bytes, now: float) -> None:
        """Take what has come."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            for text in CHAT.wire.texts(line):
                stamp = stamp_of(text)
                if stamp.number <= self._newest.get(stamp.sender, 0):
                    raise ValueError("a message was doubled or out of order")
                self._newest[stamp.sender] = stamp.number
                self.times.append(now - stamp.sent)
