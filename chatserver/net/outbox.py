"""What waits to be sent to one client: references to bytes, bounded, drained without blocking.

Any thread may `push`, which appends a reference and nothing more. Any thread may `drain`, which
sends what the system takes now; only one does at a time, and a second one returns at once, since
the first goes on until the outbox is empty. What the system would not take is left to the
flusher. The outbox itself never blocks anybody: what would take it past its limit, and everything
after that, is dropped, and its owner ends the connection.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from chatserver.errors import Disconnected

_log = logging.getLogger(__name__)

_JOIN_BYTES: Final = 262_144
"""How much is joined for one send: enough to make the system call cheap, not more."""

_MARKS: Final = 16

_Data = bytes | memoryview
_Entry = tuple[bytes, int]


def _as_it_is(data: bytes) -> bytes:
    return data


class Outbox:
    """Tier 3 lock. `send` is the stream's and `seal` encrypts for it; both are called, by one
    thread at a time, without the lock. What has been sealed is sent next, whatever happens.
    `unacknowledged` is the stream's too, where `arrived_seq` is going to be asked for."""

    def __init__(
        self,
        send: Callable[[_Data], int],
        limit: int,
        seal: Callable[[bytes], bytes] = _as_it_is,
        unacknowledged: Callable[[], int] | None = None,
    ) -> None:
        self.limit = limit
        self._send = send
        self._seal = seal
        self._unacknowledged = unacknowledged
        self._sent = 0  # bytes the system has taken, as sealed
        self._marks: list[tuple[int, int]] = []  # (what `_sent` was, the newest seq by then)
        self._arrived_seq = 0
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []
        self._held: list[list[_Entry]] = []  # for each `hold`, what came after it
        self._held_bytes = 0
        self._front: _Data = b""  # sealed, and partly sent
        self._front_seq = 0
        self._front_bytes = 0  # what it counts for, until the last of it has gone
        self._taken = False  # whether there is a front
        self._bytes = 0
        self._draining = False
        self._closed = False
        self._emptied: threading.Condition | None = None
        self.written_seq = 0
        """The highest number given to `push` whose bytes the system has taken."""
        self.dropped = 0
        """How many pushes found no room. After the first, nothing is taken in but last words."""
        self.blocked_since: float | None = None
        """When the system last refused bytes and has taken none since (monotonic seconds)."""

    def push(self, data: bytes, seq: int = 0) -> bool:
        """Append `data`; `seq` is the newest message in it. False: this push overflowed."""
        with self._lock:
            if not self._has_room(data):
                return self._drop()
            if self._held:
                self._held[-1].append((data, seq))
                self._held_bytes += len(data)
            else:
                self._entries.append((data, seq))
            return True

    def push_ahead(self, data: bytes, seq: int = 0) -> bool:
        """As `push`, but before everything that is being held."""
        with self._lock:
            if not self._has_room(data):
                return self._drop()
            self._entries.append((data, seq))
            return True

    def hold(self) -> None:
        """From now on keep back what is pushed, until `release`: a replay comes first.

        Each `hold` waits for a `release` of its own: there may be several replays to come.
        """
        with self._lock:
            self._held.append([])

    def release(self) -> None:
        """Let follow what came between the oldest `hold` and the next."""
        with self._lock:
            if self._held:
                entries = self._held.pop(0)
                self._entries.extend(entries)
                self._held_bytes -= sum(len(data) for data, _ in entries)

    def drop_held(self) -> None:
        """Forget what is held: its turn does not come, because what goes before it did not."""
        with self._lock:
            self._forget_held()

    @property
    def holding(self) -> bool:
        """Whether a replay is on its way."""
        return bool(self._held)

    @property
    def sending(self) -> bool:
        """Whether a thread is at it: what it has just sent is not counted yet."""
        return self._draining

    @property
    def waiting(self) -> int:
        """How many bytes the system has not taken, without those that are held."""
        return self._bytes - self._held_bytes

    def drain(self, *, retry: bool = False) -> bool:
        """Send what can be sent now. False: something is left and the system takes no more.

        Once the system has refused bytes, only a drain with `retry` (the flusher's) tries again.
        Raises nothing: when the peer is gone the outbox closes, and the reader will notice.
        """
        if len(self._marks) >= _MARKS:
            self.arrived_seq()  # so that there are marks left for what is sent next
        with self._lock:
            if self._draining or not (self._entries or self._taken):
                return True
            if self.blocked_since is not None and not retry:
                return True
            self._draining = True
            data = None if self._taken else self._take()
        while True:
            try:
                if data is not None:
                    self._front = self._seal(data)
                sent = self._send(self._front)
            except Disconnected:
                self.arrived_seq()  # the last that can be learnt
                self.close()
                sent = 0
            except Exception:
                _log.exception("an outbox could not be sent")
                self.close()
                sent = 0
            with self._lock:
                self._sent += sent
                if sent < len(self._front) and not self._closed:
                    self._front = memoryview(self._front)[sent:]
                    if sent or self.blocked_since is None:
                        self.blocked_since = time.monotonic()
                    self._draining = False
                    self._signal()
                    return False
                self.blocked_since = None
                if not self._closed:
                    self._bytes -= self._front_bytes
                    if self._front_seq > self.written_seq:
                        self.written_seq = self._front_seq
                        self._mark()
                self._front, self._front_bytes, self._taken = b"", 0, False
                if not self._entries:
                    self._draining = False
                    self._signal()
                    return True
                data = self._take()

    def arrived_seq(self) -> int:
        """Return the highest number given to `push` whose bytes are in the peer's system.

        What only our own system has taken may never arrive. Asks the system, at most once; any
        thread. After `close` it is what was known before.
        """
        with self._lock:
            if self._closed or not self._marks or self._unacknowledged is None:
                return self._arrived_seq
            sent = self._sent
        try:
            # What is sent meanwhile makes this too many, which errs on the safe side.
            arrived = sent - self._unacknowledged()
        except Disconnected:
            return self._arrived_seq
        with self._lock:
            if not self._closed:  # else the descriptor may have been somebody else's
                while self._marks and self._marks[0][0] <= arrived:
                    self._arrived_seq = self._marks.pop(0)[1]
            return self._arrived_seq

    def wait_below(self, limit: int, timeout: float) -> bool:
        """Wait until fewer than `limit` bytes are `waiting`; False when `timeout` s are too few."""
        if self.waiting < limit:
            return True
        with self._lock:
            if self._emptied is None:
                self._emptied = threading.Condition(self._lock)
            return self._emptied.wait_for(lambda: self.waiting < limit or self._closed, timeout)

    def replace(self, data: bytes) -> None:
        """Drop what no byte was sent of and append `data`, the last words to this client."""
        with self._lock:
            if not self._closed:
                self._forget_held()
                self._entries = [(data, 0)]
                self._bytes = self._front_bytes + len(data)

    def close(self) -> None:
        """Forget everything and ignore what is pushed from now on."""
        with self._lock:
            self._closed = True
            self._forget_held()
            self._entries.clear()
            self._bytes = 0
            self._signal()

    def _has_room(self, data: bytes) -> bool:
        """Count `data` in, if it is to be taken in. The caller holds the lock."""
        after = self._bytes + len(data)
        if self._closed or self.dropped or 0 < self.limit < after:
            return False
        self._bytes = after
        return True

    def _drop(self) -> bool:
        """Count what is not taken in; False for the first that overflows. The lock is held."""
        if not self._closed:
            self.dropped += 1
        return self._closed or self.dropped > 1

    def _forget_held(self) -> None:
        """Forget what is held. The caller holds the lock."""
        self._bytes -= self._held_bytes
        self._held.clear()
        self._held_bytes = 0

    def _take(self) -> bytes:
        """Remove what to send next, and note what it counts for. The caller holds the lock."""
        entries = self._entries
        count = size = newest = 0
        for data, seq in entries:
            if size >= _JOIN_BYTES:
                break
            count += 1
            size += len(data)
            newest = max(newest, seq)
        data = b"".join([each for each, _ in entries[:count]]) if count > 1 else entries[0][0]
        del entries[:count]
        self._front_bytes, self._front_seq, self._taken = len(data), newest, True
        return data

    def _mark(self) -> None:
        """Note which number is complete with what has been sent. The caller holds the lock.

        Where there are many, every other one goes: what it stood for counts a little later. The
        last stays: of a client that goes, only what was sent last may not have arrived.
        """
        if self._unacknowledged is None:  # nobody will ask
            return
        if len(self._marks) >= _MARKS:
            self._marks = self._marks[1::2]
        self._marks.append((self._sent, self.written_seq))

    def _signal(self) -> None:
        """Wake whoever waits for room. The caller holds the lock."""
        if self._emptied is not None:
            self._emptied.notify_all()
