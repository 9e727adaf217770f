"""What an account may read of what was said before: history and search, as events."""

from chatserver.search import SearchIndex, parse_query
from chatserver.store import Page, Store, StoredMessage
from chatwire.protocol import Message, timestamp


class Archive:
    """Reads the past, in the handler thread of whoever asks."""

    def __init__(self, store: Store, index: SearchIndex) -> None:
        self._store = store
        self._index = index

    def history(self, page: Page, limit: int) -> tuple[tuple[Message, ...], bool]:
        """Return up to `limit` messages of a page, oldest first, and whether there are more."""
        found = self._store.history(page, limit + 1)
        more = len(found) > limit
        if more:
            found = found[:limit] if page.forward else found[1:]
        return tuple(map(event_of, found)), more

    def search(
        self, words: str, account: str, room_since: int, limit: int
    ) -> tuple[tuple[Message, ...], bool]:
        """Return up to `limit` messages that match, newest first, and whether there are more.

        `room_since` is where the room begins for the account.
        """
        query = parse_query(words)
        if query is None:
            return (), False
        found = self._index.search(query, account, room_since, limit + 1)
        messages = self._store.some(found[:limit])
        return tuple(map(event_of, messages)), len(found) > limit


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
