"""What was said before: history and search."""

from collections.abc import Iterable

from chatserver.commands.context import Context
from chatserver.commands.registry import (
    Before,
    Count,
    Limit,
    OptionalNames,
    OptionalSeq,
    SearchWords,
    command,
)
from chatserver.errors import CommandError
from chatserver.storage.past import Page
from chatwire.names import LOBBY, fold
from chatwire.protocol import HistoryReply, Reply, SearchReply
from chatwire.text import for_log

_NEVER = 2**62
"""Beyond every number of a message, and not beyond those that SQLite takes."""


@command("past", "Read what was said before, to everybody or with somebody.")
def history(
    context: Context,
    with_: OptionalNames = None,
    limit: Count = 50,
    room: str | None = None,
    before: Before = None,
    after: OptionalSeq = None,
) -> Reply | None:
    """Answer with messages: the newest, or those before or after a number.

    They are those of the room, or those that the asker and `with` said to each other, alone or
    among others; with several names, those that exactly these people said among themselves.
    """
    names = (with_,) if isinstance(with_, str) else with_ or ()
    if len(names) == 1 and room is None and fold(names[0]) == LOBBY:
        names, room = (), LOBBY  # as people type it; no account has that name
    if names and room is not None:
        raise CommandError("bad_request", "history: name a user or a room, not both.")
    if before is not None and after is not None:
        raise CommandError("bad_request", "history: give before or after, not both.")
    if room not in (None, LOBBY):
        raise CommandError("bad_request", f"history: the only room is {LOBBY}.")
    directory, me = context.services.directory, context.me.account_id
    others = _ids(context, names)
    page = Page(
        stretches=directory.talks(me, others) if others else directory.lobby(me),
        after=min(after or 0, _NEVER),
        before=_NEVER if before is None else min(before, _NEVER),
        forward=after is not None,
        # What a third person said to both of them was not said by one to the other.
        senders=(me, *others) if len(others) == 1 else (),
    )
    messages, more = context.services.archive.history(page, limit)
    return HistoryReply(messages=messages, more=more)


@command("past", 'Find messages: words, begin*, "a phrase", from:bob.', cost=2.0)
def search(context: Context, query: SearchWords, limit: Limit = 20) -> Reply | None:
    """Answer with the newest messages that the asker may read and that match."""
    me = context.me.account_id
    lobby = context.services.directory.lobby(me)
    since = lobby[0].since if lobby else _NEVER
    messages, more = context.services.archive.search(query, me, since, limit)
    return SearchReply(messages=messages, more=more)


def _ids(context: Context, names: Iterable[str]) -> tuple[int, ...]:
    """Return the numbers of accounts. Raises CommandError (no_such_user)."""
    accounts = {name: context.services.accounts.find(name) for name in names}
    unknown = [for_log(name, 32) for name, account in accounts.items() if account is None]
    if unknown:
        raise CommandError("no_such_user", f"No such user: {', '.join(unknown)}.")
    # Each once, and as its owner spells it: it may get its number now.
    known = {account.name: None for account in accounts.values() if account is not None}
    return tuple(map(context.services.registrar.account_id, known))


COMMANDS = (history, search)
