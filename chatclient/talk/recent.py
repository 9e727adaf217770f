"""The messages a client remembers: to quote what is answered, and to know which is meant."""

from collections.abc import Mapping
from typing import Final

from msgspec import UNSET, Struct, structs

from chatclient.talk.conversation import Conversation, conversation_of
from chatwire.events import Deleted, Edited, Message, Reacted
from chatwire.names import fold
from chatwire.usage import Value

_MOST: Final = 2000
_MOST_CHARACTERS: Final = 4000
"""Of a text; what is longer is remembered by its beginning, and not offered to be corrected."""

_QUOTED: Final = 40


class Remembered(Struct, frozen=True):
    """One message; `own`: the reader has said it; `text` is None once it is deleted."""

    seq: int
    conversation: Conversation
    sender: str
    own: bool
    text: str | None
    reactions: frozenset[str] = frozenset()
    """The reader's own."""

    @property
    def whole(self) -> str | None:
        """Its text, where all of that is remembered."""
        fits = self.text is not None and len(self.text) <= _MOST_CHARACTERS
        return self.text if fits else None


class Recent:
    """The last messages that the account `me` has heard or said. Used by one thread."""

    def __init__(self, me: str) -> None:
        self._me = me
        self._messages: dict[
            int, Remembered
        ] = {}  # in the order of hearing, which jumps back for history

    def hear(self, message: Message) -> None:
        """Remember a message."""
        conversation = conversation_of(message, self._me)
        assert conversation is not None
        self._keep(
            Remembered(
                message.seq,
                conversation,
                message.sender,
                fold(message.sender) == fold(self._me),
                None if message.deleted is True else message.text[: _MOST_CHARACTERS + 1],
                self._own_reactions(message),
            )
        )

    def _own_reactions(self, message: Message) -> frozenset[str]:
        found = {} if message.reactions is UNSET else message.reactions
        me = fold(self._me)
        return frozenset(each for each, names in found.items() if me in map(fold, names))

    def change(self, event: Edited | Deleted | Reacted) -> None:
        """Remember what became of a message."""
        if not isinstance(event, Reacted):
            self.correct(event.target, event.text if isinstance(event, Edited) else None)
        elif fold(event.sender) == fold(self._me):
            self._react(event.target, event.reaction, on=event.on)

    def reacted(self, fields: Mapping[str, Value]) -> None:
        """Remember what the reader has asked for with these fields of `react`."""
        target, on = fields.get("target"), fields.get("on") is not False
        if isinstance(target, int):
            self._react(target, str(fields["reaction"]), on=on)

    def _react(self, seq: int, reaction: str, *, on: bool) -> None:
        found = self._messages.get(seq)
        if found is not None:
            others = found.reactions - {reaction}
            now = others | {reaction} if on else others
            self._messages[seq] = structs.replace(found, reactions=now)

    def correct(self, seq: int, text: str | None) -> None:
        """Remember that a message reads otherwise now; None: it is deleted."""
        found = self._messages.get(seq)
        if found is not None:
            now = None if text is None else text[: _MOST_CHARACTERS + 1]
            self._messages[seq] = structs.replace(found, text=now)

    def find(self, seq: int) -> Remembered | None:
        """Return a message by its number."""
        return self._messages.get(seq)

    def last(self, conversation: Conversation | None, *, own: bool) -> Remembered | None:
        """Return the last message in a conversation, or anywhere, of the reader or of another."""
        for each in self._newest_first():
            here = conversation is None or each.conversation.key == conversation.key
            if here and each.own == own and each.text is not None:
                return each
        return None

    def last_reacted(self, conversation: Conversation | None, reaction: str) -> Remembered | None:
        """Return the last message in a conversation, or anywhere, with a reaction of the reader."""
        for each in self._newest_first():
            here = conversation is None or each.conversation.key == conversation.key
            if here and reaction in each.reactions:
                return each
        return None

    def last_private(self) -> Conversation | None:
        """Return where the last private message of somebody else was said."""
        for each in self._newest_first():
            if each.conversation.to and not each.own:
                return each.conversation
        return None

    def quote(self, seq: int) -> str:
        """Return a message in a few words: `bob: are you there…`; else how to look it up."""
        found = self._messages.get(seq)
        if found is None:
            return f"an older message; around ^{seq} shows it"
        if found.text is None:
            return f"{found.sender}: (deleted)"
        text = " ".join(found.text[: 4 * _QUOTED].split())
        cut = text if len(text) <= _QUOTED else f"{text[:_QUOTED].rstrip()}…"
        return f"{found.sender}: {cut}"

    def _newest_first(self) -> list[Remembered]:
        return sorted(self._messages.values(), key=lambda each: -each.seq)

    def _keep(self, message: Remembered) -> None:
        self._messages[message.seq] = message
        if len(self._messages) > _MOST:
            del self._messages[next(iter(self._messages))]
