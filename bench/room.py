"""A room in which everybody has to see the same: who speaks, who listens, and the check of it all.

All who listen are sent the same bytes. So the bytes are read, message by message, only once, from
whoever got them first, and what each of the others gets is compared with that, all of it. That
costs little enough to check every delivery of a flood while it runs.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from bench.load import Client, Load
from bench.message import LENGTH, compose, stamp_of
from bench.wire import Wire

WINDOW: Final = 1000
"""Messages without an acknowledgment that a sender has on the way, with either server."""

_BURST: Final = 100


class Transcript:
    """What was said, as the bytes that come to each listener.

    Raises ValueError as soon as a message is lost, doubled or out of order.
    """

    def __init__(self, wire: Wire) -> None:
        self.ends: list[int] = []
        """Where each message ends."""
        self.sent: list[float] = []
        """When each was sent."""
        self._wire = wire
        self._data = bytearray()
        self._read = 0
        self._numbers: dict[int, int] = {}

    def check(self, at: int, data: bytes) -> None:
        """Note that a listener got `data` behind its first `at` bytes."""
        known = len(self._data) - at
        if not self._data.startswith(data if len(data) <= known else data[:known], at):
            raise ValueError("two listeners were told different things")
        if len(data) > known:
            self._data += data[known:]
            self._extend()

    def is_whole(self, at: int, senders: int, each: int) -> bool:
        """Tell whether `at` bytes are all that so many senders had to say."""
        return at == len(self._data) == self._read and self._numbers == dict.fromkeys(
            range(senders), each
        )

    def _extend(self) -> None:
        end = self._data.rfind(b"\n") + 1
        for line in bytes(self._data[self._read : end]).splitlines(keepends=True):
            texts = self._wire.texts(line)
            if len(texts) != 1:
                raise ValueError(f"not a message: {line[:200]!r}")
            stamp = stamp_of(texts[0])
            if stamp.number != self._numbers.get(stamp.sender, 0) + 1:
                raise ValueError("a message was lost, doubled or out of order")
            self._numbers[stamp.sender] = stamp.number
            self._read += len(line)
            self.ends.append(self._read)
            self.sent.append(stamp.sent)


class Listener:
    """One client that has to get everything. With `times` it notes how long each message took."""

    def __init__(self, transcript: Transcript, times: "array[float] | None" = None) -> None:
        self.at = 0
        self.seen = 0
        self._transcript = transcript
        self._times = times

    def take(self, data: bytes, now: float) -> None:
        """Check what has come and count it."""
        transcript = self._transcript
        transcript.check(self.at, data)
        self.at += len(data)
        seen = bisect_right(transcript.ends, self.at, self.seen)
        if self._times is not None:
            self._times.extend([now - sent for sent in transcript.sent[self.seen : seen]])
        self.seen = seen


class Speaker:
    """One client that speaks, at most WINDOW messages ahead of what was acknowledged."""

    def __init__(self, wire: Wire, client: Client, number: int, length: int = LENGTH) -> None:
        self.sent = 0
        self._wire = wire
        self._client = client
        self._number = number
        self._length = length
        self._acknowledged = 0
        self._tail = b""
        client.take = self._take

    def say(self, count: int) -> None:
        """Send so many messages at once."""
        first = self.sent + 1
        self.sent += count
        texts = [compose(self._number, each, self._length) for each in range(first, first + count)]
        self._client.send(self._wire.to_room(texts, self.sent))

    def go_on(self, total: int) -> None:
        """Send on, in bursts, as far as the window allows, up to `total` messages in all."""
        left = total - self.sent
        room = min(left, WINDOW - (self.sent - self._acknowledged))
        while room >= _BURST or 0 < room == left:
            self.say(min(room, _BURST))
            left = total - self.sent
            room = min(left, WINDOW - (self.sent - self._acknowledged))

    def _take(self, data: bytes, _: float) -> None:
        data = self._tail + data
        end = data.rfind(b"\n") + 1
        number = self._wire.acknowledged(data[:end])
        self._tail = data[end:]
        if number is not None:
            self._acknowledged = number


class Room:
    """Speakers and listeners on one load. Make it when all of them are logged in."""

    def __init__(
        self,
        load: Load,
        speakers: Sequence[Client],
        listeners: Sequence[Client],
        *,
        length: int = LENGTH,
        timed: int = 0,
    ) -> None:
        """`timed` of the listeners, evenly chosen, note how long each message took."""
        load.settle(load.clients)
        self.transcript = Transcript(load.wire)
        self.times = array("d")
        self._load = load
        self._clients = listeners
        step = -(-len(listeners) // timed) if timed else 0
        self.listeners = [
            Listener(self.transcript, self.times if step and number % step == 0 else None)
            for number in range(len(listeners))
        ]
        for client, listener in zip(listeners, self.listeners, strict=True):
            client.take = listener.take
        self.speakers = [
            Speaker(load.wire, client, number, length) for number, client in enumerate(speakers)
        ]

    def has_heard(self, messages: int) -> bool:
        """Tell whether every listener got so many messages."""
        return all(each.seen >= messages for each in self.listeners)

    def check(self) -> None:
        """Make sure that every listener got everything, and nothing more comes. ValueError."""
        each = self.speakers[0].sent
        for listener in self.listeners:
            if not self.transcript.is_whole(listener.at, len(self.speakers), each):
                raise ValueError("a listener did not get everything")
        self._load.settle(self._clients, silent=True)
