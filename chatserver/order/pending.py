"""Who waits for what follows from an item: tickets, which are local and never leave the process."""

import threading
from collections.abc import Callable
from typing import Final

from chatserver.errors import CommandError
from chatserver.order.items import Item
from chatserver.order.outcome import Outcome
from chatserver.sessions.session import Session
from chatserver.speech import Asked

_LOOK_SECONDS: Final = 1.0
"""How often somebody who waits looks whether there still is somebody to wait for."""


class Question:
    """The request that something came in: it is answered, as `op`, when that is on disk.

    `unknown` are names in it that nobody has; `refusal` is what is answered instead of what the
    order refuses.
    """

    __slots__ = ("op", "refusal", "request", "session", "unknown")

    def __init__(
        self,
        session: Session,
        request: Asked | None,
        unknown: tuple[str, ...] = (),
        op: str = "send",
        refusal: CommandError | None = None,
    ) -> None:
        self.session = session
        self.request = request
        self.unknown = unknown
        self.op = op
        self.refusal = refusal


class Waiter:
    """A thread that waits for an outcome. The log thread alone settles it."""

    __slots__ = ("_done", "_result")

    def __init__(self) -> None:
        self._done = threading.Event()
        self._result: Outcome | CommandError | None = None

    def settle(self, result: Outcome | CommandError) -> None:
        """Let it go on. Only the first call counts."""
        if not self._done.is_set():
            self._result = result
            self._done.set()

    @property
    def result(self) -> Outcome | CommandError | None:
        """What came of it; None until it is known."""
        return self._result if self._done.is_set() else None

    def wait(
        self, seconds: float, alive: Callable[[], bool] = lambda: True
    ) -> Outcome | CommandError | None:
        """Wait so long at most, and no longer than there is somebody `alive` to wait for."""
        left = seconds
        while not self._done.wait(min(left, _LOOK_SECONDS)):
            left -= _LOOK_SECONDS
            if left <= 0 or not alive():
                break
        return self.result


Ticket = Question | Waiter


class Entry:
    """An item on its way through the order, with what came of it."""

    __slots__ = ("answered", "item", "result", "ticket", "told")

    def __init__(self, item: Item, ticket: Ticket | None) -> None:
        self.item = item
        self.ticket = ticket
        self.result: Outcome | CommandError | None = None
        """What followed, or why nothing did; None until it is on disk."""
        self.answered = False
        """Whether whoever waits has the answer."""
        self.told = False
        """Whether everybody has been told who is to be."""
