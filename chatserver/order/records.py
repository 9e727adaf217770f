"""What a state is made of: accounts, conversations, members, and what is not on disk yet."""

from typing import Final, Literal, TypeAlias

from msgspec import Struct, field

from chatwire.names import fold

Kind: TypeAlias = Literal["room", "direct"]

LOBBY_ID: Final = 1
"""The lobby is the first conversation of every database."""


class Account(Struct, eq=False):
    """Somebody: a name used again is another account. Times are in milliseconds since 1970."""

    id: int
    name: str
    made: int
    folded: str = ""
    role: str = "member"
    busy: bool = False
    reply: str = ""
    hidden: bool = False
    acked: int = 0
    seen_at: int | None = 0
    """When it was last visibly here: None while it is, 0 if it never was."""
    deleted: int | None = None
    sessions: tuple[int, ...] = ()
    member_of: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()
    """The changes with which its last memberships have ended."""
    devices: tuple[str, ...] = ()
    """The digests of the tokens with which it may come, the oldest first."""

    def __post_init__(self) -> None:
        self.folded = fold(self.name)

    @property
    def visible(self) -> bool:
        """Whether others can see that it is here."""
        return bool(self.sessions) and not self.hidden


class Member(Struct, eq=False):
    """An account in a conversation, from message `since` on; `left` is when it ceased to be one."""

    account: int
    conversation: int
    since: int
    role: str = "member"
    read: int = 0
    notify: str = "default"
    left: int | None = None
    muted: int = 0
    """Until when it may not speak, in ms since 1970."""


class Conversation(Struct, eq=False):
    """A room, or what a set of people say among themselves (`people`, in order)."""

    id: int
    kind: Kind
    made: int
    name: str | None = None
    people: tuple[int, ...] = ()
    topic: str = ""
    access: str = "open"
    history: str = "all"
    speaking: str = "everyone"
    maker: int | None = None
    deleted: int | None = None
    newest: int = 0
    """The newest message or change."""
    members: dict[int, Member] = field(default_factory=dict)
    """Whoever is or has been one."""
    count: int = 0
    """How many are members."""
    invited: dict[int, int] = field(default_factory=dict)
    """Who may join, and who has said so."""
    audience: tuple[int, ...] | None = None
    """The sessions that get what is said here, until somebody comes, goes, or changes."""

    def member(self, account: int) -> Member | None:
        """Return an account as a member, if it is one now."""
        found = self.members.get(account)
        return found if found is not None and found.left is None else None


class Device(Struct, eq=False):
    """Where an account may come from without its password: who has the token. Times are in ms."""

    account: int
    number: int
    """What the account's owner calls it: one more than the highest there was."""
    token: str
    """The SHA-256 of the token, in hexadecimal digits: the token itself is nowhere."""
    password: str
    """The digest of the password's hash for which it was made."""
    made: int
    seen: int
    address: str
    client: str
    endpoint: str = ""
    """The URL of a push service that reaches it; empty where none does."""
    push: str = ""
    """What else that takes, as JSON: whoever sends there knows what it means."""


class Target(Struct, eq=False):
    """A message that an item is about: what is decided by.

    `reactions` are those of the accounts that such an item is by.
    """

    conversation: int
    sender: int
    at: int
    deleted: bool = False
    reactions: frozenset[tuple[int, str]] = frozenset()


MessageRow: TypeAlias = tuple[int, int, int, int, str, str, int | None, str | None]
"""seq, at, conversation, sender, kind, text, reply_to, key."""
ChangeRow: TypeAlias = tuple[int, int, int, int, str, int | None, int | None, str, str | None]
"""seq, at, conversation, by, kind, target, who, value, key."""


class Unsaved(Struct):
    """What the next transaction writes: new messages, and whatever is newer than the disk."""

    messages: list[MessageRow] = field(default_factory=list)
    changes: list[ChangeRow] = field(default_factory=list)
    mentions: dict[int, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    """Of new or edited messages: the conversation, and the accounts that are mentioned now."""
    edited: list[tuple[str, int, int]] = field(default_factory=list)
    """What messages read now, since when, and which."""
    erased: list[tuple[int, int]] = field(default_factory=list)
    """Since when the words of which messages are gone."""
    reactions: list[tuple[int, int, str, bool]] = field(default_factory=list)
    """To which message, whose, by what, and whether it is so."""
    invitations: dict[tuple[int, int], int] = field(default_factory=dict)
    """To which conversation, for whom, and by whom; 0: no longer."""
    accounts: dict[int, Account] = field(default_factory=dict)
    conversations: dict[int, Conversation] = field(default_factory=dict)
    members: dict[tuple[int, int], Member] = field(default_factory=dict)
    devices: dict[str, Device | None] = field(default_factory=dict)
    """By the digest of the token; None for one that there is no more."""
    deleted: list[int] = field(default_factory=list)
    """Messages that are to go."""
    forgotten: list[int] = field(default_factory=list)
    """Rooms of which nothing is to stay."""
    gone: dict[int, bool] = field(default_factory=dict)
    """Deleted messages, and whether the search index may still have their words."""
    alive: tuple[int, float] | None = None
    """When the server ran (ms since 1970), and how long nothing is deleted (s of running)."""

    def __bool__(self) -> bool:
        return bool(
            self.messages
            or self.changes
            or self.accounts
            or self.conversations
            or self.members
            or self.devices
            or self.invitations
            or self.deleted
            or self.forgotten
            or self.gone
            or self.alive
        )

    def clear(self) -> None:
        """Note that all of it is on disk. Takes no memory: between a commit and this, nothing may
        fail, or the next transaction would write it again."""
        self.forget_acts()
        self.accounts.clear()
        self.conversations.clear()
        self.members.clear()
        self.devices.clear()
        self.invitations.clear()
        self.gone.clear()
        self.alive = None

    def forget_acts(self) -> None:
        """Drop what is refused where there is no room: it is in no journal."""
        self.messages.clear()
        self.changes.clear()
        self.mentions.clear()
        self.edited.clear()
        self.erased.clear()
        self.reactions.clear()
        self.deleted.clear()
        self.forgotten.clear()
