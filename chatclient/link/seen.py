"""Which messages a program has had or said itself, so that a replay gives none of them again."""

from typing import Final

from chatwire.names import fold
from chatwire.protocol import Message

_MOST_SAID: Final = 1000
"""How many of its own messages a client knows again; a replay has 500 at most."""


class Seen:
    """Numbers of messages, over all links of one client. Not locked: that is the owner's affair."""

    def __init__(self, upto: int = 0) -> None:
        self.upto = upto
        """The number of the last message that the program has had."""
        self._said: set[int] = set()  # own messages that may still come back in a replay

    def note_said(self, seq: int) -> None:
        """Take note of a message that the server has taken from this very client."""
        self._said.add(seq)
        if len(self._said) > 2 * _MOST_SAID:
            self._said = set(sorted(self._said)[-_MOST_SAID:])

    def is_new(self, message: Message, name: str) -> bool:
        """Tell whether the program, logged in as `name`, is to have a message; note that it has."""
        own = fold(message.sender) == fold(name) and message.seq in self._said
        self._said.discard(message.seq)
        had = message.seq <= self.upto
        self.upto = max(message.seq, self.upto)
        return not own and not had
