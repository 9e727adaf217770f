"""Saying something: to everybody, or to some."""

from chatserver.commands.context import Context
from chatserver.commands.registry import Key, Names, Words, command
from chatserver.errors import CommandError
from chatserver.order.items import Said
from chatserver.order.pending import Question
from chatserver.order.state import LOBBY_ID
from chatwire.names import fold
from chatwire.protocol import Reply
from chatwire.text import clean, for_log


@command("talk", "Say something to everybody.", aliases=("say",))
def broadcast(context: Context, text: Words, key: Key = None) -> Reply | None:
    """Send to everybody who is connected, but to this session."""
    _say(context, _checked(context, text), key, room=LOBBY_ID)
    return None


@command("talk", "Send a private message, now or at the next login.", aliases=("msg", "tell"))
def send(context: Context, to: Names, text: Words, key: Key = None) -> Reply | None:
    """Send to the accounts named, here or not."""
    known: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for name in to:
        account = context.services.accounts.find(name)
        if account is None:
            unknown[fold(name)] = for_log(name, 32)
        else:
            known[fold(name)] = account.name
    if not known:
        raise CommandError("no_such_user", f"No such user: {', '.join(unknown.values())}.")
    text = _checked(context, text)
    ids = tuple(map(context.services.registrar.account_id, known.values()))
    _say(context, text, key, to=ids, unknown=tuple(unknown.values()))
    return None


def _say(
    context: Context,
    text: str,
    key: str | None,
    room: int | None = None,
    to: tuple[int, ...] = (),
    unknown: tuple[str, ...] = (),
) -> None:
    me = context.me
    said = Said(
        at=context.services.clock.now(),
        account=me.account_id,
        session=me.id,
        text=text,
        room=room,
        to=to,
        key=key,
    )
    context.services.order.append(said, Question(me, context.request, unknown))
    context.connection.appended()


def _checked(context: Context, text: str) -> str:
    """Return the text as it is stored: cleaned, not empty, not too long."""
    text = clean(text)
    if not text or text.isspace():
        raise CommandError("bad_request", "There is nothing to say in that message.")
    limit = context.services.settings.message.max_characters
    if 0 < limit < len(text):
        raise CommandError(
            "text_too_long",
            f"That message has {len(text)} characters; the limit is {limit}. Send it in parts.",
        )
    return text


COMMANDS = (broadcast, send)
