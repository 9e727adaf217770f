"""What is unread, conversation by conversation, and that it has been read."""

from msgspec import UNSET, structs

from chatserver.commands.context import Context
from chatserver.commands.parts import account_ids, room_id
from chatserver.commands.registry import NoRoom, OptionalPlace, OptionalSeq, command
from chatserver.errors import CommandError
from chatserver.order.items import Read
from chatserver.storage.past import Stretch
from chatwire.replies import ConversationsReply, ReadReply, Reply, Waiting


@command("past", "See where something waits to be read.")
def unread(context: Context) -> Reply | None:
    """List the conversations in which something is unread."""
    waiting = (each for each in _conversations(context) if each.unread)
    return ConversationsReply(op="unread", conversations=tuple(waiting))


@command("past", "", cost=2.0)
def conversations(context: Context) -> Reply | None:
    """List all conversations of the account: how far each goes and has been read."""
    return ConversationsReply(conversations=_conversations(context))


@command("past", "Mark a room or somebody as read, or everything.")
def read(
    context: Context,
    with_: OptionalPlace = None,
    room: NoRoom = None,
    upto: OptionalSeq = None,
) -> Reply | None:
    """Note how far a person has looked; the account's other sessions are told."""
    services, me = context.services, context.me
    number: int | None
    if with_ is not None and room is not None:
        raise CommandError("bad_request", "read: name a user or a room, not both.")
    if room is not None:
        numbers = [room_id(context, room)]
    elif with_ is not None:
        names = (with_,) if isinstance(with_, str) else with_
        number = services.rooms.direct(me.account_id, account_ids(context, names))
        numbers = [] if number is None else [number]
    else:
        numbers = [each.conversation for each in services.rooms.talks(me.account_id)]
    newest = services.replay.newest
    upto = newest if upto is None else min(upto, newest)
    if numbers:
        services.order.run(
            Read(
                at=services.clock.now(),
                account=me.account_id,
                session=me.id,
                conversations=tuple(numbers),
                upto=upto,
            )
        )
    return ReadReply(upto=upto)


def _conversations(context: Context) -> tuple[Waiting, ...]:
    """Return all conversations as they are when what is on disk now is the newest: what has its
    place in the order already and is not on disk, or is written meanwhile, is not there yet."""
    services, me = context.services, context.me.account_id
    upto = services.replay.newest  # first: the state has all of that
    talks = services.rooms.talks(me)
    ahead = [each.conversation for each in talks if each.newest > upto]
    if ahead:  # a few at most, for a moment
        newest = services.replay.newest_of(ahead, upto)
        talks = [
            structs.replace(each, newest=newest.get(each.conversation, each.newest))
            for each in talks
        ]
        talks.sort(key=lambda each: -each.newest)
    # Where nothing has happened since, nothing need be counted.
    behind = [Stretch(each.conversation, each.read) for each in talks if each.newest > each.read]
    counts = services.replay.unread(me, behind, upto)
    found = []
    for each in talks:
        many, mentions = counts.get(each.conversation, (0, 0))
        found.append(
            Waiting(
                room=UNSET if each.room is None else each.room,
                with_=each.others if each.room is None else UNSET,
                newest=each.newest,
                read=each.read,
                unread=many,
                mentions=mentions,
            )
        )
    return tuple(found)


COMMANDS = (unread, conversations, read)
