"""The embedded order: an inbox, and the log thread that empties it.

Handler threads append; the log thread takes all that has piled up and has it followed as one
batch. Load makes batches bigger instead of queues longer. Nothing is encoded.
"""

import logging
import threading
import time
from collections import deque
from itertools import islice
from typing import Final

from chatserver.errors import CommandError
from chatserver.order.items import Item, Said
from chatserver.order.order import Follower
from chatserver.order.outcome import Outcome
from chatserver.order.pending import Entry, Ticket, Waiter

_log = logging.getLogger(__name__)

_INBOX_BYTES: Final = 4_000_000
"""What may wait for the log thread; whoever comes then waits for room (up to _PATIENCE)."""

_BATCH_BYTES: Final = 64_000
"""So that one batch, rendered, stays below the limit of the smallest outbox there may be."""

_OVERHEAD: Final = 100
"""What a message counts for beside its text: about its envelope on the wire."""

_PATIENCE: Final = 10.0

_RUN_SECONDS: Final = 60.0
"""How long somebody waits for an outcome: longer than any disk takes that still works."""

_REST_SECONDS: Final = 0.05
"""After a fault, so that one which does not go away takes no whole core."""


class LocalOrder:
    """The log thread and its inbox. `append` and `run` may be called from any other thread."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._inbox: deque[Entry] = deque()
        self._waiting = 0  # bytes in the inbox, about
        self._stopping = False
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._emptied = threading.Condition(self._lock)
        self._idle = False  # whether the log thread waits
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def start(self) -> None:
        """Start the log thread."""
        self._thread.start()

    def stop(self) -> None:
        """Refuse what comes from now on, finish what has come, and wait for the thread."""
        with self._lock:
            self._stopping = True
            self._filled.notify_all()
            self._emptied.notify_all()
        self._thread.join()

    def append(self, item: Item, ticket: Ticket | None = None) -> None:
        """Put an item in the order. Only messages wait while the inbox is full."""
        self._put(Entry(item, ticket))

    def run(self, item: Item) -> Outcome:
        """Put an item in the order and return what followed from it."""
        waiter = Waiter()
        entry = Entry(item, waiter)
        self._put(entry)
        result = waiter.wait(_RUN_SECONDS, self._thread.is_alive)
        if result is None:
            result = self._withdraw(entry) or waiter.result
        if result is None:
            raise CommandError("internal", "The server does not get on; connect again.")
        if isinstance(result, CommandError):
            raise CommandError(result.code, result.text, retry_after=result.retry_after)
        return result

    def _put(self, entry: Entry) -> None:
        size = _size(entry.item)
        with self._lock:
            if size and self._waiting > _INBOX_BYTES:
                self._emptied.wait_for(self._has_room, _PATIENCE)
                if not self._has_room():
                    raise _overloaded()
            if self._stopping:
                raise CommandError("shutting_down", "The server is shutting down.")
            self._inbox.append(entry)
            self._waiting += size
            if self._idle:
                self._idle = False
                self._filled.notify()

    def _withdraw(self, entry: Entry) -> CommandError | None:
        """Take an item back that has waited too long, if its turn has not come."""
        with self._lock:
            if entry not in self._inbox:
                return None
            self._inbox.remove(entry)
            self._waiting -= _size(entry.item)
        return _overloaded()

    def _has_room(self) -> bool:
        return self._stopping or self._waiting <= _INBOX_BYTES

    # -- the log thread only --

    def _run(self) -> None:
        while True:
            try:
                batch = self._take()
                if not batch:
                    return
                self._follower.follow(batch)
            except BaseException:  # of the inbox, or of the follower's last defence
                _log.critical("the log met a fault and goes on", exc_info=True)
                time.sleep(_REST_SECONDS)

    def _take(self) -> list[Entry]:
        """Wait for the next batch and move it out of the inbox; empty when it is time to stop.

        Whatever this raises, what had not been moved is still in the inbox.
        """
        count = size = 0
        with self._lock:
            while not (self._inbox or self._stopping):
                self._idle = True
                self._filled.wait()
            self._idle = False
            for entry in self._inbox:
                if size >= _BATCH_BYTES:
                    break
                count += 1
                size += _size(entry.item)
            batch = list(islice(self._inbox, count))
            for _ in batch:
                self._inbox.popleft()
            self._waiting -= size
            if size:
                self._emptied.notify_all()
        return batch


def _size(item: Item) -> int:
    """Return what an item counts for: a message its bytes on the wire, about."""
    if type(item) is not Said:
        return 0
    return len(item.text) * (1 if item.text.isascii() else 4) + _OVERHEAD


def _overloaded() -> CommandError:
    return CommandError("try_later", "The server is overloaded; try again.", retry_after=1)
