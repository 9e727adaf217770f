"""Rooms: finding, making, joining and leaving them, and setting them up."""

from msgspec import structs

from chatserver.commands.context import Context
from chatserver.commands.parts import no_such_room, perform, room_and_account, room_id
from chatserver.commands.registry import (
    AccessWord,
    Key,
    Minutes0,
    Name,
    OptionalSpeaking,
    PastWord,
    ReasonWords,
    RoleWord,
    RoomName,
    Setup,
    TopicWords,
    command,
)
from chatserver.errors import CommandError
from chatserver.order.items import (
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
from chatserver.storage.past import Stretch
from chatwire.events import Role
from chatwire.names import NAME_RULE, RESERVED_RULE, is_name, is_reserved
from chatwire.replies import MembersReply, Reply, Room, RoomsReply
from chatwire.text import for_log, one_line, piles

_MAX_REASON = 200
"""Characters."""


@command("rooms", "See the rooms you are in and those you can join.", cost=2.0)
def rooms(context: Context) -> Reply | None:
    """List rooms, with how much is unread in one's own."""
    services, me = context.services, context.me.account_id
    upto = services.replay.newest  # first: all of that is in the state, and on disk to be counted
    found = services.rooms.rooms(me)
    mine = [talk for _, talk in found if talk is not None and talk.newest > talk.read]
    behind = [Stretch(each.conversation, each.read) for each in mine]
    unread = services.replay.unread(me, behind, upto)
    listed: list[Room] = []
    for room, talk in found:
        counts = unread.get(talk.conversation) if talk is not None else None
        if counts is not None:
            room = structs.replace(room, unread=counts[0], mentions=counts[1])  # noqa: PLW2901
        listed.append(room)
    return RoomsReply(rooms=tuple(listed))


@command("rooms", "See who is in a room.", cost=3.0)
def members(context: Context, room: RoomName) -> Reply | None:
    """List the members of a room that one can find, and for members also who is invited."""
    found = context.services.rooms.members(context.me.account_id, room)
    if found is None:
        raise no_such_room(room)
    name, listed, invited = found
    return MembersReply(room=name, members=tuple(listed), invited=invited)


@command("rooms", "Make a room, open to all; or closed, announce, nopast.")
def create(
    context: Context,
    room: RoomName,
    access: Setup = "open",
    speaking: OptionalSpeaking = None,
    history: PastWord = None,
    key: Key = None,
) -> Reply | None:
    """Make a room and be its owner."""
    services = context.services
    _check_may_create(context, room)
    perform(
        context,
        "create",
        RoomMade,
        key,
        name=room,
        access=access,
        speaking=speaking or "everyone",
        history=history,
        most=services.settings.rooms.max_per_account,
    )
    return None


@command("rooms", "Join a room.")
def join(context: Context, room: RoomName, key: Key = None) -> Reply | None:
    """Become a member of an open room, or of one to which one is invited."""
    services = context.services
    perform(
        context,
        "join",
        Joined,
        key,
        room=room_id(context, room),
        most=services.settings.rooms.max_members,
    )
    return None


@command("rooms", "Leave a room; it ends when its last member does.")
def leave(context: Context, room: RoomName, key: Key = None) -> Reply | None:
    """Be a member of a room no longer."""
    perform(context, "leave", Left, key, room=room_id(context, room))
    return None


@command("rooms", "Invite somebody to a room.")
def invite(context: Context, name: Name, room: RoomName, key: Key = None) -> Reply | None:
    """Let somebody join."""
    perform(context, "invite", Invited, key, **room_and_account(context, room, name))
    return None


@command("rooms", "Take somebody out of a room, or an invitation back.")
def remove(
    context: Context, name: Name, room: RoomName, reason: ReasonWords = None, key: Key = None
) -> Reply | None:
    """Take somebody out of a room."""
    why = one_line(reason or "")
    if len(why) > _MAX_REASON:
        raise CommandError("text_too_long", f"A reason may have at most {_MAX_REASON} characters.")
    perform(context, "remove", Removed, key, **room_and_account(context, room, name), reason=why)
    return None


@command("rooms", "Make somebody owner, moderator or member of a room.")
def role(
    context: Context, name: Name, role: RoleWord, room: RoomName, key: Key = None
) -> Reply | None:
    """Give somebody another role."""
    roles: tuple[Role, ...] = ("owner", "moderator", "member")
    known = next((each for each in roles if each == role.lower()), None)
    if known is None:
        raise CommandError(
            "bad_request",
            f"The roles in a room are {', '.join(roles)}; '{for_log(role, 32)}' is none.",
        )
    perform(context, "role", RoleGiven, key, **room_and_account(context, room, name), role=known)
    return None


@command("rooms", "Keep somebody from speaking for minutes; 0 ends that.")
def mute(
    context: Context, name: Name, room: RoomName, minutes: Minutes0, key: Key = None
) -> Reply | None:
    """Keep somebody from speaking for some minutes."""
    perform(context, "mute", Muted, key, **room_and_account(context, room, name), minutes=minutes)
    return None


@command("rooms", "Set what a room is about; - takes that away.")
def topic(context: Context, room: RoomName, topic: TopicWords, key: Key = None) -> Reply | None:
    """Give a room another topic; an empty one, or `-`, takes it away."""
    text = one_line(topic)
    text = "" if text == "-" else text
    most = context.services.settings.rooms.max_topic
    if 0 < most < len(text):
        raise CommandError(
            "text_too_long", f"That topic has {len(text)} characters; the limit is {most}."
        )
    if piles(text):
        raise CommandError("bad_request", "That topic has too many marks on one character.")
    perform(context, "topic", TopicSet, key, room=room_id(context, room), topic=text)
    return None


@command("rooms", "Set a room up: open, closed, announce, everyone, past, nopast.")
def set(  # noqa: A001 - its name
    context: Context,
    room: RoomName,
    access: AccessWord = None,
    speaking: OptionalSpeaking = None,
    history: PastWord = None,
    key: Key = None,
) -> Reply | None:
    """Set a room up; what is not named stays."""
    if access is None and speaking is None and history is None:
        raise CommandError("bad_request", "set: say what, as in set #room closed.")
    perform(
        context,
        "set",
        RoomSet,
        key,
        room=room_id(context, room),
        access=access,
        speaking=speaking,
        history=history,
    )
    return None


def _check_may_create(context: Context, name: str) -> None:
    """Raise CommandError where a room of this name cannot be made."""
    services, me = context.services, context.me.account_id
    if not is_name(name):
        raise CommandError("bad_request", f"'{for_log(name, 32)}' cannot be a room: {NAME_RULE}.")
    if is_reserved(name):
        raise CommandError("bad_request", f"#{name} cannot be made: {RESERVED_RULE}.")
    if (
        services.settings.rooms.create == "admins"
        and services.directory.standing(me).role != "admin"
    ):
        raise CommandError("not_allowed", "Only admins make rooms here; ask one.")
    if services.rooms.find(me, name) is not None:
        return  # no secret: the order tells whether it is this very request that comes again
    wait = services.guesses.take(str(me))  # before it is looked: what is over tells nothing
    if wait:
        raise CommandError(
            "rate_limited",
            "You have tried many names that were taken; make a room later.",
            retry_after=int(wait) + 1,
        )
    if services.rooms.is_taken(name):
        raise CommandError("room_exists", f"The name #{name} is taken.")
    services.guesses.give_back(str(me))


COMMANDS = (rooms, members, create, join, leave, invite, remove, role, mute, topic, set)
