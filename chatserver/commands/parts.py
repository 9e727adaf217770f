"""What several commands need: names and rooms that people have typed, texts, and acting."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from chatserver.commands.context import Context
from chatserver.errors import CommandError
from chatserver.order.items import Act
from chatserver.order.pending import Question
from chatserver.storage.past import Page, StoredMessage, Stretch
from chatwire.text import clean, for_log

_SETTLE_SECONDS = 10.0


def append(context: Context, op: str, item: Act, unknown: tuple[str, ...] = ()) -> None:
    """Put an item into the order; it is answered, as `op`, when its turn has come. `unknown` are
    names in the request that nobody has."""
    context.services.order.append(item, Question(context.me, context.request, unknown, op))
    context.connection.appended()


def perform(
    context: Context,
    op: str,
    kind: type[Act],
    key: str | None,
    **details: Any,
) -> None:
    """Put what the asker wants to have happened into the order: an item of some `kind` with its
    `details`. It is answered, as `op`, when its turn has come."""
    me = context.me
    at = context.services.clock.now()
    append(context, op, kind(at=at, account=me.account_id, session=me.id, key=key, **details))


def room_id(context: Context, name: str) -> int:
    """Return the number of a room. Raises CommandError (no_such_room)."""
    found = context.services.rooms.find(context.me.account_id, name)
    if found is None:
        raise no_such_room(name)
    return found


def no_such_room(name: str) -> CommandError:
    """Return the refusal for a room that there is not, as far as the asker can know."""
    return CommandError("no_such_room", f"There is no room #{for_log(name, 32)}.")


def room_and_account(context: Context, room: str, name: str) -> dict[str, Any]:
    """Return the numbers of a room and of somebody, as items name them. Raises CommandError."""
    number = room_id(context, room)  # first: who cannot find the room learns of nobody
    (who,) = account_ids(context, [name])
    return {"room": number, "who": who}


def account_ids(context: Context, names: Iterable[str]) -> tuple[int, ...]:
    """Return the numbers of accounts, of each once. Raises CommandError (no_such_user)."""
    accounts = {name: context.services.accounts.find(name) for name in names}
    unknown = [for_log(name, 32) for name, account in accounts.items() if account is None]
    if unknown:
        raise CommandError("no_such_user", f"No such user: {', '.join(unknown)}.")
    # As its owner spells it: it may get its number now.
    known = {account.name: None for account in accounts.values() if account is not None}
    return tuple(map(context.services.registrar.account_id, known))


def checked(context: Context, text: str) -> str:
    """Return a text as it is stored: cleaned, not empty, not too long. Raises CommandError."""
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


def aimed(context: Context, target: int | None, *, mine: bool) -> int:
    """Return the number of the message that is meant: without one it is the last, as in
    `last_message`. Raises CommandError (no_such_message)."""
    return last_message(context, mine=mine) if target is None else target


def readable_message(context: Context, seq: int) -> tuple[StoredMessage, Stretch]:
    """Return a message and what the asker may read of its conversation, also of a room that he
    might join. Raises CommandError (no_such_message)."""
    services, me = context.services, context.me.account_id
    found = services.archive.one(seq, partial(services.rooms.stretch, me))
    if found is None:
        raise CommandError("no_such_message", "There is no such message that you can read.")
    return found


def last_message(context: Context, *, mine: bool, private: bool = False) -> int:
    """Return the number of the last message that has been shown to somebody here: his own, or
    another's; `private`: that was said in private. Raises CommandError (no_such_message)."""
    me = context.me
    services = context.services
    if mine:
        me.connection.settle(_SETTLE_SECONDS)  # what is on its way has been said
        upto = services.replay.newest
    elif me.held:
        upto = me.cursor
    else:
        upto = max(me.came_at, me.connection.outbox.written_seq)
    found = services.archive.last(
        Page(
            stretches=services.rooms.stretches(me.account_id),
            after=0,
            before=upto + 1,
            senders=(me.account_id,) if mine else (),
        ),
        me.account_id,
        mine=mine,
        private=private,
    )
    if found is None:
        what = "You have said nothing yet" if mine else "Nothing has been said to you yet"
        raise CommandError("no_such_message", f"{what}.")
    return found
