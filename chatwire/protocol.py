"""`chat/1`: the events a server sends and how they are written as JSON, one object a line.

The requests are not here: what a command takes is declared once, where the command is (see
`chatserver.commands`), and described to clients by `CommandHelp` in the reply to `help`.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

PROTOCOL: Final = "chat/1"
DEFAULT_PORT: Final = 4119
MAX_KEY_LENGTH: Final = 64
MOST_UNREAD: Final = 100
"""Where a server stops to count what is unread in one conversation."""
MOST_COUNTED: Final = 10_000
"""Where a server stops to count what waits: so much is so much or more."""

Code: TypeAlias = Literal[
    "bad_request",
    "unknown_command",
    "bad_credentials",
    "locked_out",
    "not_logged_in",
    "already_logged_in",
    "no_such_user",
    "no_such_room",
    "no_such_message",
    "room_exists",
    "not_a_member",
    "not_allowed",
    "muted",
    "too_late",
    "text_too_long",
    "line_too_long",
    "invalid_utf8",
    "rate_limited",
    "try_later",
    "server_full",
    "storage_full",
    "idle_timeout",
    "login_timeout",
    "too_slow",
    "shutting_down",
    "logged_out",
    "kicked",
    "disabled",
    "password_changed",
    "internal",
]
"""Every reason an `error` or a `bye` may carry."""

PresenceState: TypeAlias = Literal["online", "offline", "busy", "idle"]

ParameterKind: TypeAlias = Literal[
    "name", "names", "number", "word", "words", "room", "place", "target", "settings"
]
"""How a parameter is typed: one name, one or several names in brackets, a whole number, one word,
the rest of the line; a room as `#ops`; a place, which is a room (`room` on the wire, then), a name
or several; the number of a message as `^12`; words that set a room up, each a field on the wire
(`chatwire.rooms`)."""

Role: TypeAlias = Literal["owner", "moderator", "member"]
Access: TypeAlias = Literal["open", "closed"]
Speaking: TypeAlias = Literal["everyone", "moderators"]
Past: TypeAlias = Literal["all", "joined"]


class Event(Struct, kw_only=True, tag_field="event"):
    """Anything a server sends. Clients ignore events and fields that they do not know."""


class Hello(Event, kw_only=True, tag="hello"):
    """The first line on a json connection."""

    protocol: str = PROTOCOL
    server: str
    can: tuple[str, ...] = ()
    """The requests there are: a client sends no other."""
    most_characters: int | UnsetType = UNSET
    """How many a message may have, where there is a limit."""


class Message(Event, kw_only=True, tag="message"):
    """Something somebody said: to a `room` or `to` the accounts named.

    `mentions` are the accounts that its text names. Where it is from the past, `edited` is when its
    words were last corrected, `deleted` tells that they were taken away, and `reactions` has who
    reacted, by what.
    """

    seq: int
    at: str
    sender: str = field(name="from")
    room: str | UnsetType = UNSET
    to: tuple[str, ...] | UnsetType = UNSET
    text: str
    kind: str | UnsetType = UNSET
    reply_to: int | UnsetType = UNSET
    mentions: tuple[str, ...] | UnsetType = UNSET
    edited: str | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET
    reactions: dict[str, tuple[str, ...]] | UnsetType = UNSET
    replay: bool | UnsetType = UNSET


class Edited(Event, kw_only=True, tag="edited"):
    """The words of message `target` were corrected: it reads `text` now."""

    seq: int
    at: str
    sender: str = field(name="from")
    room: str | UnsetType = UNSET
    to: tuple[str, ...] | UnsetType = UNSET
    target: int
    text: str
    mentions: tuple[str, ...] | UnsetType = UNSET
    replay: bool | UnsetType = UNSET


class Deleted(Event, kw_only=True, tag="deleted"):
    """The words of message `target` were taken away, by `from`."""

    seq: int
    at: str
    sender: str = field(name="from")
    room: str | UnsetType = UNSET
    to: tuple[str, ...] | UnsetType = UNSET
    target: int
    replay: bool | UnsetType = UNSET


class Reacted(Event, kw_only=True, tag="reacted"):
    """Somebody reacted to message `target`, or, where it is not `on`, no longer does."""

    seq: int
    at: str
    sender: str = field(name="from")
    room: str | UnsetType = UNSET
    to: tuple[str, ...] | UnsetType = UNSET
    target: int
    reaction: str
    on: bool
    replay: bool | UnsetType = UNSET


class RoomChanged(Event, kw_only=True, tag="room"):
    """Something about a room changed: `change` says what, `from` by whom, `name` for whom."""

    seq: int
    at: str
    room: str
    change: str
    """made, joined, left, invited, withdrawn (an invitation), removed, role, muted, topic, set."""
    sender: str = field(name="from")
    name: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    minutes: int | UnsetType = UNSET
    """Of a mute; 0 ends it."""
    reason: str | UnsetType = UNSET
    topic: str | UnsetType = UNSET
    access: str | UnsetType = UNSET
    speaking: str | UnsetType = UNSET
    history: str | UnsetType = UNSET
    replay: bool | UnsetType = UNSET


Numbered: TypeAlias = Message | Edited | Deleted | Reacted | RoomChanged
"""Events with a `seq`: what belongs to a conversation's past. They share one numbering, and are
replayed and acknowledged."""


class ReadOn(Event, kw_only=True, tag="read"):
    """Another session of the account has read a conversation up to `upto`."""

    room: str | UnsetType = UNSET
    with_: tuple[str, ...] | UnsetType = field(name="with", default=UNSET)
    upto: int


class Typing(Event, kw_only=True, tag="typing"):
    """Somebody is writing something, in a `room` or to the reader and the others in `to`."""

    sender: str = field(name="from")
    room: str | UnsetType = UNSET
    to: tuple[str, ...] | UnsetType = UNSET


class Presence(Event, kw_only=True, tag="presence"):
    """Somebody came, went, or is or is no longer busy."""

    name: str
    state: str
    """One of PresenceState, or what a later version has."""


class Replayed(Event, kw_only=True, tag="replayed"):
    """The end of a replay: `count` messages were shown, `more` older ones were not."""

    count: int
    more: int


class Ping(Event, kw_only=True, tag="ping"):
    """The server asks whether the client is there; the answer is the request `pong`."""


class Error(Event, kw_only=True, tag="error"):
    """A request was refused and had no effect."""

    re: int | UnsetType = UNSET
    code: str
    text: str
    attempts_left: int | UnsetType = UNSET
    retry_after: int | UnsetType = UNSET


class Bye(Event, kw_only=True, tag="bye"):
    """The last line on a connection, and why it is."""

    code: str
    text: str


class Reply(Event, kw_only=True, tag="reply"):
    """The answer to a request that was carried out."""

    re: int | UnsetType = UNSET
    op: str


class LoginReply(Reply, kw_only=True, tag="reply"):
    """`seq` is the newest message, `missed` how many came since this account last read."""

    op: str = "login"
    name: str
    online: tuple[str, ...]
    seq: int
    missed: int
    busy: bool
    hidden: bool
    invited: tuple[str, ...] = ()
    """The rooms to which the account is invited."""
    replay: bool | UnsetType = UNSET
    """Whether a replay follows: of messages that were missed, or of changes alone."""


class Here(Struct, kw_only=True, frozen=True):
    """One account in the answer to `who`."""

    name: str
    busy: bool
    idle_seconds: int


class WhoReply(Reply, kw_only=True, tag="reply"):
    """The other accounts that are here."""

    op: str = "who"
    users: tuple[Here, ...]


class Seen(Struct, kw_only=True, frozen=True):
    """One account in the answer to `last`."""

    name: str
    online: bool
    seconds_ago: int


class LastReply(Reply, kw_only=True, tag="reply"):
    """The accounts that were here lately, the latest first."""

    op: str = "last"
    users: tuple[Seen, ...]


class BroadcastReply(Reply, kw_only=True, tag="reply"):
    """The message is on disk as `seq`; `busy` has the accounts that will see it later, with what
    they want to be said meanwhile."""

    op: str = "broadcast"
    seq: int
    busy: dict[str, str]
    duplicate: bool | UnsetType = UNSET


class SendReply(Reply, kw_only=True, tag="reply"):
    """The message is on disk as `seq`; every account named is in exactly one of the others."""

    op: str = "send"
    seq: int
    delivered: tuple[str, ...]
    stored: tuple[str, ...]
    busy: dict[str, str]
    unknown: tuple[str, ...]
    duplicate: bool | UnsetType = UNSET


class ChangeReply(Reply, kw_only=True, tag="reply"):
    """What was asked for has happened, as `seq`; or it was so already, then that is the newest."""

    seq: int
    duplicate: bool | UnsetType = UNSET


class Room(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One room, as the asker may see it. `role` is the asker's own; without it he is no member."""

    name: str
    topic: str = ""
    access: str
    speaking: str = "everyone"
    history: str = "all"
    people: int
    role: str = ""
    invited: bool = False
    unread: int = 0
    mentions: int = 0


class RoomReply(Reply, kw_only=True, tag="reply"):
    """The room that was made or joined, and as which `seq`."""

    seq: int
    room: Room
    duplicate: bool | UnsetType = UNSET


class RoomsReply(Reply, kw_only=True, tag="reply"):
    """The rooms that the asker is in, is invited to or may join, in the order of their names."""

    op: str = "rooms"
    rooms: tuple[Room, ...]


class RoomMember(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One account in a room."""

    name: str
    role: str
    here: bool
    busy: bool = False
    muted: bool = False


class MembersReply(Reply, kw_only=True, tag="reply"):
    """Who is in a room, in the order of their names, and who is invited."""

    op: str = "members"
    room: str
    members: tuple[RoomMember, ...]
    invited: tuple[str, ...] = ()


class Waiting(Struct, kw_only=True, frozen=True):
    """One conversation: a `room`, or `with` these others (oneself, where one talks to oneself).

    `newest` is its newest message or change, `read` how far its reader has looked; `unread` and
    `mentions` count what others said after that, up to a bound (`MOST_UNREAD`).
    """

    room: str | UnsetType = UNSET
    with_: tuple[str, ...] | UnsetType = field(name="with", default=UNSET)
    newest: int
    read: int
    unread: int
    mentions: int


class ConversationsReply(Reply, kw_only=True, tag="reply"):
    """The conversations of the asker, those first in which something was said last."""

    op: str = "conversations"
    conversations: tuple[Waiting, ...]


class ReadReply(Reply, kw_only=True, tag="reply"):
    """A conversation, or all of them, is read `upto`."""

    op: str = "read"
    upto: int


class StatusReply(Reply, kw_only=True, tag="reply"):
    """How the asker stands: `held` messages wait for the end of busy; `reply` is said meanwhile."""

    op: str = "status"
    name: str
    busy: bool
    hidden: bool
    reply: str | UnsetType = UNSET
    held: int


class HistoryReply(Reply, kw_only=True, tag="reply"):
    """Messages said before, the oldest first; `more`: there are others in that direction."""

    op: str = "history"
    messages: tuple[Message, ...]
    more: bool


class SearchReply(Reply, kw_only=True, tag="reply"):
    """Messages found, the newest first; `more`: others match too."""

    op: str = "search"
    messages: tuple[Message, ...]
    more: bool


class Parameter(Struct, kw_only=True, frozen=True):
    """What a command takes: `name` on the wire, `label` for people."""

    name: str
    label: str
    kind: ParameterKind
    required: bool


class CommandHelp(Struct, kw_only=True, frozen=True):
    """One command as the server declares it; usage and completion come from this."""

    name: str
    aliases: tuple[str, ...]
    group: str
    summary: str
    parameters: tuple[Parameter, ...]


class HelpReply(Reply, kw_only=True, tag="reply"):
    """The commands a person may type."""

    op: str = "help"
    commands: tuple[CommandHelp, ...]


_REPLIES: Final[dict[str, type[Reply]]] = {
    "login": LoginReply,
    "who": WhoReply,
    "last": LastReply,
    "broadcast": BroadcastReply,
    "send": SendReply,
    "reply": SendReply,
    "answer": SendReply,
    "status": StatusReply,
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
