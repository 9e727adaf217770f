"""What can happen, as data: everything that has a place in the one order is one of these.

An item says who (an account, and where it matters a session), when, and what. It can be stored,
replayed and sent to another machine, so it names accounts and conversations by number and holds
nothing that lives: no connection, no clock, no setting. What follows from an item is decided by
`apply`, when its turn comes, and nowhere else.

The tag has the version of the item's meaning: an item whose meaning changes gets a new one, and
whoever does not know a tag must stop instead of passing over it.
"""

from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from chatwire.events import Access, Past, Role, Speaking

Reason: TypeAlias = Literal["removed", "disabled", "password", "revoked"]
"""Why sessions end: the account's line is gone, switched off, or has another password; or the
device they came from was logged out."""


class Item(Struct, frozen=True, kw_only=True, gc=False, tag_field="what"):
    """Anything that happens. `at` is in milliseconds since 1970 (UTC), by the sender's clock."""

    at: int


class Started(Item, frozen=True, kw_only=True, tag="started/1"):
    """The server has started: whatever sessions there were have ended, at `seen_at` at the latest.

    `seen_at` is when the server is last known to have run.
    """

    seen_at: int


class Alive(Item, frozen=True, kw_only=True, tag="alive/1"):
    """The server runs, and deletes nothing for `rest` more seconds of that."""

    rest: float = 0.0


class Act(Item, frozen=True, kw_only=True):
    """Something an account wants to have happened in a conversation, and is answered about.

    `key` makes a repeat known; keys are per account.
    """

    account: int
    session: int
    key: str | None = None


class Said(Act, frozen=True, kw_only=True, tag="said/1"):
    """Something was said, in a room or else to the accounts `to`; perhaps it answers `reply_to`."""

    text: str
    room: int | None = None
    to: tuple[int, ...] = ()
    kind: str = "text"
    reply_to: int | None = None


class Edited(Act, frozen=True, kw_only=True, tag="edited/1"):
    """The words of message `target` are `text` now, unless it was said before `since` (ms)."""

    target: int
    text: str
    since: int = 0


class Erased(Act, frozen=True, kw_only=True, tag="erased/1"):
    """The words of message `target` are taken away; one's own, unless said before `since` (ms)."""

    target: int
    since: int = 0


class Reacted(Act, frozen=True, kw_only=True, tag="reacted/1"):
    """Somebody reacts to message `target`, or no longer does; to one message by at most `most`."""

    target: int
    reaction: str
    on: bool = True
    most: int = 0


class Again(Act, frozen=True, kw_only=True, tag="again/1"):
    """Something is asked for that cannot be done as things stand: it may have been done before,
    under the same key. `said`: it was something to say."""

    said: bool = False


class RoomMade(Act, frozen=True, kw_only=True, tag="room-made/1"):
    """Somebody makes a room, one of at most `most` that are that account's (0: any number)."""

    name: str
    access: Access = "open"
    speaking: Speaking = "everyone"
    history: Past | None = None
    """None: all of an open room, and of a closed one what is said from joining on."""
    most: int = 0


class RoomSet(Act, frozen=True, kw_only=True, tag="room-set/1"):
    """A room is set up differently; None leaves a thing as it is."""

    room: int
    access: Access | None = None
    speaking: Speaking | None = None
    history: Past | None = None


class TopicSet(Act, frozen=True, kw_only=True, tag="topic-set/1"):
    """A room has another topic."""

    room: int
    topic: str


class Joined(Act, frozen=True, kw_only=True, tag="joined/1"):
    """An account becomes a member of a room, one of at most `most` (0: any number)."""

    room: int
    most: int = 0


class Left(Act, frozen=True, kw_only=True, tag="left/1"):
    """An account is a member of a room no longer, by its own will."""

    room: int


class Invited(Act, frozen=True, kw_only=True, tag="invited/1"):
    """Account `who` may join a room."""

    room: int
    who: int


class Removed(Act, frozen=True, kw_only=True, tag="removed/1"):
    """Account `who` is taken out of a room, or its invitation is withdrawn."""

    room: int
    who: int
    reason: str = ""


class RoleGiven(Act, frozen=True, kw_only=True, tag="role-given/1"):
    """Account `who` has another role in a room."""

    room: int
    who: int
    role: Role


class Muted(Act, frozen=True, kw_only=True, tag="muted/1"):
    """Account `who` may not speak in a room for some minutes; 0 ends that."""

    room: int
    who: int
    minutes: int


class Read(Item, frozen=True, kw_only=True, tag="read/1"):
    """A person has looked at some conversations up to `upto`."""

    account: int
    session: int
    conversations: tuple[int, ...]
    upto: int


class Came(Item, frozen=True, kw_only=True, tag="came/1"):
    """Somebody logged in, spelling the name as in `name`; where there is a `lobby`, into that."""

    account: int
    session: int
    name: str
    lobby: bool = True


class Went(Item, frozen=True, kw_only=True, tag="went/1"):
    """A session ended; its programs had been given everything up to `acked`."""

    account: int
    session: int
    acked: int = 0


class Busy(Item, frozen=True, kw_only=True, tag="busy/1"):
    """Others' words are to be held back, and answered with `reply`."""

    account: int
    reply: str


class Idle(Item, frozen=True, kw_only=True, tag="idle/1"):
    """The end of busy, asked for by one of the account's sessions."""

    account: int
    session: int


class Hidden(Item, frozen=True, kw_only=True, tag="hidden/1"):
    """The account looks logged out from now on."""

    account: int


class Shown(Item, frozen=True, kw_only=True, tag="shown/1"):
    """The end of being hidden."""

    account: int


class Acked(Item, frozen=True, kw_only=True, tag="acked/1"):
    """The account's programs have been given everything up to `upto`; a person has `read` it, where
    nothing else tells what people read."""

    account: int
    upto: int
    read: bool = False


class AccountMade(Item, frozen=True, kw_only=True, tag="account-made/1"):
    """There is an account of that name; nothing follows when there had been one."""

    name: str


class AccountRole(Item, frozen=True, kw_only=True, tag="account-role/1"):
    """The account is an admin of the server, or is so no longer."""

    account: int
    role: Literal["admin", "member"]


class AccountDeleted(Item, frozen=True, kw_only=True, tag="account-deleted/1"):
    """The account is gone for good; its name may be somebody else's from now on."""

    account: int


class Ended(Item, frozen=True, kw_only=True, tag="ended/1"):
    """Sessions are their account's no more, for a reason."""

    account: int
    sessions: tuple[int, ...]
    reason: Reason


class DeviceMade(Item, frozen=True, kw_only=True, tag="device-made/1"):
    """An account may come again with a token, of which this is the digest, as long as it has the
    password it has now. Beyond `most` devices (0: any number) the one not seen for longest goes."""

    account: int
    token: str
    password: str
    address: str
    client: str
    most: int = 0


class DeviceSeen(Item, frozen=True, kw_only=True, tag="device-seen/1"):
    """Somebody has come with a token, from an address."""

    token: str
    address: str


class DevicesEnded(Item, frozen=True, kw_only=True, tag="devices-ended/1"):
    """Nobody comes with these tokens any more."""

    tokens: tuple[str, ...]


class Subscribed(Item, frozen=True, kw_only=True, tag="subscribed/1"):
    """The device that has this token is reached by a push service: at the URL `endpoint`, with what
    is in `push`. No other device is reached there any more."""

    token: str
    endpoint: str
    push: str


class Unsubscribed(Item, frozen=True, kw_only=True, tag="unsubscribed/1"):
    """No device is reached at this URL any more."""

    endpoint: str


class Trimmed(Item, frozen=True, kw_only=True, tag="trimmed/1"):
    """Messages (`seqs`) and `changes` are deleted, because they are older than is kept.

    The newest there is stays: numbering goes on from it.
    """

    seqs: tuple[int, ...] = ()
    changes: tuple[int, ...] = ()


class RoomsForgotten(Item, frozen=True, kw_only=True, tag="rooms-forgotten/1"):
    """Of rooms that there are no more nothing was left that had been said or done in them: nobody
    has been in them.

    The last conversation there is stays: numbering goes on from it.
    """

    rooms: tuple[int, ...]


class Purged(Item, frozen=True, kw_only=True, tag="purged/1"):
    """Nothing is left in the search index of messages that had been deleted."""

    seqs: tuple[int, ...]


AnyItem: TypeAlias = (
    Started
    | Alive
    | Said
    | Edited
    | Erased
    | Reacted
    | Again
    | RoomMade
    | RoomSet
    | TopicSet
    | Joined
    | Left
    | Invited
    | Removed
    | RoleGiven
    | Muted
    | Read
    | Came
    | Went
    | Busy
    | Idle
    | Hidden
    | Shown
    | Acked
    | AccountMade
    | AccountRole
    | AccountDeleted
    | Ended
    | DeviceMade
    | DeviceSeen
    | DevicesEnded
    | Subscribed
    | Unsubscribed
    | Trimmed
    | RoomsForgotten
    | Purged
)

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(AnyItem)


def encode(item: Item) -> bytes:
    """Return an item as JSON."""
    return _ENCODER.encode(item)


def decode(data: bytes) -> Item:
    """Return the item in `data`. Raises msgspec.ValidationError for one that is not known."""
    item: Item = _DECODER.decode(data)
    return item
