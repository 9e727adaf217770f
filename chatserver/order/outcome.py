"""What follows from an item: what to answer, and what to tell whom.

Outcomes name accounts, sessions and conversations by number, as items do. Whoever has connections
makes answers and deliveries from them.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct, field

from chatwire.events import Code, PresenceState
from chatwire.replies import Room

ChangeKind: TypeAlias = Literal[
    "edit",
    "delete",
    "react",
    "unreact",
    "made",
    "joined",
    "left",
    "invited",
    "withdrawn",
    "removed",
    "role",
    "muted",
    "topic",
    "set",
]
"""What happened to a conversation that is no message."""


class Notice(Struct, frozen=True):
    """Others are to be told that an account came, went, or is or is no longer busy.

    `visible` is how many accounts could be seen then: among too many nobody is told.
    """

    account: int
    name: str
    change: PresenceState
    visible: int


class Change(Struct, frozen=True, kw_only=True, array_like=True):
    """Something other than a message that belongs to a conversation's past.

    Either `room` or `to` is there, as of a message. `name` is whom it is about; `value` is a role,
    a topic, a reaction, a reason, minutes, settings as JSON, or what message `target` reads now.
    """

    seq: int
    at: int
    kind: ChangeKind
    by: str
    room: str | None
    to: tuple[str, ...]
    target: int | None = None
    name: str | None = None
    value: str = ""
    mentions: tuple[str, ...] = ()


class Told(Struct, frozen=True):
    """A change, the sessions that are told of it at once, and the one that asked for it."""

    change: Change
    audience: tuple[int, ...]


class Outcome(Struct):
    """What follows from any item: `seq` is the newest message or change before what comes next."""

    seq: int
    notices: tuple[Notice, ...] = ()
    changes: tuple[Told, ...] = ()


class Refused(Outcome):
    """Nothing followed, because of what had happened before: `text` is a sentence for the asker."""

    code: Code = "bad_request"
    text: str = ""


class Delivered(Outcome):
    """Something was said, as message `seq`; or it had been before, then nobody is told.

    `audience` are the sessions that are shown it now, the sender's among them.
    """

    at: int = 0
    sender: str = ""
    room: str | None = None
    to: tuple[str, ...] = ()
    to_self: bool = False
    lobby: bool = False
    mentions: tuple[str, ...] = ()
    duplicate: bool = False
    audience: tuple[int, ...] = ()
    busy: Mapping[str, str] = field(default_factory=dict)
    delivered: tuple[str, ...] = ()
    stored: tuple[str, ...] = ()


class Changed(Outcome):
    """What was asked for has happened, or, where there are no `changes`, it was so already."""

    duplicate: bool = False
    room: Room | None = None
    """The room that was made or joined, as the asker sees it now."""


class ReadOn(Outcome):
    """An account has read on: `sessions` are told so, of each conversation by room or people."""

    conversations: tuple[tuple[str | None, tuple[str, ...]], ...] = ()
    upto: int = 0
    sessions: tuple[int, ...] = ()


class Placed(Outcome):
    """Sessions of an account have a place from which they are shown what happens.

    `stays` is what the account is in there, each conversation and after which message it begins;
    `ended` are the changes with which it has left others. By the time that they are shown what they
    lack up to there, both may be otherwise.
    """

    stays: tuple[tuple[int, int], ...] = ()
    ended: tuple[int, ...] = ()


class Arrived(Placed):
    """A session has its place: what was said up to `seq` is replayed, what comes after is live."""

    acked: int = 0
    since: int = 0
    """After which message the lobby begins for the account."""
    busy: bool = False
    hidden: bool = False
    online: tuple[str, ...] = ()
    invited: tuple[str, ...] = ()


class Turned(Placed):
    """An account has become busy, or is so no longer: `sessions` begin or end to hold, at `seq`."""

    sessions: tuple[int, ...] = ()


class Registered(Outcome):
    """An account is there, as number `account`."""

    account: int = 0


class Revoked(Outcome):
    """Sessions have ended that are their account's no more."""

    sessions: tuple[int, ...] = ()
