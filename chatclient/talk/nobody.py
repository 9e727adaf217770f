"""Names and rooms that somebody wants to talk to, or in: whether there is any of that name.

Only the server knows. Any request that names an account is answered alike for somebody hidden,
never seen or here; `history` is one that has no effect.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from chatclient.talk.commandline import CommandLine
from chatclient.talk.conversation import Conversation
from chatclient.talk.request import Request
from chatwire.events import Error
from chatwire.names import fold
from chatwire.replies import Reply
from chatwire.usage import near

_NOWHERE: Final = ("no_such_user", "no_such_room", "not_a_member")


class NamesAsked:
    """The names that the server has been asked about. Used by one thread, or under its rules."""

    def __init__(self, commands: CommandLine) -> None:
        """`commands` are the server's; one without `history` is not asked."""
        self._possible = commands.find("history") is not None
        self._asked: dict[int, str] = {}

    def waits_for(self, event: Reply | Error) -> bool:
        """Tell whether this is the answer to a question of ours."""
        return event.re in self._asked

    def questions(
        self, conversation: Conversation | None, known: Iterable[str]
    ) -> Iterator[Request]:
        """Yield what to ask before talking to somebody, for each name that is not `known`; and
        before talking in a room."""
        if conversation is None or conversation.is_lobby or not self._possible:
            return
        if not conversation.to:
            yield Request("history", {"room": conversation.room, "limit": 1})
        heard_of = set(map(fold, known))
        for name in conversation.to:
            if fold(name) not in heard_of:
                yield Request("history", {"with": name, "limit": 1})

    def ask(self, number: int, name: str) -> None:
        """Take note of a question that is going to be sent under this number."""
        self._asked[number] = name

    def answer(self, event: Reply | Error) -> str | None:
        """Return the name, if the answer is that nobody has it, or no room that one may enter."""
        name = self._asked.pop(event.re, None) if isinstance(event.re, int) else None
        return name if isinstance(event, Error) and event.code in _NOWHERE else None


def nowhere_called(conversation: Conversation, name: str, known: Iterable[str]) -> str:
    """Return the sentence that refuses to talk to a name that nobody has, or in such a room."""
    if conversation.to:
        return nobody_called(name, known)
    return f"There is no room #{name} that you are in. What you type goes to nobody; use commands."


def nobody_called(name: str, known: Iterable[str]) -> str:
    """Return the sentence that refuses to talk to a name that nobody has."""
    close = near(name, known)
    meant = f" Did you mean {close}?" if close else ""
    return f"There is nobody called {name}.{meant} What you type goes to nobody; use commands."
