"""Which messages a program has had or said itself, so that a replay gives none of them again."""

from typing import Final

from msgspec import structs

from chatwire.names import fold
from chatwire.protocol import Event, Message, Replayed

_MOST_SAID: Final = 1000
"""How many of its own messages a client knows again; a replay has 500 at most."""


class Seen:
    """What one client, logged in as `name`, has had over all its links. For the keeper alone;
    any thread may read `upto`."""

    def __init__(self, name: str = "", upto: int = 0) -> None:
        self.upto = upto
        """The number of the last message that the program has had."""
        self._name = fold(name)
        self._said: set[int] = set()  # own messages that may still come back in a replay
        self._replayed = 0  # messages of the present replay that the program has had

    def note_said(self, seq: int) -> None:
        """Take note of a message that the server has taken from this very client."""
        self._said.add(seq)
        if len(self._said) > 2 * _MOST_SAID:
            self._said = set(sorted(self._said)[-_MOST_SAID:])

    def fresh(self, event: Event) -> list[Event]:
        """Return an event as the program is to have it, if at all; note that it has.

        Not a message that it has had, or said; and the end of a replay counts what it was given.
        """
        match event:
            case Replayed():
                count, self._replayed = self._replayed, 0
                return [structs.replace(event, count=count)] if count or event.more else []
            case Message():
                if not self._is_new(event):
                    return []
                self._replayed += event.replay is True
        return [event]

    def _is_new(self, message: Message) -> bool:
        own = message.seq in self._said and fold(message.sender) == self._name
        self._said.discard(message.seq)
        had = message.seq <= self.upto
        self.upto = max(message.seq, self.upto)
        return not own and not had
