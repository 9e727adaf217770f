"""Rooms and conversations as one account may see them. Any thread may ask: of one place it gets a
snapshot, of many each as it is when its turn comes."""

from collections.abc import Iterable
from heapq import nlargest
from typing import Final

from msgspec import Struct

from chatserver.order.records import LOBBY_ID, Conversation, Member
from chatserver.order.rules.rooms import seen_by
from chatserver.order.rules.talk import speaking_refused
from chatserver.order.state import State
from chatserver.search.parts import Scope
from chatserver.sessions.directory import UserDirectory
from chatserver.storage.past import Stretch
from chatwire.replies import Room, RoomMember

_NOWHERE: Final = Conversation(0, "room", 0, name="", access="closed")
"""What a free name stands for: to look into it takes as long as into a room that is a secret."""
_MOST_OTHERS: Final = 200
"""So many rooms that one is not in are searched when no place is named: each costs 10 µs for each
part of the index."""


class Talk(Struct, frozen=True):
    """A conversation of an account: how far it goes, and how far has been read and is readable."""

    conversation: int
    room: str | None
    others: tuple[str, ...]
    newest: int
    read: int
    since: int


class Rooms:
    """Looks into the state, under the directory's lock."""

    def __init__(self, directory: UserDirectory, *, lobby: bool = True) -> None:
        """Where there is no `lobby`, nobody finds one."""
        self._directory = directory
        self._lobby = lobby

    def find(self, account: int, name: str) -> int | None:
        """Return the number of a room, if there is one as far as the account can know."""
        with self._directory.looking() as state:
            room = self._find(state, account, name)
            return None if room is None else room.id

    def is_taken(self, name: str) -> bool:
        """Tell whether a room has that name, whoever may know."""
        with self._directory.looking() as state:
            return state.room(name) is not None

    def readable(self, account: int, name: str) -> tuple[Stretch | None, bool]:
        """Return what an account may read of a room, and whether it can find it at all."""
        with self._directory.looking() as state:
            room = self._find(state, account, name)
            return (None, False) if room is None else (_readable(room, account), True)

    def stretch(self, account: int, conversation: int | None) -> Stretch | None:
        """Return what an account may read of a conversation (None: of none), if anything."""
        with self._directory.looking() as state:
            place = state.conversations.get(conversation or 0, _NOWHERE)
            hidden = place.id == LOBBY_ID and not self._lobby
            return None if hidden else _readable(place, account)

    def stretches(self, account: int) -> tuple[Stretch, ...]:
        """Return what an account may read of all it takes part in."""
        with self._directory.looking() as state:
            found = (
                _readable(each, account)
                for each in map(state.conversations.__getitem__, state.accounts[account].member_of)
                if self._lobby or each.id != LOBBY_ID
            )
            return tuple(each for each in found if each is not None)

    def everything(self, account: int) -> Scope:
        """Return all that an account may read: also of rooms that it might join, those in which
        something happened last."""

        def look(_: State, room: Conversation) -> tuple[bool, int, Stretch | None]:
            return room.member(account) is not None, room.newest, _readable(room, account)

        mine, others = [], []
        for inside, newest, stretch in self._directory.in_turns(self._there(), look):
            if stretch is not None and inside:
                mine.append(stretch)
            elif stretch is not None:
                others.append((newest, stretch))
        last = nlargest(_MOST_OTHERS, others)
        with self._directory.looking() as state:
            private = tuple(Stretch(each.id, 0) for each in state.conversations_of(account))
        places = (*mine, *[stretch for _, stretch in last])
        return Scope(places, private, partial=len(last) < len(others))

    def direct(self, account: int, people: Iterable[int]) -> int | None:
        """Return the number of the conversation of an account with some others, if there is one."""
        with self._directory.looking() as state:
            found = state.direct(tuple(sorted({account, *people})))
            return None if found is None else found.id

    def people(self, account: int, conversation: int) -> tuple[int, ...]:
        """Return the others in a direct conversation; oneself, where nobody is."""
        with self._directory.looking() as state:
            people = state.conversations[conversation].people
            return tuple(each for each in people if each != account) or people

    def rooms(self, account: int) -> list[tuple[Room, Talk | None]]:
        """Return the rooms that an account is in or may find, by name; its own with how far they
        go. An admin is told of those that are closed to him, too."""

        def look(state: State, room: Conversation) -> tuple[Room, Talk | None] | None:
            who = state.accounts[account]
            there = room.deleted is None and who.role == "admin"
            if not there and not state.may_find(room, account):
                return None
            return seen_by(room, who), _talk(state, room, account)

        found = filter(None, self._directory.in_turns(self._there(), look))
        return sorted(found, key=lambda each: each[0].name.lower())

    def members(
        self, account: int, name: str
    ) -> tuple[str, list[RoomMember], tuple[str, ...]] | None:
        """Return the name of a room, its members and who is invited; None: there is no such room
        for the account."""
        with self._directory.looking() as state:
            room = self._find(state, account, name)
            if room is None or room.name is None:
                return None
            inside = room.member(account) is not None
            invited = [state.accounts[each].name for each in room.invited] if inside else []
            members = tuple(room.members.values())
        found = filter(None, self._directory.in_turns(members, _listed))
        return (
            room.name,
            sorted(found, key=lambda each: each.name.lower()),
            tuple(sorted(invited, key=str.lower)),
        )

    def talks(self, account: int) -> list[Talk]:
        """Return an account's conversations, those first in which something happened last."""

        def look(state: State, place: Conversation) -> Talk | None:
            return _talk(state, place, account)

        with self._directory.looking() as state:
            mine = state.accounts[account].member_of
            places = [state.conversations[each] for each in mine if self._lobby or each != LOBBY_ID]
        found = filter(None, self._directory.in_turns(places, look))
        return sorted(found, key=lambda each: -each.newest)

    def talk(self, account: int, conversation: int) -> Talk | None:
        """Return a conversation of an account, if it is one."""
        with self._directory.looking() as state:
            place = state.conversations.get(conversation)
            return None if place is None else _talk(state, place, account)

    def audience(self, account: int, conversation: int) -> tuple[int, ...]:
        """Return the sessions of the others in a conversation that are shown what happens there;
        none when the account is hidden, is no member, or may not speak."""
        with self._directory.looking() as state:
            place = state.conversations.get(conversation)
            me = state.accounts[account]
            member = None if place is None else place.member(account)
            if place is None or member is None or me.hidden or speaking_refused(state, place, me):
                return ()
            mine = set(me.sessions)
            return tuple(each for each in state.audience(place) if each not in mine)

    def _there(self) -> tuple[Conversation, ...]:
        """Return the rooms there are, to be looked at in turns: until then one may be no more."""
        with self._directory.looking() as state:
            return tuple(each for each in state.rooms() if self._lobby or each.id != LOBBY_ID)

    def _find(self, state: State, account: int, name: str) -> Conversation | None:
        room = state.room(name) or _NOWHERE
        if not state.may_find(room, account):
            return None
        return room if self._lobby or room.id != LOBBY_ID else None


def _readable(room: Conversation, account: int) -> Stretch | None:
    """Return what an account may read of a conversation, if anything."""
    member = room.member(account)
    everything = room.history == "all"
    if member is None:
        anybody = everything and room.kind == "room" and room.access == "open"
        anybody = anybody and room.deleted is None
        return Stretch(room.id, 0) if anybody else None
    return Stretch(room.id, 0 if everything else member.since)


def _talk(state: State, place: Conversation, account: int) -> Talk | None:
    member = place.member(account)
    if member is None:
        return None
    others = [each for each in place.people if each != account] or place.people
    return Talk(
        conversation=place.id,
        room=place.name,
        others=tuple([state.accounts[each].name for each in others]),
        newest=place.newest,
        read=max(member.read, member.since),
        since=member.since,
    )


def _listed(state: State, member: Member) -> RoomMember | None:
    if member.left is not None:
        return None
    account = state.accounts[member.account]
    here = account.visible
    return RoomMember(
        name=account.name,
        role=member.role,
        here=here,
        busy=here and account.busy,
        muted=member.muted > state.at,
    )
