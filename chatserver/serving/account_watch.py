"""Sessions whose account was deleted or switched off, or whose password was changed, end at once.

One thread looks at the accounts file some times a second, which costs one `stat`. Who logs in
looks by himself, and what `chat deluser` deletes in the database is seen before the next message;
this is for the sessions that say nothing and wait.
"""

import logging
import threading
from typing import Final

from chatserver.accounts.file import Account
from chatserver.errors import CommandError
from chatserver.order.presence import DISABLED, PASSWORD_CHANGED, REMOVED
from chatserver.services import Services
from chatserver.sessions.session import Session

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.1
_LOOKS: Final = 3
"""As many looks in a row must find the same: an editor that saves the file may have written half
of it, or have moved it away for a moment."""


class AccountWatch:
    """The thread that watches the accounts file."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._stopped = threading.Event()
        self._seen: object = None
        self._alike = 0
        self._thread = threading.Thread(target=self._run, name="accounts", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for it."""
        self._stopped.set()
        self._thread.join()

    # -- the thread only --

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            try:
                self._look()
            except CommandError:
                return  # the log is shutting down
            except OSError as error:
                _log.warning("the accounts cannot be read: %s", error.strerror)
            except Exception:
                _log.exception("the accounts could not be looked at; it is tried again")

    def _look(self) -> None:
        """Look at the file; when it has changed and stays so, end what has to end."""
        accounts = self._services.accounts.all()
        if accounts is self._seen or accounts == self._seen:
            self._alike += 1
        else:
            self._alike = 1
        self._seen = accounts
        if self._alike == _LOOKS:
            for session in self._services.directory.sessions():
                reason = self._reason(session, accounts.get(session.key))
                if reason is not None:
                    self._expel(session, reason)

    def _reason(self, session: Session, account: Account | None) -> CommandError | None:
        """Return why a session has to end, or None."""
        if account is None:
            return REMOVED
        if self._services.accounts.identity(account) != session.identity:
            deleted = not self._services.log.has_standing(session.key)
            return REMOVED if deleted else PASSWORD_CHANGED
        return DISABLED if account.disabled else None

    def _expel(self, session: Session, reason: CommandError) -> None:
        presence = self._services.presence
        self._services.log.run_later(lambda _: presence.expel([session], reason), session.key)
