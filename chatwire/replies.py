"""`chat/1`: what is answered to requests that were carried out, and what stands in the answers.

The requests are not here: what a command takes is declared once, where the command is (see
`chatserver.commands`), and described to clients by `CommandHelp` in the reply to `help`.
"""

from typing import Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType, field

from chatwire.events import Event, Message

ParameterKind: TypeAlias = Literal[
    "name",
    "names",
    "number",
    "word",
    "words",
    "room",
    "place",
    "target",
    "settings",
    "reaction",
]
"""How a parameter is typed: one name, one or several names in brackets, a whole number, one word,
the rest of the line; a room as `#ops`; a place, which is a room (`room` on the wire, then), a name
or several; the number of a message as `^12`; words that set a room up, each a field on the wire
(`chatwire.rooms`); a reaction, which a `-` in front takes back (`on` on the wire is false, then).
"""


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
    """The room that was made or joined, and as which `seq`; a repeat has no `room` where the asker
    cannot find it any more."""

    seq: int
    room: Room | UnsetType = UNSET
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


class Device(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A browser that stays logged in; `made` and `seen` are times, `this` is the one that asks."""

    device: int
    made: str
    seen: str
    address: str
    client: str
    this: bool = False


class DevicesReply(Reply, kw_only=True, tag="reply"):
    """The devices of the account, the last seen first."""

    op: str = "devices"
    devices: tuple[Device, ...]


class RevokeReply(Reply, kw_only=True, tag="reply"):
    """How many devices were logged out."""

    op: str = "revoke"
    ended: int


class HistoryReply(Reply, kw_only=True, tag="reply"):
    """Messages said before, the oldest first; `more`: there are others in that direction."""

    op: str = "history"
    messages: tuple[Message, ...]
    more: bool


class SearchReply(Reply, kw_only=True, tag="reply"):
    """Messages found, the newest first; `more`: others match too, or there was too much to look
    through; `partial`: of the rooms that the asker is not in only those were searched in which
    something happened last."""

    op: str = "search"
    messages: tuple[Message, ...]
    more: bool
    partial: bool | UnsetType = UNSET


class Parameter(Struct, kw_only=True, frozen=True):
    """What a command takes: `name` on the wire, `label` for people."""

    name: str
    label: str
    kind: str
    """One of ParameterKind, or what a later version has."""
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
