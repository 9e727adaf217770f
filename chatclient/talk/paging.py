"""How far back somebody has read: `more` goes on where the last history began."""

from dataclasses import replace

from chatclient.talk.conversation import conversation_of
from chatclient.talk.request import Request
from chatwire.events import Error, Event
from chatwire.replies import HistoryReply
from chatwire.usage import UsageError


class Paging:
    """The history that the account `me` was shown last, or what stands around a message.

    Two threads may use it, one that asks and one that hears.
    """

    def __init__(self, me: str) -> None:
        self._me = me
        self._asked: dict[int, Request] = {}  # without an answer, by number
        self._next: Request | None = None

    def ask(self, number: int, request: Request) -> None:
        """Take note of a request that is going to be sent under this number."""
        if request.op in ("history", "around"):
            self._asked[number] = request

    def hear(self, event: Event) -> None:
        """Take note of an answer."""
        if not isinstance(event, HistoryReply | Error) or not isinstance(event.re, int):
            return
        request = self._asked.pop(event.re, None)
        if request is None or not isinstance(event, HistoryReply):
            return
        self._next = None
        if event.more and event.messages:
            first = event.messages[0]
            there = conversation_of(first, self._me)
            fields = request.fields
            if request.op == "around":
                fields = {} if there is None else there.past
            self._next = Request("history", fields | {"before": first.seq}, request.numbered)

    def more(self, *, numbered: bool = False) -> Request:
        """Return the request for what came before, `numbered` or as before. Raises UsageError."""
        if self._next is None:
            raise UsageError("There is nothing to go on with: type history first.")
        return replace(self._next, numbered=True) if numbered else self._next
