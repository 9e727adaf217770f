"""What waits for the program over many links, and how its client ends."""

import threading
from typing import Final

from chatclient.errors import ChatError
from chatclient.link.backlog import Backlog, size_of
from chatwire.events import Event

QUEUE_LIMIT: Final = 1000
"""Events that may wait for the program."""


class Mailbox:
    """Events for one program, until it has closed its client or that has ended by itself.

    The keeper calls `put`, `ending` and `end`; the rest is for any thread. One lock, the Condition
    `_changed`, guards all of it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting = Backlog()
        self._woken = False
        self._closed = False
        self._failing = False  # it is ending by itself, whether or not it is closed meanwhile
        self._end: ChatError | None = None

    @property
    def closed(self) -> bool:
        """Whether the program has closed its client."""
        with self._changed:
            return self._closed

    @property
    def over(self) -> bool:
        """Whether it is closed and everything has been taken."""
        with self._changed:
            return self._closed and not self._waiting

    def put(self, event: Event) -> None:
        """Queue an event; wait while there are too many, or they are too large."""
        size = size_of(event)
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or not self._waiting.is_full(QUEUE_LIMIT, size)
            )
            self._waiting.add(event, size)
            self._changed.notify_all()

    def put_at_once(self, event: Event) -> None:
        """Queue an event that the program itself has brought about, and may be waiting for."""
        size = size_of(event)
        with self._changed:
            self._waiting.add(event, size)
            self._changed.notify_all()

    def take(self, timeout: float, limit: int) -> list[Event]:
        """Wait for events and return all that are there, at most `limit`.

        None are returned after `timeout` seconds, after `wake`, and at the end. Raises the error
        that ended the client, when everything before it has been taken.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._waiting
                    or self._end
                    or self._woken
                    or (self._closed and not self._failing)
                ),
                timeout,
            )
            self._woken = False
            taken = self._waiting.take(limit)
            if taken:
                self._changed.notify_all()  # the keeper may be waiting for room
            elif self._end is not None and (self._failing or not self._closed):
                raise self._end
            return taken

    def wake(self) -> None:
        """Have `take`, now or the next time, return at once."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> bool:
        """Note that the program wants no more; False when it had said so before."""
        with self._changed:
            first = not self._closed
            self._closed = True
            self._changed.notify_all()
        return first

    def ending(self, *, final: bool) -> bool:
        """Tell whether this is the end: it is closed, or going on is no use (`final`).

        What is final is told to the program, even if it closes its client in the next moment.
        """
        with self._changed:
            self._failing = self._failing or (final and not self._closed)
            return final or self._closed

    def end(self, error: ChatError) -> None:
        """Note why there is nothing more to come."""
        with self._changed:
            self._end = error
            self._changed.notify_all()
