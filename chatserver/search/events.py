"""What is on disk as events: messages and changes, as their readers get them."""

from typing import Any

import msgspec
from msgspec import UNSET

from chatserver.order.outcome import Change
from chatserver.storage.past import StoredMessage
from chatwire.events import Deleted, Edited, Message, Reacted, RoomChanged
from chatwire.protocol import timestamp


def event_of(stored: StoredMessage) -> Message:
    """Return a stored message as its readers get it."""
    message = Message(
        seq=stored.seq, at=timestamp(stored.at), sender=stored.sender, text=stored.text
    )
    if stored.room is None:
        message.to = stored.to
    else:
        message.room = stored.room
    if stored.kind != "text":
        message.kind = stored.kind
    if stored.reply_to is not None:
        message.reply_to = stored.reply_to
    if stored.mentions:
        message.mentions = stored.mentions
    if stored.deleted is not None:
        message.deleted = True
    elif stored.edited is not None:
        message.edited = timestamp(stored.edited)
    if stored.reactions:
        reactions: dict[str, tuple[str, ...]] = {}
        for reaction, name in stored.reactions:
            reactions[reaction] = (*reactions.get(reaction, ()), name)
        message.reactions = reactions
    return message


def event_of_change(change: Change) -> Edited | Deleted | Reacted | RoomChanged:
    """Return a change as its readers get it."""
    common: dict[str, Any] = {
        "seq": change.seq,
        "at": timestamp(change.at),
        "sender": change.by,
        "room": UNSET if change.room is None else change.room,
    }
    if change.target is None:
        return RoomChanged(change=change.kind, **common, **_details(change))
    common["to"] = change.to if change.room is None else UNSET
    common["target"] = change.target
    if change.kind == "edit":
        return Edited(text=change.value, mentions=change.mentions or UNSET, **common)
    if change.kind == "delete":
        return Deleted(**common)
    return Reacted(reaction=change.value, on=change.kind == "react", **common)


def _details(change: Change) -> dict[str, Any]:
    """Return what else there is to know of what happened to a room."""
    details: dict[str, Any] = {} if change.name is None else {"name": change.name}
    match change.kind:
        case "role":
            details["role"] = change.value
        case "muted":
            details["minutes"] = int(change.value)
        case "topic":
            details["topic"] = change.value
        case "set":
            details |= msgspec.json.decode(change.value)
        case "removed" if change.value:
            details["reason"] = change.value
    return details
