"""Coming, going, busy and hidden: what follows for the sessions here, and telling the others.

Everything runs in the log thread, in its place of the order: what was said before a login is
replayed, what is said after it is live.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from chatserver.errors import CommandError
from chatserver.order.items import AccountDeleted, Came, Ended, Idle, Item, Reason, Went
from chatserver.order.outcome import Arrived, Notice, Outcome, Refused, Revoked, Turned
from chatserver.order.pending import Entry
from chatserver.sessions.connection import Connection
from chatserver.sessions.directory import UserDirectory
from chatserver.sessions.session import Session
from chatserver.speech import Renderer
from chatwire.events import Presence as PresenceEvent

_log = logging.getLogger(__name__)

_REASONS: Final[dict[Reason, CommandError]] = {
    "removed": CommandError("kicked", "This account was removed by the operator."),
    "disabled": CommandError("disabled", "This account was disabled by the operator."),
    "password": CommandError(
        "password_changed", "The password of this account was changed; log in with the new one."
    ),
    "revoked": CommandError("logged_out", "This device was logged out; log in again to go on."),
}
"""Why a session is its account's no more."""


class Presence:
    """What follows for live sessions from everything but messages."""

    def __init__(
        self,
        directory: UserDirectory,
        notices_up_to: int,
        show: Callable[[Session], None],
    ) -> None:
        """`show` has somebody show a session what it is owed, and never blocks."""
        self._directory = directory
        self._notices_up_to = notices_up_to
        self._show = show
        self.silent = False
        """Set when the server stops: that everybody leaves is no news then."""

    def follow(self, entry: Entry) -> None:
        """Do what follows from an item. Raises nothing: whom it fails for is cut off."""
        item, outcome = entry.item, entry.result
        if not isinstance(outcome, Outcome) or isinstance(outcome, Refused):
            return
        for session in self._sessions_of(item, outcome):
            try:
                self._follow(session, item, outcome)
            except BaseException:  # the others are not to wait for ever because of this one
                session.connection.cut()
                _log.exception("a session could not follow what happened")
        for notice in outcome.notices:
            self._notify(notice)

    def abandon(self, entry: Entry) -> None:
        """Cut off the sessions for which something may not have followed."""
        outcome = entry.result
        if isinstance(outcome, Outcome):
            for session in self._sessions_of(entry.item, outcome):
                session.connection.cut()

    def _sessions_of(self, item: Item, outcome: Outcome) -> Iterable[Session]:
        """Return the sessions that an outcome changes."""
        if isinstance(item, Came | Went):
            return self._directory.numbered((item.session,))
        if isinstance(outcome, Turned | Revoked):
            return self._directory.numbered(outcome.sessions)
        return ()

    def _follow(self, session: Session, item: Item, outcome: Outcome) -> None:
        if isinstance(outcome, Arrived):
            self._arrive(session, outcome)
        elif isinstance(item, Went):
            self._directory.remove(session)
        elif isinstance(outcome, Revoked):
            self._directory.remove(session)
            session.revoke(_REASONS[_reason(item)])
        elif isinstance(item, Idle) and isinstance(outcome, Turned):
            session.let_go(self._directory.window(session, outcome.seq, outcome))
            if session.connection.number != item.session:
                self._show(session)  # that one's own thread goes on with it once it is answered
        else:
            session.keep_back(outcome.seq, outcome.seq)

    def _arrive(self, session: Session, arrived: Arrived) -> None:
        session.here = True
        seq = arrived.seq
        start = min(arrived.acked if session.since is None else session.since, seq)
        # A device that resumes lacks what the account said elsewhere; a new one does not ask.
        session.keep_back(start, seq if session.since is None else start)
        if arrived.busy:
            session.connection.outbox.hold()  # until its login is answered
        else:
            session.let_go(self._directory.window(session, seq, arrived))
        # Where a busy account has read to, its held messages begin; both dialects start there.
        session.acknowledged = arrived.acked

    def _notify(self, notice: Notice) -> None:
        """Tell the other accounts, unless so many are here that nobody could follow.

        Raises nothing: it is no reason why somebody should not come or go.
        """
        try:
            self._tell_others(notice)
        except Exception:
            _log.exception("a presence notice failed")

    def _tell_others(self, notice: Notice) -> None:
        crowded = 0 < self._notices_up_to < notice.visible
        if self.silent or crowded:
            return
        event = PresenceEvent(name=notice.name, state=notice.change)
        rendered: dict[Renderer, bytes] = {}
        told: list[Connection] = []
        for session in self._directory.sessions():
            if session.account_id == notice.account:
                continue
            connection = session.connection
            if connection.renderer not in rendered:
                rendered[connection.renderer] = connection.renderer.event(event)
            connection.push_bytes(rendered[connection.renderer])
            told.append(connection)
        for connection in told:
            connection.drain()


def _reason(item: Item) -> Reason:
    assert isinstance(item, Ended | AccountDeleted)
    return item.reason if isinstance(item, Ended) else "removed"
