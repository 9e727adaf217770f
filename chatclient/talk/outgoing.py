"""What was typed and has not been answered yet."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from msgspec import UNSET

from chatclient.talk.conversation import Conversation
from chatclient.talk.request import Request
from chatwire.events import Message
from chatwire.names import LOBBY
from chatwire.replies import BroadcastReply, SendReply


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request on its way, the line that it was typed as, and what stood before that."""

    line: str
    request: Request
    prompt: str = ""

    @property
    def says_something(self) -> bool:
        """Whether it is a message of which is known where it goes, and not a question."""
        return self.request.op in ("broadcast", "send")

    @property
    def words(self) -> bool:
        """Whether it holds words that would be a pity to lose."""
        return "text" in self.request.fields

    @property
    def conversation(self) -> Conversation:
        """Where it is said, if it is a message."""
        fields = self.request.fields
        return Conversation(
            tuple(cast(list[str], fields.get("to", ()))), str(fields.get("room", LOBBY))
        )

    def message(self, sender: str, seq: int = 0) -> Message:
        """Return it as the message it is going to be, said now."""
        fields, where = self.request.fields, self.conversation
        reply_to = fields.get("reply_to")
        return Message(
            seq=seq,
            at=datetime.now(UTC).isoformat(),
            sender=sender,
            room=UNSET if where.to else where.room,
            to=where.to or UNSET,
            text=str(fields["text"]),
            reply_to=reply_to if isinstance(reply_to, int) else UNSET,
        )


class BusyTold:
    """What busy people want to be said has been said once; then "busy" is enough."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def outcome(self, reply: BroadcastReply | SendReply) -> str:
        """Return in a few words what became of a message, where it is more than delivered."""
        parts = []
        if isinstance(reply, SendReply) and reply.stored:
            parts.append(f"stored for {', '.join(reply.stored)}")
        for name, words in reply.busy.items():
            known = self._told.get(name) == words
            parts.append(f"{name} is busy" + (f": {words}" if words and not known else ""))
            self._told[name] = words
        if isinstance(reply, SendReply) and reply.unknown:
            parts.append(f"no such user: {', '.join(reply.unknown)}")
        return "; ".join(parts)
