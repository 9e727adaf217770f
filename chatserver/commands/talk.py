"""Saying something: to everybody, to some, in a room; and in answer."""

from typing import Final

from chatserver.commands.context import Context
from chatserver.commands.parts import (
    account_ids,
    aimed,
    append,
    checked,
    last_message,
    readable_message,
    room_id,
)
from chatserver.commands.registry import (
    Key,
    NoRoom,
    OptionalSeq,
    Place,
    Target,
    TypedWords,
    Words,
    command,
)
from chatserver.errors import CommandError
from chatserver.order.items import Said
from chatserver.order.records import LOBBY_ID
from chatserver.storage.past import StoredMessage
from chatwire.events import Typing
from chatwire.names import fold
from chatwire.replies import Reply
from chatwire.text import for_log

_MOST_TOLD: Final = 100
"""Sessions that are told who is writing; in a conversation with more it is of no use to anybody."""


@command("talk", "Say something to everybody.", aliases=("say",))
def broadcast(context: Context, text: Words, key: Key = None) -> Reply | None:
    """Send to everybody who is connected, but to this session."""
    if not context.services.settings.rooms.lobby:
        raise CommandError(
            "no_such_room", "There is no lobby here: say where, as in send #room hello."
        )
    _say(context, "broadcast", checked(context, text), key, room=LOBBY_ID)
    return None


@command("talk", "Say something to somebody, to several, or in a room.", aliases=("msg", "tell"))
def send(
    context: Context,
    to: Place = None,
    text: TypedWords = "",
    key: Key = None,
    room: NoRoom = None,
    reply_to: OptionalSeq = None,
) -> Reply | None:
    """Send to the accounts named, here or not, or to the members of a room."""
    if (to is None) == (room is None):
        raise CommandError("bad_request", "send: name a room or whom to tell, and not both.")
    if room is not None:
        number = room_id(context, room)
        _say(context, "send", checked(context, text), key, room=number, reply_to=reply_to)
        return None
    known: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for name in to or ():
        account = context.services.accounts.find(name)
        if account is None:
            unknown[fold(name)] = for_log(name, 32)
        else:
            known[fold(name)] = account.name
    if not known:
        raise CommandError("no_such_user", f"No such user: {', '.join(unknown.values())}.")
    text = checked(context, text)
    ids = tuple(map(context.services.registrar.account_id, known.values()))
    _say(context, "send", text, key, ids, reply_to=reply_to, unknown=tuple(unknown.values()))
    return None


@command("talk", "Answer the last message, or one by its number.")
def reply(
    context: Context, target: Target = None, text: TypedWords = "", key: Key = None
) -> Reply | None:
    """Answer a message where it was said."""
    text = checked(context, text)
    target = aimed(context, target, mine=False)
    message, _ = readable_message(context, target)
    _answer(context, "reply", message, text, key, reply_to=target)
    return None


@command("talk", "Answer where the last private message came from.")
def answer(
    context: Context, text: Words, key: Key = None, target: OptionalSeq = None
) -> Reply | None:
    """Say something to whoever sent the last private message, or `target`, and to everybody in it.

    A client names the one it has shown, so that asked again it means the same.
    """
    text = checked(context, text)
    if target is None:
        target = last_message(context, mine=False, private=True)
    message, _ = readable_message(context, target)
    _answer(context, "answer", message, text, key)
    return None


@command("talk", "", cost=0.2)
def typing(context: Context, to: Place = None, room: NoRoom = None) -> Reply | None:
    """Show others that something is being written. There is no answer, and nothing is kept."""
    services, me = context.services, context.me
    if room is not None:
        number = services.rooms.find(me.account_id, room)
    else:
        number = services.rooms.direct(me.account_id, account_ids(context, to or ()))
    if number is None:
        return None
    talk = services.rooms.talk(me.account_id, number)
    if talk is None:
        return None
    event = Typing(sender=me.account)
    if talk.room is not None:
        event.room = talk.room
    else:
        event.to = talk.others
    audience = services.rooms.audience(me.account_id, number)
    for session in services.directory.numbered(audience if len(audience) <= _MOST_TOLD else ()):
        session.connection.mention(event)
    return None


def _answer(
    context: Context,
    op: str,
    message: StoredMessage,
    text: str,
    key: str | None,
    reply_to: int | None = None,
) -> None:
    """Say something in the conversation of a message."""
    if message.room is not None:
        room = message.conversation
        _say(context, op, text, key, room=room, reply_to=reply_to)
        return
    to = context.services.rooms.people(context.me.account_id, message.conversation)
    _say(context, op, text, key, to, reply_to=reply_to)


def _say(
    context: Context,
    op: str,
    text: str,
    key: str | None,
    to: tuple[int, ...] = (),
    *,
    room: int | None = None,
    reply_to: int | None = None,
    unknown: tuple[str, ...] = (),
) -> None:
    me = context.me
    said = Said(
        at=context.services.clock.now(),
        account=me.account_id,
        session=me.id,
        key=key,
        text=text,
        room=room,
        to=to,
        reply_to=reply_to,
    )
    append(context, op, said, unknown)


COMMANDS = (broadcast, send, reply, answer, typing)
