"""Names that somebody wants to talk to: whether there is anybody of that name.

Only the server knows. Any request that names an account is answered alike for somebody hidden,
never seen or here; `history` is one that has no effect.
"""

from collections.abc import Iterable, Iterator

from chatclient.talk.commandline import CommandLine
from chatclient.talk.conversation import Conversation
from chatclient.talk.request import Request
from chatwire.names import fold
from chatwire.protocol import Error, Reply
from chatwire.usage import near


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
        """Yield what to ask before talking to somebody, for each name that is not `known`."""
        heard_of = set(map(fold, known))
        for name in conversation.to if conversation is not None and self._possible else ():
            if fold(name) not in heard_of:
                yield Request("history", {"with": name, "limit": 1})

    def ask(self, number: int, name: str) -> None:
        """Take note of a question that is going to be sent under this number."""
        self._asked[number] = name

    def answer(self, event: Reply | Error) -> str | None:
        """Return the name, if the answer is that nobody has it."""
        name = self._asked.pop(event.re, None) if isinstance(event.re, int) else None
        return name if isinstance(event, Error) and event.code == "no_such_user" else None


def nobody_called(name: str, known: Iterable[str]) -> str:
    """Return the sentence that refuses to talk to a name that nobody has."""
    close = near(name, known)
    meant = f" Did you mean {close}?" if close else ""
    return f"There is nobody called {name}.{meant} What you type goes to nobody; use commands."
