"""What waits to be read in each conversation: as the server counts it, kept up by events."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from chatclient.talk.conversation import Conversation, conversation_of, is_mentioned
from chatwire.events import Deleted, Edited, Message
from chatwire.names import fold
from chatwire.protocol import MOST_UNREAD
from chatwire.replies import ConversationsReply, Waiting

_MOST_PLACES: Final = 5000
"""Conversations that are kept in mind; what waits in others is not told."""


@dataclass(slots=True)
class _Place:
    """One conversation. `heard` are the unread messages that have come, each with whether it
    mentions the reader; `older` and `older_mentions` count those before them, which only the server
    has counted; they go up to number `counted`."""

    conversation: Conversation
    read: int = 0
    heard: dict[int, bool] = field(default_factory=dict)
    older: int = 0
    older_mentions: int = 0
    counted: int = 0

    @property
    def count(self) -> int:
        return self.older + len(self.heard)

    @property
    def mentions(self) -> int:
        return self.older_mentions + sum(self.heard.values())


class Unread:
    """The conversations of the account `me`. Used by one thread."""

    def __init__(
        self, me: str, ignores: Callable[[Conversation], bool] = lambda _conversation: False
    ) -> None:
        """What the person `ignores` is counted, for it may end, and does not count as waiting."""
        self._me = me
        self._ignores = ignores
        self._places: dict[str, _Place] = {}

    def hear(self, message: Message) -> None:
        """Count what somebody else has said."""
        if fold(message.sender) == fold(self._me):
            return
        conversation = conversation_of(message, self._me)
        place = None if conversation is None else self._place(conversation)
        # A message that was counted already is heard when its replay comes late.
        if place is None or message.seq <= max(place.read, place.counted):
            return
        place.heard[message.seq] = is_mentioned(message, self._me)
        if len(place.heard) > MOST_UNREAD:
            place.older += 1
            place.older_mentions += place.heard.pop(min(place.heard))

    def change(self, event: Edited | Deleted) -> None:
        """Take what becomes of a message that is not read: it may name the reader, or be gone."""
        conversation = conversation_of(event, self._me)
        place = None if conversation is None else self._places.get(conversation.key)
        if place is None or event.target <= place.read:
            return
        if event.target in place.heard and isinstance(event, Edited):
            place.heard[event.target] = is_mentioned(event, self._me)
        elif event.target in place.heard:
            del place.heard[event.target]

    def learn(self, reply: ConversationsReply) -> None:
        """Take over what the server has counted; what came after that is kept."""
        for waiting in reply.conversations:
            conversation = conversation_of(waiting, self._me)
            place = None if conversation is None else self._place(conversation)
            if place is not None:
                self._count(place, waiting)

    def _count(self, place: _Place, waiting: Waiting) -> None:
        place.read = max(place.read, waiting.read)
        place.counted = max(place.counted, waiting.newest)
        place.heard = {s: m for s, m in place.heard.items() if s > place.read}
        known = [mention for seq, mention in place.heard.items() if seq <= waiting.newest]
        place.older = max(0, waiting.unread - len(known))
        place.older_mentions = max(0, waiting.mentions - sum(known))
        if place.read >= waiting.newest:
            place.older = place.older_mentions = 0

    def read(self, conversation: Conversation | None, upto: int) -> None:
        """Note that a conversation, or all of them, has been read up to a number."""
        if conversation is None:
            for place in self._places.values():
                _read(place, upto)
        elif (found := self._place(conversation)) is not None:
            _read(found, upto)

    def forget(self, conversation: Conversation) -> None:
        """Let go of a room that one is in no longer."""
        self._places.pop(conversation.key, None)

    def position(self, conversation: Conversation) -> int | None:
        """Return the number up to which a conversation has been read, if that is known."""
        place = self._places.get(conversation.key)
        if place is None:
            return None
        if place.read or place.counted:
            return place.read
        return min(place.heard) - 1 if place.heard else None

    def count(self, conversation: Conversation) -> int:
        """Return how many messages wait in a conversation."""
        place = self._places.get(conversation.key)
        return 0 if place is None else place.count

    def next(self, but: Conversation | None) -> Conversation | None:
        """Return the conversation to go to next, if one waits: where one is mentioned, then private
        ones, then rooms; of equals the one that waits longest."""
        here = None if but is None else but.key
        waiting = (each for each in self._waiting() if each.conversation.key != here)
        best = min(waiting, key=_urgency, default=None)
        return None if best is None else best.conversation

    @property
    def total(self) -> int:
        """How many messages wait in all conversations."""
        return sum(each.count for each in self._waiting())

    def parts(self) -> Iterator[str]:
        """Yield what waits in a few words each, the most urgent first: `bob 2`, `#ops 5`, and how
        often one is mentioned: `@you 1`."""
        waiting = sorted(self._waiting(), key=_urgency)
        for each in waiting:
            yield f"{each.conversation.short_title} {_many(each.count)}"
        mentions = sum(each.mentions for each in waiting)
        if mentions:
            yield f"@you {_many(mentions)}"

    def _waiting(self) -> Iterable[_Place]:
        return (
            each
            for each in self._places.values()
            if each.count and not self._ignores(each.conversation)
        )

    def _place(self, conversation: Conversation) -> _Place | None:
        place = self._places.get(conversation.key)
        if place is None and len(self._places) < _MOST_PLACES:
            place = self._places[conversation.key] = _Place(conversation)
        return place


def _read(place: _Place, upto: int) -> None:
    place.read = max(place.read, upto)
    if upto >= min(place.heard, default=place.counted + 1) - 1:
        place.older = place.older_mentions = 0
    place.heard = {seq: mention for seq, mention in place.heard.items() if seq > upto}


def _urgency(place: _Place) -> tuple[bool, bool, int]:
    oldest = min(place.heard, default=place.counted) if not place.older else place.read
    return not place.mentions, not place.conversation.to, oldest


def _many(count: int) -> str:
    return f"{MOST_UNREAD}+" if count >= MOST_UNREAD else str(count)
