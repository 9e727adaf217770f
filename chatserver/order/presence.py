"""Coming, going, busy and hidden, and telling the others.

Every method runs in the log thread, between messages (see `Log.run`), so that each change has its
place in the one order: what was said before a login is replayed, what is said after it is live.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chatserver.errors import CommandError
from chatserver.sessions.connection import Connection
from chatserver.sessions.directory import UserDirectory
from chatserver.sessions.session import Session
from chatserver.speech import Renderer
from chatserver.storage.store import Standing, Window
from chatwire.protocol import Presence as PresenceEvent
from chatwire.protocol import PresenceState

_log = logging.getLogger(__name__)

REMOVED: Final = CommandError("kicked", "This account was removed by the operator.")
DISABLED: Final = CommandError("disabled", "This account was disabled by the operator.")
PASSWORD_CHANGED: Final = CommandError(
    "password_changed", "The password of this account was changed; log in with the new one."
)
"""Why a session is its account's no more."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The place of a login in the order: messages after `seq` are live for the session.

    `window` is what it lacks of those before.
    """

    seq: int
    standing: Standing
    online: tuple[str, ...]
    window: Window


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
        self._expel_others(session, known=known)
        session.connection.outbox.hold()
        appeared = self._directory.join(session, last_seq, known=known)
        standing = self._directory.standing(session.key)
        assert standing is not None, "it has just joined"
        start = min(standing.read if session.since is None else session.since, last_seq)
        # A device that resumes lacks what the account said elsewhere; a new one does not ask.
        session.keep_back(start, last_seq if session.since is None else start)
        window = session.window(standing.since, last_seq)
        session.held = standing.busy
        # Where a busy account has read to, its held messages begin; both dialects start there.
        session.acknowledged = standing.read
        if appeared:
            self._announce(session, busy=standing.busy)
        return Joined(last_seq, standing, self._directory.online(session.key), window)

    def leave(self, session: Session) -> None:
        """Remove a session, if it is there, and keep how far it had read."""
        try:
            self.note_read(session)
        finally:
            if self._directory.leave(session):
                self._notify(session.key, session.account, "offline")

    def expel(self, sessions: Iterable[Session], reason: CommandError) -> None:
        """End sessions that are their account's no more. They have left when this returns."""
        for session in sessions:
            self.leave(session)
            if session.revoked is None:
                session.revoke(reason)

    def forget(self, key: str) -> None:
        """Forget an account that was deleted: a new one of its name starts afresh."""
        self.expel(self._directory.recipient(key).sessions, REMOVED)
        self._directory.forget(key)

    def busy(self, session: Session, reply: str, last_seq: int) -> None:
        """Hold back what is said to this account, and by its other sessions, from now on."""
        session.check()
        recipient = self._directory.recipient(session.key)
        if not recipient.busy:
            for each in recipient.sessions:
                each.keep_back(last_seq, last_seq)
        self._directory.set_busy(session.key, reply)
        if recipient.visible and not recipient.busy:
            self._notify(session.key, session.account, "busy")

    def idle(self, session: Session, last_seq: int) -> tuple[Session, ...]:
        """End busy; return the sessions, each of which is now owed what was held for it."""
        session.check()
        recipient = self._directory.recipient(session.key)
        standing = self._directory.standing(session.key)
        if not recipient.busy or standing is None:
            return ()
        self._directory.set_busy(session.key, None)
        for each in recipient.sessions:
            try:
                each.let_go(standing.since, last_seq)
            except BaseException:  # the others are not to wait for ever because of this one
                each.connection.cut()
                _log.exception("a session could not be given what was held")
        if recipient.visible:
            self._notify(session.key, session.account, "idle")
        return recipient.sessions

    def hide(self, session: Session, hidden: bool) -> None:
        """Make the account look logged out to others, or end that."""
        session.check()
        step = self._directory.set_hidden(session.key, hidden)
        if step > 0:
            self._announce(session, busy=self._directory.recipient(session.key).busy)
        elif step < 0:
            self._notify(session.key, session.account, "offline")

    def note_read(self, session: Session) -> bool:
        """Take over how far a session has read; tell whether the account's position moved."""
        if session.revoked is not None:
            return False
        return self._directory.note_read(session.key, session.read)

    def _expel_others(self, session: Session, *, known: bool) -> None:
        """End the sessions of whoever had the name, or knew the password, before."""
        before = self._directory.recipient(session.key).sessions
        others = [each for each in before if each.identity != session.identity]
        self.expel(others, PASSWORD_CHANGED if known else REMOVED)

    def _announce(self, session: Session, *, busy: bool) -> None:
        """Tell the others that somebody is here: in the same way after a login and after hiding."""
        self._notify(session.key, session.account, "online")
        if busy:
            self._notify(session.key, session.account, "busy")

    def _notify(self, key: str, name: str, state: PresenceState) -> None:
        """Tell the other accounts, unless so many are here that nobody could follow.

        Raises nothing: it is no reason why somebody should not come or go.
        """
        try:
            self._tell_others(key, name, state)
        except Exception:
            _log.exception("a presence notice failed")

    def _tell_others(self, key: str, name: str, state: PresenceState) -> None:
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
                rendered[connection.renderer] = connection.renderer.event(event)
            connection.push_bytes(rendered[connection.renderer])
            told.append(connection)
        for connection in told:
            connection.drain()
