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

ParameterKind: TypeAlias = Literal["name", "names", "number", "word", "words"]
"""How a parameter is typed: one name, one or several names in brackets, a whole number, one word,
or the rest of the line."""


class Event(Struct, kw_only=True, tag_field="event"):
    """Anything a server sends. Clients ignore events and fields that they do not know."""


class Hello(Event, kw_only=True, tag="hello"):
    """The first line on a json connection."""

    protocol: str = PROTOCOL
    server: str


class Message(Event, kw_only=True, tag="message"):
    """Something somebody said: to a `room` or `to` the accounts named."""

    seq: int
    at: str
    sender: str = field(name="from")
    room: str | UnsetType = UNSET
    to: tuple[str, ...] | UnsetType = UNSET
    text: str
    replay: bool | UnsetType = UNSET


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
    "status": StatusReply,
    "help": HelpReply,
    "history": HistoryReply,
    "search": SearchReply,
}
_EVENTS: Final[dict[str, type[Event]]] = {
    "hello": Hello,
    "message": Message,
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
