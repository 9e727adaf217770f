"""What a person has had before them: what was shown while, or before, a key was pressed.

What is printed into an empty room is not read. It is when somebody comes and presses a key, where
it still stands on the screen; what has left that waits until they go there.
"""

from dataclasses import dataclass
from typing import Final

from chatclient.talk.conversation import Conversation

_PRESENT_SECONDS: Final = 60.0
"""Who has pressed a key so lately still looks on."""

_MOST: Final = 1000
"""Conversations of which it is remembered that they were shown and nobody was there."""


@dataclass(slots=True)
class _Unseen:
    """What was shown of a conversation while nobody was there: from which line up to which
    message."""

    conversation: Conversation
    line: int
    seq: int


class Attention:
    """Times are in seconds of any steady clock. Used by one thread."""

    def __init__(self) -> None:
        self._key_at: float | None = None
        self._lines = 0
        self._unseen: dict[str, _Unseen] = {}
        self._due: dict[str, tuple[Conversation, int]] = {}

    def printed(self, lines: int) -> None:
        """Note that so many lines were printed. What is `shown` next begins behind them."""
        self._lines += lines

    def shown(self, conversation: Conversation, seq: int, now: float) -> bool:
        """Note that something was shown; tell whether somebody saw that, and all before it."""
        present = self._key_at is not None and now - self._key_at < _PRESENT_SECONDS
        unseen = self._unseen.get(conversation.key)
        if unseen is not None:
            unseen.seq = max(seq, unseen.seq)
        elif present:
            self._read(conversation, seq)
        elif len(self._unseen) < _MOST:
            self._unseen[conversation.key] = _Unseen(conversation, self._lines, seq)
        return present and unseen is None

    def opened(self, conversation: Conversation, seq: int, now: float) -> bool:
        """Note that somebody went to a conversation and was shown its last lines, up to a number:
        what left the screen before need not be seen. Tell whether they saw that."""
        unseen = self._unseen.pop(conversation.key, None)
        return self.shown(conversation, seq if unseen is None else max(seq, unseen.seq), now)

    def key(
        self, now: float, here: Conversation | None = None, rows: int = 0
    ) -> list[tuple[Conversation, int]]:
        """Note that a key was pressed; return what has been read by that, and up to where: what
        began in the last `rows` lines, and the conversation that one talks in, `here`."""
        self._key_at = now
        seen = [
            (each.conversation, each.seq)
            for key, each in self._unseen.items()
            if each.line >= self._lines - rows or (here is not None and key == here.key)
        ]
        for conversation, seq in seen:
            del self._unseen[conversation.key]
            self._read(conversation, seq)
        return seen

    def read(self, conversation: Conversation | None, upto: int) -> None:
        """Note that a conversation, or all of them, was read elsewhere or by a command."""
        for key, each in list(self._unseen.items()):
            if each.seq <= upto and (conversation is None or key == conversation.key):
                del self._unseen[key]

    def _read(self, conversation: Conversation, seq: int) -> None:
        before = self._due.get(conversation.key, (conversation, 0))[1]
        if conversation.key in self._due or len(self._due) < _MOST:
            self._due[conversation.key] = conversation, max(seq, before)

    def due(self) -> tuple[Conversation, int] | None:
        """Return what to tell the server next: a conversation, and up to where it is read."""
        for key in self._due:
            return self._due.pop(key)
        return None
