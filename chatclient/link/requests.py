"""What was asked and has not been answered, kept over links."""

import itertools
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from chatclient.errors import LinkLost, refused_by
from chatclient.link.connection import KEYED, Connection, new_key
from chatwire.events import Error
from chatwire.protocol import encode
from chatwire.replies import Reply

UNSENT_LIMIT: Final = 1000

LINK_LOST: Final = "link_lost"
"""The code of an Error that is no answer of the server: the link was lost before there was one."""

_NOT_ANSWERED: Final = "The link was lost before the server answered; try again."


AT_THE_LAST: Final = frozenset({"reply", "answer", "react"})
"""The requests that, without a target, are about what others have said last."""


@dataclass(slots=True)
class Asked:
    """A request; without `future` its answer is an event."""

    number: int
    op: str
    fields: dict[str, object]
    future: Future[Reply] | None
    sent_on: Connection | None = None

    @property
    def kept(self) -> bool:
        """Whether it is sent again after a lost link: it can be, because it has a key, and means
        the same message whenever it comes."""
        return self.op in KEYED and (
            self.op not in AT_THE_LAST or self.fields.get("target") is not None
        )

    def resolve(self, answer: Reply | Error) -> Reply | Error | None:
        """Give the answer to the future, or return it as the event it is without one.

        Whoever calls this holds no lock.
        """
        if self.future is None:
            answer.re = self.number
            return answer
        if isinstance(answer, Reply):
            self.future.set_result(answer)
        elif answer.code == LINK_LOST:
            self.future.set_exception(LinkLost(answer.text))
        else:
            self.future.set_exception(refused_by(answer))
        return None


Outcomes = list[tuple[Asked, Error]]
"""Requests that are open no longer, each with the answer it gets; whoever has them gives it."""


class Requests:
    """The open requests of one client, by their own number and by that on the present connection.

    The keeper calls `settle`, `send_again`, `any_open`, `let_go` and `end`; the rest is for any
    thread. `_lock` guards all of it, and is never held while a line is sent.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._connection: Connection | None = None
        self._open: dict[int, Asked] = {}  # in the order of asking
        self._on_the_wire: dict[int, Asked] = {}
        self._over: str | None = None  # why nothing more can be asked

    @property
    def connection(self) -> Connection | None:
        """The present connection; None while there is none."""
        with self._lock:
            return self._connection

    @property
    def kept(self) -> list[dict[str, object]]:
        """The fields of those that are sent again until they are answered."""
        with self._lock:
            return [each.fields for each in self._open.values() if each.kept]

    def number(self) -> int:
        """Return a number that no request has yet."""
        return next(self._numbers)

    def make(
        self,
        op: str,
        fields: dict[str, object],
        future: Future[Reply] | None = None,
        number: int | None = None,
    ) -> Asked:
        """Return a request, with a key where it can be sent again; it is not open yet."""
        if op in KEYED and not fields.get("key"):
            fields = fields | {"key": new_key()}
        return Asked(self.number() if number is None else number, op, fields, future)

    def ask(self, request: Asked) -> Error | None:
        """Open a request and send it, now or on the next connection; or return why not."""
        with self._lock:
            problem = self._problem_with(request)
            if problem is not None:
                return problem
            connection = request.sent_on = self._connection
            self._open[request.number] = request
        if connection is not None:
            self._send(request, connection)
        return None

    def settle(self, answer: Reply | Error) -> Asked | None:
        """Return the request that this answers, which is open no longer."""
        with self._lock:
            request = self._on_the_wire.pop(0 if answer.re is UNSET else answer.re, None)
            if request is not None:
                self._open.pop(request.number, None)
            return request

    def any_open(self, numbers: set[int]) -> bool:
        """Tell whether one of these is still open."""
        with self._lock:
            return not numbers.isdisjoint(self._open)

    def send_again(self, connection: Connection) -> set[int]:
        """Send what was not answered on a new connection, in its order, then let `ask` use it.

        Return the numbers of what was sent. Raises LinkLost after `close`.
        """
        sent: set[int] = set()
        while True:
            with self._lock:
                if self._over is not None:
                    raise LinkLost(self._over)
                unsent = [each for each in self._open.values() if each.sent_on is not connection]
                if not unsent:
                    self._connection = connection
                    return sent
                for each in unsent:
                    each.sent_on = connection
            for each in unsent:
                sent.add(each.number)
                self._send(each, connection)

    def let_go(self, connection: Connection, code: str | None, text: str) -> Outcomes:
        """Forget what was asked on a connection that ended with `code` and cannot be repeated."""
        with self._lock:
            self._connection = None
            self._on_the_wire.clear()
            asked = [each for each in self._open.values() if each.sent_on is connection]
            outcomes: Outcomes = []
            if asked and code == "line_too_long":
                # It would be the end of every connection it is sent on. The server does not say
                # which it was, but a longer one it cannot have taken either.
                longest = max(asked, key=lambda each: len(encode(each.fields)))
                outcomes.append((longest, Error(code="line_too_long", text=text)))
                asked.remove(longest)
            outcomes += [(each, _lost(_NOT_ANSWERED)) for each in asked if not each.kept]
            for each in asked:
                each.sent_on = None
            for each, _ in outcomes:
                del self._open[each.number]
        return outcomes

    def close(self) -> Connection | None:
        """Take no more requests; return the connection to say goodbye on."""
        with self._lock:
            self._over = self._over or "The client is closed."
            return self._connection

    def end(self, text: str) -> Outcomes:
        """Forget all that are open, because there is no next connection."""
        with self._lock:
            self._over = text
            left = list(self._open.values())
            self._open.clear()
        return [(each, _lost(text)) for each in left]

    def _problem_with(self, request: Asked) -> Error | None:
        """Return why a request cannot be taken now. The caller holds the lock."""
        if self._over is not None:
            return _lost(self._over)
        if self._connection is None and not request.kept:
            return _lost("Not connected; try again when the link is back.")
        if len(self._open) >= UNSENT_LIMIT:
            return Error(
                code="try_later",
                text=f"{UNSENT_LIMIT} requests wait for an answer already; try again later.",
            )
        return None

    def _send(self, request: Asked, connection: Connection) -> None:
        """Send a request; a lost link is the keeper's business."""
        with self._lock:
            if request.sent_on is not connection:
                return  # the keeper was faster: that link is lost, and this is sent on the next
            number = connection.number()
            self._on_the_wire[number] = request
        try:
            connection.post(request.op, number, **request.fields)
        except LinkLost:
            return  # it is sent again, or failed, when the keeper has seen the end


def _lost(text: str) -> Error:
    """Return the answer that a lost link is."""
    return Error(code=LINK_LOST, text=text)
