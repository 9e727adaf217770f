"""Events that wait for somebody, counted and weighed."""

from collections import deque
from typing import Final

from chatwire.events import Event
from chatwire.protocol import encode

MOST_BYTES: Final = 32 * 1024 * 1024
"""That may wait for the program; one line of the wire has at most half of it."""

_BYTES_BESIDE: Final = 1000
"""What an event counts for beside what it says."""


class Backlog:
    """A queue that knows how much it holds. Not locked: that is the owner's affair."""

    def __init__(self) -> None:
        self._events: deque[tuple[Event, int]] = deque()  # each with its size
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: Event, size: int) -> None:
        """Queue an event that counts for `size` bytes."""
        self._events.append((event, size))
        self._bytes += size

    def take(self, limit: int) -> list[Event]:
        """Return the first ones, at most `limit`, which wait no longer."""
        taken = []
        for _ in range(min(limit, len(self._events))):
            event, size = self._events.popleft()
            self._bytes -= size
            taken.append(event)
        return taken

    def is_full(self, most: int, size: int) -> bool:
        """Tell whether there are `most`, or `size` bytes more are too many; one always fits."""
        many = len(self._events) >= most
        return many or bool(self._events and self._bytes + size > MOST_BYTES)


def size_of(event: Event) -> int:
    """Return for how many bytes an event counts that did not come off the wire just now."""
    return _BYTES_BESIDE + len(encode(event))
