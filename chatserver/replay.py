"""Showing a session what it has not seen yet, so that live messages follow without gap or repeat.

The log thread has given the session its place in the order and holds its outbox; what lies before
that place is read from the store here, in the handler thread, pushed ahead of what is held, and
then the outbox is released.
"""

from chatserver.archive import event_of
from chatserver.session import Session
from chatserver.store import Store, Window
from chatwire.protocol import Replayed


class Replay:
    """Replays for all sessions of a server: at most `limit` messages each, the newest."""

    def __init__(self, store: Store, limit: int) -> None:
        self._store = store
        self._limit = limit

    def window(
        self, session: Session, since: int, upto: int, *, own: bool, others: bool = True
    ) -> Window:
        """Return what the session has not seen of the messages up to `upto`.

        `since` is where the room begins for the account; `own` and `others` tell whether what it
        said itself and what others said is included.
        """
        return Window(
            account=session.key,
            sender=session.account,
            after=session.cursor,
            upto=upto,
            since=since,
            own=own,
            others=others,
        )

    def count(self, window: Window) -> int:
        """Return how many messages are in the window."""
        return self._store.count(window)

    def show(self, session: Session, window: Window, missed: int) -> None:
        """Push the `missed` messages of the window, the newest if there are too many.

        Afterwards, whatever happens, the outbox lets live messages follow.
        """
        connection = session.connection
        try:
            if missed:
                messages = self._store.messages(window, self._limit or missed)
                for message in messages:
                    event = event_of(message)
                    event.replay = True
                    data = connection.renderer.render(event, session.account)
                    connection.push_bytes(data, message.seq, ahead=True)
                    # A replay may be larger than an outbox: go on as the client reads.
                    if not connection.keep_pace():
                        return
                end = Replayed(count=len(messages), more=max(0, missed - len(messages)))
                connection.push_bytes(connection.renderer.render(end), window.upto, ahead=True)
        finally:
            connection.outbox.release()
            connection.drain()
