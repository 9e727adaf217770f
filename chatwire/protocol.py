"""`chat/1`: how events and replies are written as JSON, one object a line, and the bounds of it."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Struct

from chatwire.events import (
    Bye,
    Deleted,
    Edited,
    Error,
    Event,
    Hello,
    Message,
    Ping,
    Presence,
    Reacted,
    ReadOn,
    Replayed,
    RoomChanged,
    Typing,
)
from chatwire.replies import (
    BroadcastReply,
    ChangeReply,
    ConversationsReply,
    DevicesReply,
    HelpReply,
    HistoryReply,
    LastReply,
    LoginReply,
    MembersReply,
    ReadReply,
    Reply,
    RevokeReply,
    RoomReply,
    RoomsReply,
    SearchReply,
    SendReply,
    StatusReply,
    WhoReply,
)

DEFAULT_PORT: Final = 4119
MAX_KEY_LENGTH: Final = 64
MOST_UNREAD: Final = 100
"""Where a server stops to count what is unread in one conversation."""
MOST_COUNTED: Final = 10_000
"""Where a server stops to count what waits: so much is so much or more."""

_REPLIES: Final[dict[str, type[Reply]]] = {
    "login": LoginReply,
    "resume": LoginReply,
    "who": WhoReply,
    "last": LastReply,
    "broadcast": BroadcastReply,
    "send": SendReply,
    "reply": SendReply,
    "answer": SendReply,
    "status": StatusReply,
    "devices": DevicesReply,
    "revoke": RevokeReply,
    "help": HelpReply,
    "history": HistoryReply,
    "search": SearchReply,
    "create": RoomReply,
    "join": RoomReply,
    "rooms": RoomsReply,
    "members": MembersReply,
    "conversations": ConversationsReply,
    "unread": ConversationsReply,
    "read": ReadReply,
    "edit": ChangeReply,
    "delete": ChangeReply,
    "react": ChangeReply,
    "leave": ChangeReply,
    "invite": ChangeReply,
    "remove": ChangeReply,
    "role": ChangeReply,
    "mute": ChangeReply,
    "topic": ChangeReply,
    "set": ChangeReply,
}
_EVENTS: Final[dict[str, type[Event]]] = {
    "hello": Hello,
    "message": Message,
    "edited": Edited,
    "deleted": Deleted,
    "reacted": Reacted,
    "room": RoomChanged,
    "read": ReadOn,
    "typing": Typing,
    "presence": Presence,
    "replayed": Replayed,
    "ping": Ping,
    "error": Error,
    "bye": Bye,
}


class ProtocolError(ValueError):
    """The other side sent a line that is not `chat/1`."""


class _Envelope(Struct):
    event: str
    op: str = ""


_ENCODER: Final = msgspec.json.Encoder()
_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_KINDS: Final[list[type[Event]]] = [Reply, *_EVENTS.values(), *_REPLIES.values()]
_DECODERS: Final[dict[type[Event], msgspec.json.Decoder[Event]]] = {
    kind: msgspec.json.Decoder(kind) for kind in _KINDS
}


def encode(item: object) -> bytes:
    """Return an event, or a request as a dict, as one line of compact JSON with its LF."""
    return _ENCODER.encode(item) + b"\n"


def decode_event(line: bytes) -> Event | None:
    """Return the event in `line`, or None for one that this version does not know.

    Raises ProtocolError when the line is not an event at all.
    """
    try:
        envelope = _ENVELOPE.decode(line)
        if envelope.event == "reply":
            return _DECODERS[_REPLIES.get(envelope.op, Reply)].decode(line)
        kind = _EVENTS.get(envelope.event)
        return None if kind is None else _DECODERS[kind].decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(str(error)) from error


def timestamp(milliseconds: int) -> str:
    """Return milliseconds since 1970 (UTC) as the wire has them: `2026-11-22T15:24:02.123Z`."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
