"""Who there is: the names heard of, and which of them are here now; and which rooms."""

from collections.abc import Iterable
from typing import Final

from msgspec import UNSET

from chatwire.events import Event, Message, Presence, RoomChanged
from chatwire.names import LOBBY, fold
from chatwire.replies import (
    ConversationsReply,
    LastReply,
    LoginReply,
    MembersReply,
    RoomReply,
    RoomsReply,
    WhoReply,
)
from chatwire.text import one_line

MOST_NAMES: Final = 20_000
"""Of other people, and of rooms, that are remembered: twice what a server lets in unless told
otherwise."""


class Roster:
    """Names of other people, kept as they were last written but for what is not text, because they
    go onto the screen and into the line. Used by one thread."""

    def __init__(self, me: str) -> None:
        self._me = fold(me)
        self._names: dict[str, str] = {}
        self._here: set[str] = set()
        self._recent: dict[str, None] = {}  # who spoke, the latest last
        self._rooms: dict[str, str] = {}

    def hear(self, event: Event) -> None:
        """Remember every name in `event`, and who came or went."""
        for name in _names_in(event):
            key = fold(name)
            if key != self._me and (key in self._names or len(self._names) < MOST_NAMES):
                self._names[key] = one_line(name)
        for room in _rooms_in(event):
            known = fold(room) in self._rooms or len(self._rooms) < MOST_NAMES
            if known and fold(room) != LOBBY:
                self._rooms[fold(room)] = one_line(room)
        match event:
            case LoginReply(online=names):
                self._here = self._known(names)
            case WhoReply(users=users):
                self._here = self._known(user.name for user in users)
            case Presence(name=name, state="online"):
                self._here |= self._known((name,))
            case Presence(name=name, state="offline"):
                self._here.discard(fold(name))
            case Message(sender=sender) if fold(sender) in self._names:
                self._recent.pop(fold(sender), None)
                self._recent[fold(sender)] = None

    def _known(self, names: Iterable[str]) -> set[str]:
        return {fold(name) for name in names} & self._names.keys()

    def names(self) -> tuple[str, ...]:
        """Return the names: who spoke last first, then the others in alphabetical order."""
        spoke = list(reversed(self._recent))
        others = sorted(set(self._names) - set(spoke))
        return tuple(self._names[key] for key in (*spoke, *others))

    def rooms(self) -> tuple[str, ...]:
        """Return the rooms but the lobby, as people type them, in alphabetical order."""
        return tuple(f"#{self._rooms[key]}" for key in sorted(self._rooms))

    def here(self) -> tuple[str, ...]:
        """Return the names of those who are here, in alphabetical order."""
        return tuple(self._names[key] for key in sorted(self._here))


def _names_in(event: Event) -> tuple[str, ...]:
    match event:
        case LoginReply(online=names):
            return names
        case WhoReply(users=here):
            return tuple(user.name for user in here)
        case LastReply(users=seen):
            return tuple(user.name for user in seen)
        case MembersReply(members=members):
            return tuple(member.name for member in members)
        case Presence(name=name):
            return (name,)
        case Message(sender=sender, to=to):
            return (sender,) if to is UNSET else (sender, *to)
    return ()


def _rooms_in(event: Event) -> tuple[str, ...]:
    match event:
        case LoginReply(invited=rooms):
            return rooms
        case RoomsReply(rooms=rooms):
            return tuple(room.name for room in rooms)
        case RoomReply(room=room) if room is not UNSET:
            return (room.name,)
        case ConversationsReply(conversations=conversations):
            return tuple(each.room for each in conversations if each.room is not UNSET)
        case RoomChanged(room=name):
            return (name,)
        case Message(room=name) if name is not UNSET:
            return (name,)
    return ()
