"""What was said before: history, what stands around a message, and search."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from chatserver.commands.context import Context
from chatserver.commands.parts import account_ids, no_such_room, readable_message
from chatserver.commands.registry import (
    NEVER,
    AroundTarget,
    Before,
    Count,
    Limit,
    NoRoom,
    OptionalPlace,
    OptionalSeq,
    SearchWords,
    command,
)
from chatserver.errors import CommandError
from chatserver.search.parts import Scope
from chatserver.search.query import parse_query
from chatserver.storage.past import Page, Stretch
from chatwire.names import LOBBY, fold
from chatwire.replies import HistoryReply, Reply, SearchReply

_AROUND: Final = 20
"""How many messages stand around one, by itself."""

_BEAT_SECONDS: Final = 0.02
"""Some ten thousand messages that the asker may not read are looked at in half of it."""


@command("past", "Read what was said before, here or with somebody.")
def history(
    context: Context,
    with_: OptionalPlace = None,
    limit: Count = 50,
    room: NoRoom = None,
    before: Before = None,
    after: OptionalSeq = None,
    around: OptionalSeq = None,
) -> Reply | None:
    """Answer with messages: the newest, or those before, after or around a number.

    They are those of a room, or those that the asker and `with` said to each other, alone or among
    others; with several names, those that exactly these people said among themselves.
    """
    names = (with_,) if isinstance(with_, str) else with_ or ()
    if len(names) == 1 and room is None and fold(names[0]) == LOBBY:
        names, room = (), LOBBY  # as people type it; no account has that name
    if names and room is not None:
        raise CommandError("bad_request", "history: name a user or a room, not both.")
    if sum(each is not None for each in (before, after, around)) > 1:
        raise CommandError("bad_request", "history: give one of before, after and around.")
    if around is not None:
        return _around(context, around, limit)
    me = context.me.account_id
    others = account_ids(context, names)
    page = Page(
        stretches=(
            context.services.directory.talks(me, others)
            if others
            else (_room(context, room or LOBBY),)
        ),
        after=after or 0,
        before=NEVER if before is None else before,
        forward=after is not None,
        # What a third person said to both of them was not said by one to the other.
        senders=(me, *others) if len(others) == 1 else (),
    )
    messages, more = context.services.archive.history(page, limit)
    return HistoryReply(messages=messages, more=more)


@command("past", "Read what was said before and after a message.")
def around(context: Context, target: AroundTarget, limit: Count = _AROUND) -> Reply | None:
    """Answer with the messages around one, as `history` does."""
    return _around(context, target, limit)


@command("past", 'Find messages: words, begin*, "a phrase", from:bob, in:#ops.', cost=2.0)
def search(context: Context, query: SearchWords, limit: Limit = 20) -> Reply | None:
    """Answer with the newest messages that the asker may read and that match."""
    with _on_the_beat(context):
        return _search(context, query, limit)


@contextmanager
def _on_the_beat(context: Context) -> Iterator[None]:
    """Have an answer, or a refusal, come at a multiple of some time after it was asked for: how
    often words occur in what the asker may not read takes less than that, and so does not show.

    The client's own handler thread waits, and not for long when the connection is ended.
    """
    began = time.monotonic()
    try:
        yield
    finally:
        spent = time.monotonic() - began
        context.connection.rest(_BEAT_SECONDS - spent % _BEAT_SECONDS)


def _search(context: Context, query: str, limit: int) -> SearchReply:
    services, me = context.services, context.me.account_id
    asked = parse_query(query)
    scope = _places(context, asked.places) if asked.places else services.rooms.everything(me)
    if asked.places and not asked.terms:
        messages, more = services.archive.history(Page(scope.stretches, 0, NEVER), limit)
        return SearchReply(messages=messages[::-1], more=more)
    messages, more = services.archive.search(asked, me, scope, limit)
    reply = SearchReply(messages=messages, more=more)
    if scope.partial:
        reply.partial = True
    return reply


def _places(context: Context, places: Iterable[str]) -> Scope:
    """Return rooms (`#ops`) and all that was said among oneself and somebody (`bob`). Raises
    CommandError."""
    stretches: dict[Stretch, None] = {}
    for place in places:
        if place.startswith("#") or fold(place) == LOBBY:
            stretches[_room(context, place.removeprefix("#"))] = None
        else:
            others = account_ids(context, (place,))
            talks = context.services.directory.talks(context.me.account_id, others)
            stretches |= dict.fromkeys(talks)
    return Scope(tuple(stretches))


def _room(context: Context, name: str) -> Stretch:
    """Return what somebody may read of a room. Raises CommandError."""
    stretch, there = context.services.rooms.readable(context.me.account_id, name)
    if not there:
        raise no_such_room(name)
    if stretch is None:
        raise CommandError(
            "not_a_member", f"Only members read what was said in #{name}; join it first."
        )
    return stretch


def _around(context: Context, target: int, limit: int) -> Reply:
    services = context.services
    _, stretch = readable_message(context, target)
    place = (stretch,)
    before, more = services.archive.history(Page(place, 0, target), limit // 2)
    rest = max(1, limit - len(before))
    after, _ = services.archive.history(Page(place, target - 1, NEVER, forward=True), rest)
    return HistoryReply(messages=(*before, *after), more=more)


COMMANDS = (history, around, search)
