"""What an account may read of what was said before: history and search, as events."""

from typing import Final

from chatserver.search.index import SearchIndex
from chatserver.search.query import parse_query
from chatserver.storage.past import Page, StoredMessage
from chatserver.storage.store import Store
from chatwire.protocol import Message, timestamp

_ENVELOPE_BYTES: Final = 200
"""What a message takes in JSON beside its text, about."""


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

    def search(
        self, words: str, account: int, room_since: int, limit: int
    ) -> tuple[tuple[Message, ...], bool]:
        """Return up to `limit` messages that match, newest first, and whether there are more.

        `room_since` is where the room begins for the account.
        """
        query = parse_query(words)
        if query is None:
            return (), False
        found = self._index.search(query, account, room_since, limit + 1)
        # The index may still have what was deleted.
        messages = self._store.some(found, account)
        fitting = self._fitting(messages[:limit])
        return tuple(map(event_of, fitting)), len(fitting) < len(messages)

    def _fitting(self, messages: list[StoredMessage]) -> list[StoredMessage]:
        """Return the first messages that fit into one answer; at least one, if there is one."""
        size = 0
        for at, message in enumerate(messages):
            size += len(message.text.encode()) + _ENVELOPE_BYTES
            if at and 0 < self._most_bytes < size:
                return messages[:at]
        return messages


def event_of(stored: StoredMessage) -> Message:
    """Return a stored message as its readers get it."""
    message = Message(
        seq=stored.seq, at=timestamp(stored.at), sender=stored.sender, text=stored.text
    )
    if stored.room is None:
        message.to = stored.to
    else:
        message.room = stored.room
    return message
