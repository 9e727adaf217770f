"""Rooms: who makes, finds, joins and leaves them, and who may do what there."""

from typing import Final

import msgspec

from chatserver.order.items import (
    Act,
    Invited,
    Joined,
    Left,
    Muted,
    Removed,
    RoleGiven,
    RoomMade,
    RoomSet,
    TopicSet,
)
from chatserver.order.outcome import Changed, Outcome, Refused, Told
from chatserver.order.records import LOBBY_ID, Account, Conversation, Member
from chatserver.order.rules.common import (
    changed,
    gone,
    is_repeat,
    not_allowed,
    note,
    repeated,
    sender_of,
)
from chatserver.order.state import State
from chatwire.events import Role
from chatwire.replies import Room
from chatwire.rooms import a_role

_RANKS: Final[dict[str, int]] = {"member": 0, "moderator": 1, "owner": 2}
_MINUTE_MS: Final = 60_000


# -- who may --


def rank(room: Conversation, account: Account) -> int:
    """Return what somebody may do in a room: 0 as a member, 1 as a moderator, 2 as an owner.

    An admin of the server may do all in every open room.
    """
    if account.role == "admin" and room.access == "open":
        return _RANKS["owner"]
    member = room.member(account.id)
    return -1 if member is None else _RANKS[member.role]


def not_a_member(state: State, room: Conversation, account: Account) -> Refused:
    """Return the refusal of somebody outside: of a room that he cannot find there is none."""
    if not state.may_find(room, account.id):
        return no_such_room(state, room)
    return Refused(
        state.seq,
        code="not_a_member",
        text=f"You are not in #{room.name}; type join #{room.name} first.",
    )


def no_such_room(state: State, room: Conversation | None) -> Refused:
    """Return the refusal for a room that there is not, as far as the asker can know, who has just
    found it: what has ended since is called by its name, as before it is looked for in vain."""
    which = "such room" if room is None else f"room #{room.name}"
    return Refused(state.seq, code="no_such_room", text=f"There is no {which}.")


def seen_by(room: Conversation, account: Account) -> Room:
    """Return a room as an account may see it."""
    member = room.member(account.id)
    assert room.name is not None
    return Room(
        name=room.name,
        topic=room.topic,
        access=room.access,
        speaking=room.speaking,
        history=room.history,
        people=room.count,
        role="" if member is None else member.role,
        invited=account.id in room.invited,
    )


# -- making and setting up --


def made(state: State, item: RoomMade) -> Outcome:
    """A room is made, and who makes it is its owner."""
    by = sender_of(state, item)
    if by is None:
        return gone(state)
    known = is_repeat(state, item)
    there = state.room(item.name)
    if known is not None:
        mine = there is not None and there.member(by.id) is not None
        seen = seen_by(there, by) if there is not None and mine else None
        return Changed(known, duplicate=True, room=seen)
    if there is not None:
        return Refused(state.seq, code="room_exists", text=f"The name #{item.name} is taken.")
    if 0 < item.most <= state.rooms_made_by(by.id):
        return not_allowed(
            state,
            f"You have made {item.most} rooms, which is as many as one may: a room counts until"
            " everybody has left it.",
        )
    history = item.history or ("joined" if item.access == "closed" else "all")
    room = state.add_conversation(
        "room",
        item.name,
        access=item.access,
        speaking=item.speaking,
        history=history,
        maker=by.id,
    )
    state.add_member(room, by, since=state.seq, role="owner")
    told = note(state, room, by, "made", key=item.key)
    return changed(told, room=seen_by(room, by))


def set_up(state: State, item: RoomSet) -> Outcome:
    """An owner changes who may find a room, who may speak, and whether its past can be read."""
    found = _ready(state, item, item.room, "owner")
    if isinstance(found, Outcome):
        return found
    room, by = found
    if room.id == LOBBY_ID:
        return not_allowed(state, "The lobby is open to everybody, and stays so.")
    values = {
        name: value
        for name, value in (
            ("access", item.access),
            ("speaking", item.speaking),
            ("history", item.history),
        )
        if value is not None
    }
    if item.access == "closed" and room.access == "open" and item.history is None:
        values["history"] = "joined"  # what is closed is so for its past, too
    # The other way round the past stays closed, until somebody opens it and means it.
    values = {name: value for name, value in values.items() if getattr(room, name) != value}
    if not values:
        return Changed(state.seq)
    state.renew(room, **values)
    told = note(state, room, by, "set", value=msgspec.json.encode(values).decode(), key=item.key)
    return changed(told)


def topic_set(state: State, item: TopicSet) -> Outcome:
    """A room has another topic: any member says so, or, where only moderators speak and in the
    lobby, they."""
    room = state.conversations.get(item.room)
    announces = room is not None and (room.speaking == "moderators" or room.id == LOBBY_ID)
    found = _ready(state, item, item.room, "moderator" if announces else "member")
    if isinstance(found, Outcome):
        return found
    room, by = found
    if room.topic == item.topic:
        return Changed(state.seq)
    member = room.member(by.id)
    if member is not None and member.muted > state.at:
        return Refused(state.seq, code="muted", text=f"You are muted in #{room.name}.")
    state.renew(room, topic=item.topic)
    told = note(state, room, by, "topic", value=item.topic, key=item.key)
    return changed(told)


# -- coming and going --


def joined(state: State, item: Joined) -> Outcome:
    """Somebody becomes a member of an open room, or of one to which he is invited."""
    by = sender_of(state, item)
    if by is None:
        return gone(state)
    room = state.conversations.get(item.room)
    there = room is not None and state.may_find(room, by.id)
    known = is_repeat(state, item)
    if known is not None:
        return Changed(known, duplicate=True, room=seen_by(room, by) if room and there else None)
    if room is None or not there:
        return no_such_room(state, room)
    if room.member(by.id) is not None:
        return Changed(state.seq, room=seen_by(room, by))
    if 0 < item.most <= room.count:
        return not_allowed(state, f"#{room.name} is full: a room has at most {item.most} members.")
    if by.id in room.invited:
        state.invite(room, by.id, 0)
    was = room.members.get(by.id)
    # As the first of what it gives: who has just joined is shown that, too.
    member = state.add_member(room, by, since=state.seq)
    if was is not None and was.muted > state.at:
        state.change_member(member, muted=was.muted)  # leaving does not end it
    told = note(state, room, by, "joined", key=item.key)
    return changed(told, room=seen_by(room, by))


def left(state: State, item: Left) -> Outcome:
    """Somebody leaves a room; who leaves it empty deletes it."""
    found = _ready(state, item, item.room, "member", inside=True)
    if isinstance(found, Outcome):
        return found
    room, by = found
    if room.id == LOBBY_ID:
        return not_allowed(state, "Everybody is in the lobby; nobody leaves it.")
    if room.count > 1 and _owners(room) == [by.id]:
        return not_allowed(
            state,
            f"You are the last owner of #{room.name}: make somebody else one first,"
            f" as in role bob owner #{room.name}.",
        )
    told = depart(state, room, by, item.key)
    return changed(*told)


def depart(
    state: State, room: Conversation, account: Account, key: str | None = None
) -> tuple[Told, ...]:
    """Have somebody leave a room whatever follows: a last owner is followed by the longest-serving
    moderator, else member, and an empty room is deleted."""
    told = [note(state, room, account, "left", key=key)]
    owned = _owners(room) == [account.id]
    state.end_member(room, account, told[0].change.seq)
    if not room.count:
        state.remove_room(room)
    elif owned:
        heir = _heir(room)
        state.change_member(heir, role="owner")
        who = state.accounts[heir.account]
        told.append(note(state, room, account, "role", who=who, value="owner"))
    return tuple(told)


def invited(state: State, item: Invited) -> Outcome:
    """A member of an open room, or a moderator of a closed one, lets somebody join."""
    room = state.conversations.get(item.room)
    closed = room is not None and room.access == "closed"
    found = _ready_for(state, item, "moderator" if closed else "member")
    if isinstance(found, Outcome):
        return found
    room, by, who = found
    if room.id == LOBBY_ID:
        return not_allowed(state, "Everybody is in the lobby; nobody is invited to it.")
    if room.member(who.id) is not None or who.id in room.invited:
        return Changed(state.seq)
    state.invite(room, who.id, by.id)
    told = note(
        state, room, by, "invited", who=who, key=item.key, also=() if who.busy else who.sessions
    )
    return changed(told)


def removed(state: State, item: Removed) -> Outcome:
    """A moderator takes somebody out of a room, or an invitation back."""
    found = _ready_for(state, item, "moderator")
    if isinstance(found, Outcome):
        return found
    room, by, who = found
    if room.id == LOBBY_ID:
        return not_allowed(state, "Everybody is in the lobby; nobody is removed from it.")
    if who.id in room.invited:
        state.invite(room, who.id, 0)
        told = note(
            state,
            room,
            by,
            "withdrawn",
            who=who,
            key=item.key,
            also=() if who.busy else who.sessions,
        )
        return changed(told)
    refusal = _above(state, room, by, who)
    if refusal is not None:
        return refusal
    told = note(state, room, by, "removed", who=who, value=item.reason, key=item.key)
    state.end_member(room, who, told.change.seq)
    return changed(told)


def role_given(state: State, item: RoleGiven) -> Outcome:
    """An owner makes somebody owner, moderator or member."""
    found = _ready_for(state, item, "owner")
    if isinstance(found, Outcome):
        return found
    room, by, who = found
    if room.id == LOBBY_ID and item.role == "owner":
        return not_allowed(state, "The lobby has no owner: admins of the server act as one.")
    member = room.member(who.id)
    if member is None:
        return _is_no_member(state, room, who)
    if member.role == item.role:
        return Changed(state.seq)
    if _owners(room) == [who.id]:
        return _is_last_owner(state, room, who)
    state.change_member(member, role=item.role)
    told = note(state, room, by, "role", who=who, value=item.role, key=item.key)
    return changed(told)


def muted(state: State, item: Muted) -> Outcome:
    """A moderator keeps somebody from speaking for some minutes, or lets him speak again."""
    found = _ready_for(state, item, "moderator")
    if isinstance(found, Outcome):
        return found
    room, by, who = found
    refusal = _above(state, room, by, who)
    if refusal is not None:
        return refusal
    member = room.members[who.id]
    until = state.at + item.minutes * _MINUTE_MS if item.minutes else 0
    if not until and member.muted <= state.at:
        return Changed(state.seq)
    state.change_member(member, muted=until)
    told = note(state, room, by, "muted", who=who, value=str(item.minutes), key=item.key)
    return changed(told)


# -- parts --


def _ready(
    state: State, act: Act, number: int, role: Role, *, inside: bool = False
) -> tuple[Conversation, Account] | Outcome:
    """Return the room and who acts there, or why nothing follows: it has happened before, there is
    no such room for him, or he lacks the role; `inside`: or he is no member."""
    by = sender_of(state, act)
    if by is None:
        return gone(state)
    known = is_repeat(state, act)
    if known is not None:
        return repeated(known)
    room = state.conversations.get(number)
    if room is None or not state.may_find(room, by.id):
        return no_such_room(state, room)
    mine = rank(room, by)
    if mine < 0 or (inside and room.member(by.id) is None):
        return not_a_member(state, room, by)
    if mine < _RANKS[role]:
        return not_allowed(state, f"Only {_AT_LEAST[role]} of #{room.name} can do that.")
    return room, by


def _ready_for(
    state: State, item: Invited | Removed | RoleGiven | Muted, role: Role
) -> tuple[Conversation, Account, Account] | Outcome:
    """As `_ready`, with the account that it is about, if there is one."""
    found = _ready(state, item, item.room, role)
    if isinstance(found, Outcome):
        return found
    who = state.accounts.get(item.who)
    if who is None or who.deleted is not None:
        return Refused(state.seq, code="no_such_user", text="Nobody has that name any more.")
    return (*found, who)


_AT_LEAST: Final[dict[Role, str]] = {
    "member": "members",
    "moderator": "moderators and owners",
    "owner": "owners",
}


def _above(state: State, room: Conversation, by: Account, who: Account) -> Refused | None:
    """Return why somebody may not be removed or muted by `by`, if so."""
    member = room.member(who.id)
    if member is None:
        return _is_no_member(state, room, who)
    if who is by:
        return not_allowed(state, "You cannot do that to yourself.")
    if rank(room, by) < _RANKS["owner"] and _RANKS[member.role] >= rank(room, by):
        return not_allowed(
            state, f"Only owners of #{room.name} can do that to {a_role(member.role)}."
        )
    if _owners(room) == [who.id]:
        return _is_last_owner(state, room, who)
    return None


def _owners(room: Conversation) -> list[int]:
    return [
        each.account for each in room.members.values() if each.role == "owner" and each.left is None
    ]


def _heir(room: Conversation) -> Member:
    """Return who follows a last owner."""
    present = [each for each in room.members.values() if each.left is None]
    return min(present, key=lambda each: (-_RANKS[each.role], each.since, each.account))


def _is_last_owner(state: State, room: Conversation, who: Account) -> Refused:
    return not_allowed(
        state, f"{who.name} is the last owner of #{room.name}: make somebody else one first."
    )


def _is_no_member(state: State, room: Conversation, who: Account) -> Refused:
    return Refused(state.seq, code="not_a_member", text=f"{who.name} is not in #{room.name}.")
