"""Showing a session what it has not seen yet, so that live messages follow without gap or repeat.

The log thread has given the session its place in the order and holds its outbox; what lies before
that place is read from the store here, pushed ahead of what is held, and then the outbox is
released. That is done by the session's own handler thread, or, where that waits for input, by a
thread of its own: showing waits for the client that reads, and nobody else may.
"""

import logging
import threading
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from msgspec import Struct

from chatserver.order.outcome import Change
from chatserver.search.events import event_of, event_of_change
from chatserver.sessions.session import Session
from chatserver.speech import rendered
from chatserver.storage.past import StoredMessage, Stretch, Window
from chatserver.storage.store import Store
from chatwire.events import Replayed
from chatwire.protocol import MOST_UNREAD

_log = logging.getLogger(__name__)

_ALL: Final = -1
_CHANGES: Final = 500
"""How many changes are shown at least, where there is a limit at all: the newest."""


class Past(Struct, frozen=True):
    """The messages of a window up to `upto` that are shown, of `count` that there are at least, and
    what else has happened there: `events` are both, in their order."""

    events: tuple[StoredMessage | Change, ...]
    shown: int
    count: int
    upto: int


class Replay:
    """Replays for all sessions of a server: at most `limit` messages each, the newest."""

    def __init__(self, store: Store, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    @property
    def newest(self) -> int:
        """The number of the newest message or change on disk."""
        return self._store.last_seq

    def count(self, window: Window) -> int:
        """Return how many messages are in the window, up to MOST_COUNTED."""
        return self._store.count(window)

    def newest_of(self, conversations: Sequence[int], upto: int) -> dict[int, int]:
        """Return the newest message or change of some conversations as far as `upto`."""
        return self._store.newest_of(conversations, upto) if conversations else {}

    def unread(
        self, account: int, behind: Sequence[Stretch], upto: int
    ) -> dict[int, tuple[int, int]]:
        """Return how many messages of others, and with a mention of the account, are in each of
        some stretches as far as `upto`, up to MOST_UNREAD."""
        return self._store.unread(account, behind, upto, MOST_UNREAD) if behind else {}

    def read(self, window: Window) -> Past:
        """Return what is to be shown of the window."""
        if not (window.stretches or window.ends):
            return Past((), 0, 0, window.upto)  # most logins: nothing is asked for
        messages = self._store.messages(window, self._limit or _ALL)
        shown = count = len(messages)
        if count == self._limit:
            count = max(count, self.count(window))
        events: list[StoredMessage | Change] = [*messages]
        changes = self._store.changes(window, max(self._limit, _CHANGES) if self._limit else _ALL)
        if changes:
            events += changes
            events.sort(key=attrgetter("seq"))
        return Past(tuple(events), shown, count, window.upto)

    def show(self, session: Session, past: Past) -> None:
        """Push what was missed, and let live messages follow.

        Where the client ends before that, what is held is never sent: the next login has it.
        """
        connection = session.connection
        for each in past.events:
            event = event_of(each) if isinstance(each, StoredMessage) else event_of_change(each)
            event.replay = True
            data = rendered(connection.renderer, event, session.account)
            connection.push_bytes(data, each.seq, ahead=True)
            # A replay may be larger than an outbox: go on as the client reads.
            if not connection.keep_pace():
                return
        if past.events:
            end = Replayed(count=past.shown, more=past.count - past.shown)
            connection.push_bytes(connection.renderer.event(end), past.upto, ahead=True)
        connection.outbox.release()
        connection.drain()

    def serve(self, session: Session) -> None:
        """Show the session all it is owed, unless another thread is at it. Raises nothing."""
        while session.owed and session.claim.acquire(blocking=False):
            try:
                while session.owed and not session.connection.ended:
                    self.show(session, self.read(session.owed.pop(0)))
            except BaseException:
                session.connection.cut()
                _log.exception("a replay failed")
            finally:
                session.claim.release()
            if session.connection.ended:
                return

    def start(self, session: Session) -> None:
        """Serve a session whose own thread may be waiting for input. Never blocks."""
        thread = threading.Thread(target=self._work, args=(session,), name="replay", daemon=True)
        try:
            with self._lock:
                self._threads.add(thread)
            thread.start()
        except BaseException:  # no room for another thread
            session.connection.cut()
            with self._lock:
                self._threads.discard(thread)
            _log.exception("a replay could not be started")

    def stop(self, seconds: float) -> None:
        """Wait for the threads. Called when every connection has been ended."""
        with self._lock:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(seconds)

    def _work(self, session: Session) -> None:
        try:
            self.serve(session)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
