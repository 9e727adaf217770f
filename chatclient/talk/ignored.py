"""Whom and what somebody does not want to hear of: people and conversations. Only the client knows.

It is kept in a file beside the settings, a line each: the server, and the key of a conversation.
That of one person's is the name, so that whoever is ignored is ignored everywhere.
"""

from pathlib import Path
from typing import Final, TypeVar

from msgspec import structs

from chatclient.home import write_own
from chatclient.talk.conversation import Conversation, conversation_of
from chatwire.events import Deleted, Edited, Event, Message, Presence, Reacted, RoomChanged, Typing
from chatwire.names import LOBBY, fold
from chatwire.replies import (
    CommandHelp,
    ConversationsReply,
    HistoryReply,
    Parameter,
    SearchReply,
    Waiting,
)
from chatwire.room_wording import unread_lines
from chatwire.rooms import room_name
from chatwire.text import one_line
from chatwire.usage import UsageError

IGNORE: Final = CommandHelp(
    name="ignore",
    aliases=(),
    group="people",
    summary="Hear nothing of somebody, or of a room; -bob ends that; alone: of whom.",
    parameters=(Parameter(name="whom", label="user or #room", kind="words", required=False),),
)
"""Ignores a person or a conversation, on this side."""

_MOST: Final = 1000
_Event = TypeVar("_Event", bound=Event)


class Ignored:
    """What the account `me` ignores on one server. One thread changes it; others may ask."""

    def __init__(self, me: str, place: str, file: Path) -> None:
        """`place` is the server's, as in `known_servers`. Raises OSError and ValueError for a file
        that cannot be read."""
        self._me = fold(me)
        self._place = place
        self._file = file
        self._keys = set(self._read())

    def change(self, typed: str) -> str:
        """Do what was typed behind `ignore`; return the sentence to show.

        Raises UsageError, also where the file cannot be written; then nothing has changed.
        """
        word = typed.strip()
        if not word:
            return self._list()
        key = _key(word.removeprefix("-"))
        if key == self._me:
            raise UsageError("You cannot ignore yourself.")
        keys = self._keys - {key} if word.startswith("-") else self._keys | {key}
        if word.startswith("-") and key not in self._keys:
            raise UsageError(f"You do not ignore {_shown(key)}. {self._list()}")
        if len(keys) > _MOST:
            raise UsageError(f"You ignore {_MOST} already; end that for one with ignore -NAME.")
        try:
            self._write(keys)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"That cannot be kept in {self._file}: {reason}.") from error
        self._keys = keys
        if word.startswith("-"):
            return f"You hear of {_shown(key)} again."
        return f"You hear nothing of {_shown(key)} any more; ignore -{_shown(key)} ends that."

    def hides(self, event: Event) -> bool:
        """Tell whether an event is not to be shown, and rings and counts for nothing."""
        match event:
            case Message() | Edited() | Deleted() | Reacted() | Typing() | RoomChanged():
                conversation = conversation_of(event, self._me)
                who = fold(event.sender)
                hidden = conversation is not None and conversation.key in self._keys
                return hidden or who in self._keys
            case Presence(name=name):
                return fold(name) in self._keys
        return False

    def ignores(self, conversation: Conversation) -> bool:
        """Tell whether a conversation is ignored as a whole."""
        return conversation.key in self._keys

    def without(self, answer: _Event) -> _Event:
        """Return messages of the past without those of people who are ignored, what waits without
        what is ignored, and anything else as it is; a conversation that was asked for is shown."""
        if isinstance(answer, ConversationsReply):
            waiting = tuple(each for each in answer.conversations if not self._is_among(each))
            return structs.replace(answer, conversations=waiting)
        if not isinstance(answer, HistoryReply | SearchReply):
            return answer
        kept = tuple(each for each in answer.messages if fold(each.sender) not in self._keys)
        return (
            structs.replace(answer, messages=kept) if len(kept) < len(answer.messages) else answer
        )

    def note(self, answer: Event) -> str:
        """Return the sentence about what waits and is ignored, for the answer to `unread`; nothing
        where nothing does."""
        if not isinstance(answer, ConversationsReply):
            return ""
        waits = [each for each in answer.conversations if each.unread and self._is_among(each)]
        return f"You ignore {'; '.join(map(one_line, unread_lines(waits)))}." if waits else ""

    def _is_among(self, waiting: Waiting) -> bool:
        conversation = conversation_of(waiting, self._me)
        return conversation is not None and self.ignores(conversation)

    def _list(self) -> str:
        if not self._keys:
            return "You ignore nobody."
        return f"You ignore {', '.join(map(_shown, sorted(self._keys)))}."

    def _lines(self) -> list[str]:
        try:
            return self._file.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _read(self) -> list[str]:
        pairs = (line.partition(" ") for line in self._lines())
        return [one_line(key) for place, _, key in pairs if place == self._place][:_MOST]

    def _write(self, keys: set[str]) -> None:
        others = [line for line in self._lines() if line.partition(" ")[0] != self._place]
        lines = [*others, *(f"{self._place} {key}" for key in sorted(keys))]
        write_own(self._file, "".join(f"{line}\n" for line in lines).encode())


def _key(word: str) -> str:
    """Return the key of what was typed: `bob`, `#ops`, `lobby`, `(bob carol)`."""
    word = one_line(word)
    room = LOBBY if fold(word) == LOBBY else room_name(word)
    if room is not None:
        return Conversation(room=room).key
    names = tuple(word.strip("()").replace(",", " ").split())
    if not names:
        raise UsageError("Type ignore and a name, or a room such as #ops.")
    return Conversation(names).key


def _shown(key: str) -> str:
    return f"({key})" if " " in key else key
