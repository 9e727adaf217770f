"""What a person has had before them: what was shown while, or before, a key was pressed.

What is printed into an empty room is not read; it is when somebody comes and presses a key.
"""

from typing import Final

from chatclient.talk.conversation import Conversation

_PRESENT_SECONDS: Final = 60.0
"""Who has pressed a key so lately still looks on."""

_MOST: Final = 1000
"""Conversations of which it is remembered that they were shown and nobody was there."""


class Attention:
    """Times are in seconds of any steady clock. Used by one thread."""

    def __init__(self) -> None:
        self._key_at: float | None = None
        self._shown: dict[str, tuple[Conversation, int]] = {}
        self._due: dict[str, tuple[Conversation, int]] = {}

    def shown(self, conversation: Conversation, seq: int, now: float) -> bool:
        """Note that something was shown; tell whether somebody saw that."""
        present = self._key_at is not None and now - self._key_at < _PRESENT_SECONDS
        noted = self._due if present else self._shown
        before = noted.get(conversation.key, (conversation, 0))[1]
        if conversation.key in noted or len(noted) < _MOST:
            noted[conversation.key] = conversation, max(seq, before)
        return present

    def key(self, now: float) -> list[tuple[Conversation, int]]:
        """Note that a key was pressed; return what has been read by that, and up to where."""
        self._key_at = now
        seen, self._shown = list(self._shown.values()), {}
        for conversation, seq in seen:
            self.shown(conversation, seq, now)
        return seen

    def due(self) -> tuple[Conversation, int] | None:
        """Return what to tell the server next: a conversation, and up to where it is read."""
        for key in self._due:
            return self._due.pop(key)
        return None
