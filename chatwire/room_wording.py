"""Rooms, and what waits to be read, as a person reads of them."""

from collections.abc import Iterable
from typing import Final

from msgspec import UNSET

from chatwire.events import RoomChanged
from chatwire.names import LOBBY, fold
from chatwire.protocol import MOST_UNREAD
from chatwire.replies import MembersReply, Room, RoomMember, RoomReply, Waiting
from chatwire.rooms import SETTINGS, a_role

_SETUP: Final = {
    "open": "everybody may join",
    "closed": "by invitation only",
    "announce": "only moderators speak",
    "everyone": "everybody speaks",
    "past": "its past can be read",
    "nopast": "its past can be read from joining on",
}


_USUAL: Final = tuple(_SETUP[word] for word in ("open", "everyone", "past"))
"""What nobody has to be told."""


def room_change_lines(event: RoomChanged, viewer: str) -> list[str]:
    """Return what happened to a room, as `viewer` reads it; nothing for what is not known."""
    me, who, room = fold(viewer), event.sender, f"#{event.room}"
    whom = "" if event.name is UNSET else event.name
    mine = bool(me) and fold(whom) == me
    you = "you" if mine else whom
    be = "are" if mine else "is"
    match event.change:
        case "made":
            line = f"{who} made {room}."
        case "joined":
            line = f"{who} joined {room}."
        case "left":
            line = f"{who} left {room}."
        case "invited":
            line = f"{who} invited {you} to {room}"
            line += f": type join {room} to come in." if mine else "."
        case "withdrawn":
            whose = "your" if mine else f"{whom}'s"
            line = f"{who} took back {whose} invitation to {room}."
        case "removed":
            why = f": {event.reason}" if event.reason is not UNSET else "."
            line = f"{who} removed {you} from {room}{why}"
        case "role":
            line = f"{you} {be} {a_role(str(event.role))} of {room} now."
        case "muted":
            minutes = 0 if event.minutes is UNSET else event.minutes
            unit = "minute" if minutes == 1 else "minutes"
            line = f"{who} muted {you} in {room} for {minutes} {unit}."
            if not minutes:
                line = f"{you} may speak in {room} again."
        case "topic":
            topic = "" if event.topic is UNSET else event.topic
            line = f"{who} set the topic of {room}: {topic}"
            if not topic:
                line = f"{who} took away the topic of {room}."
        case "set":
            line = f"{who} set {room} up: {', '.join(_setup(event)) or 'as it was'}."
        case _:
            return []
    return [line[0].upper() + line[1:] if line.startswith("you ") else line]


def _setup(event: RoomChanged | Room) -> list[str]:
    return [
        _SETUP[word] for word, (field, value) in SETTINGS.items() if getattr(event, field) == value
    ]


def rooms_lines(rooms: Iterable[Room]) -> list[str]:
    """Return a list of rooms, a line each."""
    lines = []
    for room in rooms:
        notes = [_people(room)]
        if room.role in ("owner", "moderator"):
            notes.append(f"you are {a_role(room.role)}")
        if room.access == "closed":
            notes.append("closed")
        if room.speaking == "moderators":
            notes.append("only moderators speak")
        if room.unread:
            notes.append(f"{_count(room.unread)} unread")
        if room.mentions:
            notes.append(f"{_count(room.mentions)} for you")
        if room.invited:
            notes.append("you are invited")
        elif not room.role and room.access == "open":
            notes.append("not joined")
        topic = f" {room.topic}" if room.topic else ""
        lines.append(f"#{room.name} ({', '.join(notes)}){topic}")
    return lines or ["There are no rooms; make one with create #name."]


def members_lines(reply: MembersReply) -> list[str]:
    """Return who is in a room, and who of them is here."""

    def named(member: RoomMember) -> str:
        notes = [] if member.role == "member" else [member.role]
        if member.busy:
            notes.append("busy")
        if member.muted:
            notes.append("muted")
        return f"{member.name} ({', '.join(notes)})" if notes else member.name

    here = [named(each) for each in reply.members if each.here]
    away = [named(each) for each in reply.members if not each.here]
    lines = [f"Here in #{reply.room}: {', '.join(here)}."] if here else []
    if away:
        lines.append(f"Not here: {', '.join(away)}.")
    if reply.invited:
        lines.append(f"Invited: {', '.join(reply.invited)}.")
    return lines or [f"Nobody is in #{reply.room}."]


def conversation_name(waiting: Waiting) -> str:
    """Return a conversation as people call it: `lobby`, `#ops`, `bob`, `(bob carol)`."""
    if waiting.room is not UNSET:
        return LOBBY if fold(waiting.room) == LOBBY else f"#{waiting.room}"
    others = () if waiting.with_ is UNSET else waiting.with_
    return others[0] if len(others) == 1 else f"({' '.join(others)})"


def unread_lines(conversations: Iterable[Waiting]) -> list[str]:
    """Return the conversations in which something is unread, a line each."""
    lines = []
    for each in conversations:
        known = bool(each.room or each.with_)  # else it is of a kind that a later version has
        if each.unread and known:
            notes = f"{_count(each.unread)} unread"
            if each.mentions:
                notes += f", {_count(each.mentions)} for you"
            lines.append(f"{conversation_name(each)}: {notes}")
    return lines or ["Nothing is unread."]


def _count(count: int) -> str:
    return f"{count}+" if count >= MOST_UNREAD else str(count)


def entered_lines(reply: RoomReply) -> list[str]:
    """Return what somebody has to know of a room he has made or joined."""
    room, made = reply.room, reply.op == "create"
    if room is UNSET:
        return ["That was done before; you are not in that room any more."]
    line = f"You have made #{room.name}" if made else f"You are in #{room.name}"
    line += f", with {_people(room)}" if room.people > 1 else ""
    unusual = ", ".join(each for each in _setup(room) if each not in _USUAL)
    usual = _SETUP["open"] if made else ""
    rest = unusual or usual
    lines = [f"{line}: {rest}." if rest else f"{line}."]
    if room.topic:
        lines.append(f"Topic: {room.topic}")
    return lines


def _people(room: Room) -> str:
    return "1 person" if room.people == 1 else f"{room.people} people"
