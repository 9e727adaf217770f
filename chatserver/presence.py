"""Coming, going, busy and hidden, and telling the others.

Every method runs in the log thread, between messages (see `Log.run`), so that each change has its
place in the one order: what was said before a login is replayed, what is said after it is live.
"""

from dataclasses import dataclass

from chatserver.connection import Connection, Renderer
from chatserver.directory import UserDirectory
from chatserver.errors import CommandError
from chatserver.session import Session
from chatserver.store import Standing
from chatwire.protocol import Presence as PresenceEvent
from chatwire.protocol import PresenceState


@dataclass(frozen=True, slots=True)
class Joined:
    """The place of a login in the order: messages after `seq` are live for the session."""

    seq: int
    standing: Standing
    online: tuple[str, ...]


class Presence:
    """Changes of the directory, with the notices that go with them."""

    def __init__(self, directory: UserDirectory, notices_up_to: int) -> None:
        self._directory = directory
        self._notices_up_to = notices_up_to
        self.silent = False
        """Set when the server stops: that everybody leaves is no news then."""

    def join(self, session: Session, last_seq: int, *, known: bool) -> Joined:
        """Add a session. Its outbox holds live messages back until the handler releases it.

        `known` tells whether the account's standing is on disk.
        """
        session.connection.outbox.hold()
        appeared = self._directory.join(session, last_seq, known=known)
        standing = self._directory.standing(session.key)
        assert standing is not None, "it has just joined"
        start = standing.read if session.since is None else session.since
        session.cursor = min(start, last_seq)
        # Where a busy account has read to, its held messages begin; both dialects start there.
        session.acknowledged = standing.read
        if appeared:
            self._announce(session, busy=standing.busy)
        return Joined(last_seq, standing, self._directory.online(session.key))

    def leave(self, session: Session) -> None:
        """Remove a session and keep how far it had read."""
        self.note_read(session)
        if self._directory.leave(session):
            self._notify(session.key, session.account, "offline")

    def busy(self, session: Session, reply: str, last_seq: int) -> None:
        """Hold back what others say to this account from now on."""
        recipient = self._directory.recipient(session.key)
        self._refuse_during_replay(recipient.sessions)
        if not recipient.busy:
            for each in recipient.sessions:
                each.cursor = last_seq
        self._directory.set_busy(session.key, reply)
        if recipient.visible and not recipient.busy:
            self._notify(session.key, session.account, "busy")

    def idle(self, session: Session) -> tuple[Session, ...]:
        """End busy; return the sessions that are to be shown what was held, each from its
        cursor on. Their outboxes hold until that is done."""
        recipient = self._directory.recipient(session.key)
        self._refuse_during_replay(recipient.sessions)
        if not recipient.busy:
            return ()
        for each in recipient.sessions:
            each.connection.outbox.hold()
        self._directory.set_busy(session.key, None)
        if recipient.visible:
            self._notify(session.key, session.account, "idle")
        return recipient.sessions

    def hide(self, session: Session, hidden: bool) -> None:
        """Make the account look logged out to others, or end that."""
        step = self._directory.set_hidden(session.key, hidden)
        if step > 0:
            self._announce(session, busy=self._directory.recipient(session.key).busy)
        elif step < 0:
            self._notify(session.key, session.account, "offline")

    def note_read(self, session: Session) -> bool:
        """Take over how far a session has read; tell whether the account's position moved."""
        return self._directory.note_read(session.key, session.read)

    def _refuse_during_replay(self, sessions: tuple[Session, ...]) -> None:
        if any(each.connection.outbox.holding for each in sessions):
            raise CommandError(
                "try_later", "Earlier messages are still being shown; try again.", retry_after=1
            )

    def _announce(self, session: Session, *, busy: bool) -> None:
        """Tell the others that somebody is here: in the same way after a login and after hiding."""
        self._notify(session.key, session.account, "online")
        if busy:
            self._notify(session.key, session.account, "busy")

    def _notify(self, key: str, name: str, state: PresenceState) -> None:
        """Tell the other accounts, unless so many are here that nobody could follow."""
        crowded = 0 < self._notices_up_to < self._directory.visible_count()
        if self.silent or crowded:
            return
        event = PresenceEvent(name=name, state=state)
        rendered: dict[Renderer, bytes] = {}
        told: list[Connection] = []
        for session in self._directory.sessions():
            if session.key == key:
                continue
            connection = session.connection
            if connection.renderer not in rendered:
                rendered[connection.renderer] = connection.renderer.render(event)
            connection.push_bytes(rendered[connection.renderer])
            told.append(connection)
        for connection in told:
            connection.drain()
