"""What was said before: history and search."""

from chatserver.commands.context import Context
from chatserver.commands.registry import (
    Before,
    Count,
    Limit,
    OptionalName,
    OptionalSeq,
    SearchWords,
    command,
)
from chatserver.errors import CommandError
from chatserver.storage.store import Page
from chatwire.names import LOBBY, fold
from chatwire.protocol import HistoryReply, Reply, SearchReply
from chatwire.text import for_log

_NEVER = 2**62
"""Beyond every number of a message, and not beyond those that SQLite takes."""


@command("past", "Read what was said before, to everybody or with somebody.")
def history(
    context: Context,
    with_: OptionalName = None,
    limit: Count = 50,
    room: str | None = None,
    before: Before = None,
    after: OptionalSeq = None,
) -> Reply | None:
    """Answer with messages of one conversation: the newest, or those before or after a number."""
    if with_ is not None and room is None and fold(with_) == LOBBY:
        with_, room = None, LOBBY  # as people type it; no account has that name
    if with_ is not None and room is not None:
        raise CommandError("bad_request", "history: name a user or a room, not both.")
    if before is not None and after is not None:
        raise CommandError("bad_request", "history: give before or after, not both.")
    if room not in (None, LOBBY):
        raise CommandError("bad_request", f"history: the only room is {LOBBY}.")
    since = 0 if with_ is not None else context.services.directory.since(context.me.key)
    page = Page(
        account=context.me.key,
        room=LOBBY if with_ is None else None,
        peer=None if with_ is None else _peer(context, with_),
        after=max(since, min(after or 0, _NEVER)),
        before=_NEVER if before is None else min(before, _NEVER),
        forward=after is not None,
    )
    messages, more = context.services.archive.history(page, limit)
    return HistoryReply(messages=messages, more=more)


@command("past", 'Find messages: words, begin*, "a phrase", from:bob.', cost=2.0)
def search(context: Context, query: SearchWords, limit: Limit = 20) -> Reply | None:
    """Answer with the newest messages that the asker may read and that match."""
    since = context.services.directory.since(context.me.key)
    messages, more = context.services.archive.search(query, context.me.key, since, limit)
    return SearchReply(messages=messages, more=more)


def _peer(context: Context, name: str) -> str:
    if context.services.accounts.find(name) is None:
        raise CommandError("no_such_user", f"No such user: {for_log(name, 32)}.")
    return fold(name)


COMMANDS = (history, search)
