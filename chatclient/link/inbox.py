"""What has come in and waits: answers for those who asked, events for whoever listens."""

import threading
import time
from concurrent.futures import Future
from typing import Final

from chatclient.errors import LinkLost, refused_by
from chatclient.link.backlog import Backlog
from chatwire.events import Error, Event
from chatwire.replies import Reply

MOST_EVENTS_BESIDE: Final = 20_000
"""Beyond the limit, that may come before an answer: far more than a server keeps for a client."""

_WAKE_SECONDS: Final = 1.0
"""Windows cannot interrupt a wait for a lock, so Ctrl-C is looked at this often."""


class Inbox:
    """The state of a connection that is shared between its reader and everybody else.

    One lock, the Condition `_changed`, guards all of it; nothing is sent, received or called back
    under it. The reader calls `answer`, `put` and `end`; the rest is for any thread.
    """

    def __init__(self, limit: int) -> None:
        """`limit` is how many events may wait; see `put`."""
        self._limit = limit
        self._changed = threading.Condition()
        self._last_number = 0
        self._asked: dict[int, Future[Reply]] = {}
        self._unwanted: set[int] = set()
        self._events = Backlog()
        self._leaving = False
        self._loss: LinkLost | None = None

    @property
    def leaving(self) -> bool:
        """Whether this side has begun to end the connection."""
        with self._changed:
            return self._leaving

    @property
    def loss(self) -> LinkLost | None:
        """How the connection ended; None while it lives."""
        with self._changed:
            return self._loss

    def check(self) -> None:
        """Raise LinkLost when the connection is over."""
        with self._changed:
            self._check()

    def leave(self) -> None:
        """Note that this side ends the connection. A reader that waits for room goes on."""
        with self._changed:
            self._leaving = True
            self._changed.notify_all()

    # Requests

    def number(self, *, wanted: bool = True) -> int:
        """Return a number for a request whose answer is an event, or `wanted` by nobody."""
        with self._changed:
            self._last_number += 1
            if not wanted:
                self._unwanted.add(self._last_number)
            return self._last_number

    def expect(self) -> tuple[int, Future[Reply]]:
        """Return a number for a request and the Future for its answer.

        When the connection is over, the Future has failed already.
        """
        future: Future[Reply] = Future()
        future.set_running_or_notify_cancel()  # what has been sent cannot be cancelled
        number = self.number()
        with self._changed:
            loss = self._loss
            if loss is None:
                self._asked[number] = future
                self._changed.notify_all()  # the reader does not wait for room any more
        if loss is not None:
            future.set_exception(LinkLost(loss.text, loss.code))
        return number, future

    def give_up(self, number: int) -> bool:
        """Stop expecting an answer; False when the reader has it in hand at this moment."""
        with self._changed:
            if self._asked.pop(number, None) is None:
                return False
            self._unwanted.add(number)
            return True

    def answer(self, number: int, event: Reply | Error, size: int) -> None:
        """Give an answer to whoever asked: a Future, the listener (`post`), or nobody any more.

        Raises LinkLost as `put` does.
        """
        with self._changed:
            future = self._asked.pop(number, None)
            unwanted = number in self._unwanted
            self._unwanted.discard(number)
        if future is None:
            if not unwanted:
                self.put(event, size)
        elif isinstance(event, Reply):
            future.set_result(event)
        else:
            future.set_exception(refused_by(event))

    # Events

    def put(self, event: Event, size: int) -> None:
        """Queue an event of `size` bytes; wait for room first. Raises LinkLost at the bounds.

        While the reader waits it reads nothing, so TCP pushes back, and in the end the server cuts
        this client off; everything it had for us is stored there and comes at the next login. The
        reader does not wait while a request of ours is open: its answer may be behind this event,
        and the thread that asked may be the one that should be taking events. What comes meanwhile
        is bounded as well; a server that sends more than that, and no answer, is left.
        """
        with self._changed:
            while self._events.is_full(self._limit, size) and not self._asked and not self._leaving:
                self._changed.wait()
            if self._events.is_full(self._limit + MOST_EVENTS_BESIDE, size):
                raise LinkLost(
                    "The server sends without end and does not answer: check the server."
                )
            self._events.add(event, size)
            self._changed.notify_all()

    def take(self, timeout: float | None, limit: int) -> list[Event]:
        """Wait for events and return all that are there, at most `limit`; none after `timeout`.

        Raises LinkLost when the connection is over and everything before that has been taken.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._events:
                self._check()
                left = _WAKE_SECONDS if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    return []
                self._changed.wait(min(left, _WAKE_SECONDS))
            taken = self._events.take(limit)
            self._changed.notify_all()  # the reader may be waiting for room
        return taken

    # The end

    def end(self, loss: LinkLost) -> None:
        """Note that the connection is over, and fail everybody who waits for an answer."""
        with self._changed:
            self._loss = loss
            asked = list(self._asked.values())
            self._asked.clear()
            self._changed.notify_all()
        for future in asked:
            future.set_exception(LinkLost(loss.text, loss.code))

    def _check(self) -> None:
        if self._loss is not None:
            raise LinkLost(self._loss.text, self._loss.code)
