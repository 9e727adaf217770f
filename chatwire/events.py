"""`chat/1`: what a server tells of its own accord, one JSON object a line, and the words in it.

Clients ignore events and fields that they do not know. What is answered to a request is in
`replies`, how all of it is written in `protocol`.
"""

from typing import Final, Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType, field

PROTOCOL: Final = "chat/1"

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
    "no_such_device",
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
