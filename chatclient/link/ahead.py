"""How far requests may run ahead of their answers."""

import threading
from typing import Final

from msgspec import UNSET

from chatwire.events import Error, Event
from chatwire.replies import Reply

_LIMIT: Final = 32
"""Requests that may be on their way at once: they can never fill the way to the server."""


class Ahead:
    """Counts requests that have no answer yet. One thread asks, another sees the answers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()  # guards the next two
        self._open = 0
        self._over = False

    def begin(self) -> None:
        """Wait until there is room for one more request, and count it.

        To be called before the request is sent, because its answer may be faster than the caller.
        """
        self._wait(_LIMIT)
        with self._changed:
            self._open += 1

    def settle(self, batch: list[Event]) -> None:
        """Take note of the answers among some events."""
        answered = sum(
            isinstance(event, Reply | Error) and event.re is not UNSET for event in batch
        )
        with self._changed:
            self._open -= answered
            self._changed.notify_all()

    def wait_for_all(self) -> None:
        """Wait until everything is answered."""
        self._wait(1)

    def end(self) -> None:
        """Let nobody wait any more: there are no answers to come."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _wait(self, until_fewer_than: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._open < until_fewer_than or self._over)
