"""What was asked and has not been answered, kept over links."""

import itertools
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from chatclient.errors import LinkLost, refused_by
from chatclient.link.connection import Connection, new_key
from chatwire.protocol import Error, Reply, encode

UNSENT_LIMIT: Final = 1000

LINK_LOST: Final = "link_lost"
"""The code of an Error that is no answer of the server: the link was lost before there was one."""

_NOT_ANSWERED: Final = "The link was lost before the server answered; try again."
_KEPT: Final = ("broadcast", "send")


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
        """Whether it is sent again after a lost link: it can be, because it has a key."""
        return self.op in _KEPT

    def resolve(self, answer: Reply | Error) -> None:
        """Give the answer to the future; whoever calls this holds no lock."""
        if self.future is None:
            return
        if isinstance(answer, Reply):
            self.future.set_result(answer)
        elif answer.code == LINK_LOST:
            self.future.set_exception(LinkLost(answer.text))
        else:
            self.future.set_exception(refused_by(answer))


class Requests:
    """The open requests of one client, by their own number and by that on the present connection.

    Not locked, but for `number`: the owner holds its lock around each call, and answers after it.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._open: dict[int, Asked] = {}  # in the order of asking
        self._on_the_wire: dict[int, Asked] = {}

    def number(self) -> int:
        """Return a number that no request has yet; from any thread."""
        return next(self._numbers)

    def make(
        self, op: str, fields: dict[str, object], future: Future[Reply] | None, number: int | None
    ) -> Asked:
        """Return a request, with a key where it can be sent again; it is not open yet."""
        if op in _KEPT and not fields.get("key"):
            fields = fields | {"key": new_key()}
        return Asked(self.number() if number is None else number, op, fields, future)

    @property
    def full(self) -> bool:
        """Whether as many wait for an answer as may."""
        return len(self._open) >= UNSENT_LIMIT

    @property
    def kept(self) -> list[dict[str, object]]:
        """The fields of those that are sent again until they are answered."""
        return [each.fields for each in self._open.values() if each.kept]

    def add(self, request: Asked, connection: Connection | None) -> None:
        """Open a request, which is about to be sent on a connection, where there is one."""
        request.sent_on = connection
        self._open[request.number] = request

    def put_on_wire(self, request: Asked, connection: Connection) -> int:
        """Return the number under which a request is sent on a connection."""
        number = connection.number()
        self._on_the_wire[number] = request
        return number

    def settle(self, answer: Reply | Error) -> Asked | None:
        """Return the request that this answers, which is open no longer."""
        request = self._on_the_wire.pop(0 if answer.re is UNSET else answer.re, None)
        if request is not None:
            self._open.pop(request.number, None)
        return request

    def take_over(self, connection: Connection) -> list[Asked]:
        """Return what has not been sent on a connection, in its order; from now on it counts as
        sent on this one."""
        unsent = [each for each in self._open.values() if each.sent_on is not connection]
        for each in unsent:
            each.sent_on = connection
        return unsent

    def any_open(self, numbers: set[int]) -> bool:
        """Tell whether one of these is still open."""
        return not numbers.isdisjoint(self._open)

    def let_go(
        self, connection: Connection, code: str | None, text: str
    ) -> list[tuple[Asked, Error]]:
        """Forget what was asked on a connection that ended with `code`, and cannot be asked again.

        Return each with the answer that it gets.
        """
        self._on_the_wire.clear()
        asked = [each for each in self._open.values() if each.sent_on is connection]
        answers: list[tuple[Asked, Error]] = []
        if asked and code == "line_too_long":
            # It would be the end of every connection it is sent on. The server does not say
            # which it was, but a longer one it cannot have taken either.
            longest = max(asked, key=lambda each: len(encode(each.fields)))
            answers.append((longest, Error(code="line_too_long", text=text)))
            asked.remove(longest)
        answers += [(each, lost(_NOT_ANSWERED)) for each in asked if not each.kept]
        for each, _ in answers:
            del self._open[each.number]
        return answers

    def drain(self) -> list[Asked]:
        """Forget all that are open, and return them."""
        left = list(self._open.values())
        self._open.clear()
        return left


def lost(text: str) -> Error:
    """Return the answer that a lost link is."""
    return Error(code=LINK_LOST, text=text)
