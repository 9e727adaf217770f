"""A few slots for work that is expensive, given to the callers in turn."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class QueueFull(Exception):
    """Too many wait already."""


class FairSlots:
    """`slots` at once, and one of them never for a caller who has one already (if there are two).

    Who waits is served caller by caller, so that thirty requests of one make another wait for one
    of them and not for thirty. At most `each` of a caller wait, and `most` of all. Tier 1 lock.
    """

    def __init__(self, slots: int, each: int, most: int) -> None:
        self._free = slots
        self._most_of_one = max(1, slots - 1)
        self._each = each
        self._most = most
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}
        # In the order of turns: whoever has been served goes to the end.
        self._waiting: dict[str, deque[threading.Event]] = {}
        self._length = 0

    @contextmanager
    def taken(self, caller: str) -> Iterator[None]:
        """Hold a slot; wait for it if need be. Raises QueueFull."""
        turn = threading.Event()
        with self._lock:
            self._enter(caller, turn)
        turn.wait()  # ends: whoever holds a slot gives it back, whatever happens
        try:
            yield
        finally:
            with self._lock:
                self._free += 1
                self._running[caller] -= 1
                if not self._running[caller]:
                    del self._running[caller]
                self._next()

    def _enter(self, caller: str, turn: threading.Event) -> None:
        """Put a turn into the queue, or let it go at once. Lock held."""
        queue = self._waiting.setdefault(caller, deque())
        queue.append(turn)
        self._length += 1
        self._next()
        if not turn.is_set() and (len(queue) > self._each or self._length > self._most):
            queue.remove(turn)
            self._length -= 1
            if not queue:
                del self._waiting[caller]
            raise QueueFull

    def _next(self) -> None:
        """Give the free slots to those whose turn it is. Lock held."""
        while self._free:
            ready = (
                each for each in self._waiting if self._running.get(each, 0) < self._most_of_one
            )
            caller = next(ready, None)
            if caller is None:
                return
            queue = self._waiting.pop(caller)
            queue.popleft().set()
            self._length -= 1
            if queue:
                self._waiting[caller] = queue
            self._free -= 1
            self._running[caller] = self._running.get(caller, 0) + 1
