"""What an account may read of what was said before: history and search, as events."""

from collections.abc import Callable
from contextlib import closing
from typing import Final

from chatserver.search.events import event_of
from chatserver.search.index import SearchIndex
from chatserver.search.parts import Scope, TooMuch
from chatserver.search.query import Query
from chatserver.storage.past import Page, StoredMessage, Stretch
from chatserver.storage.store import Store
from chatwire.events import Message

_ENVELOPE_BYTES: Final = 200
"""What a message takes in JSON beside its text, about."""


_LOOKED_AT: Final = 200


class Archive:
    """Reads the past, in the handler thread of whoever asks.

    An answer stays below `most_bytes`, about, however long the messages in it are (0: no limit).
    """

    def __init__(self, store: Store, index: SearchIndex, most_bytes: int = 0) -> None:
        self._store = store
        self._index = index
        self._most_bytes = most_bytes

    def history(self, page: Page, limit: int) -> tuple[tuple[Message, ...], bool]:
        """Return up to `limit` messages of a page, oldest first, and whether there are more: the
        newest before its end, or `forward` from its beginning."""
        found = self._store.history(page, limit + 1)
        if not page.forward:
            found.reverse()  # those that fit are the nearest to where the page begins
        fitting = self._fitting(found[:limit])
        more = len(found) > len(fitting)
        return tuple(map(event_of, fitting if page.forward else reversed(fitting))), more

    def one(
        self, seq: int, readable: Callable[[int | None], Stretch | None]
    ) -> tuple[StoredMessage, Stretch] | None:
        """Return a message and the stretch it is in, if somebody may read it: `readable` tells what
        of a conversation (None: of none), if anything."""
        # Where it is is looked up first: that takes as long for one that there is not.
        stretch = readable(self._store.place(seq))
        found = [] if stretch is None else self._store.some([seq], (stretch,))
        return (found[0], stretch) if stretch is not None and found else None

    def last(self, page: Page, account: int, *, mine: bool, private: bool) -> int | None:
        """Return the number of the newest message of a page that is the account's own, or that is
        another's; `private`: in a direct conversation. Only the last few are looked at."""
        for each in reversed(self._store.history(page, _LOOKED_AT)):
            said = (each.sender_id == account) == mine and each.deleted is None
            if said and not (private and each.room is not None):
                return each.seq
        return None

    def search(
        self, query: Query, account: int, scope: Scope, limit: int
    ) -> tuple[tuple[Message, ...], bool]:
        """Return up to `limit` messages that match, newest first, and whether there are more: or
        may be, where it was too much to look further. That is no refusal: how much there is that
        the account may not read is no matter of its own.

        Only those in `scope`, which is what the account may read, or a part of it. Raises
        CommandError.
        """
        found: list[StoredMessage] = []
        too_much = False
        if query.terms:
            with closing(self._index.search(query.match, account, scope, limit + 1)) as batches:
                try:
                    for seqs in batches:
                        # The index may still have what was deleted, or what was said otherwise.
                        some = self._store.some(seqs, scope.stretches)
                        found += [each for each in some if _is_meant(query, each)]
                        if len(found) > limit:
                            break
                except TooMuch:
                    too_much = True
        fitting = self._fitting(found[:limit])
        return tuple(map(event_of, fitting)), too_much or len(fitting) < len(found)

    def _fitting(self, messages: list[StoredMessage]) -> list[StoredMessage]:
        """Return the first messages that fit into one answer; at least one, if there is one."""
        size = 0
        for at, message in enumerate(messages):
            size += len(message.text.encode()) + _ENVELOPE_BYTES
            if at and 0 < self._most_bytes < size:
                return messages[:at]
        return messages


def _is_meant(query: Query, message: StoredMessage) -> bool:
    """Tell whether a message that was found reads so now."""
    return message.deleted is None and (
        message.edited is None or query.fits(message.text, message.sender)
    )
