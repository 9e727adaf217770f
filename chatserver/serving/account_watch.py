"""Sessions whose account was deleted or switched off, or whose password was changed, end at once.

What the command line changes takes effect before it returns (see `control`). This is for the file
edited by hand: one thread looks at it some times a second, which costs one `stat`.
"""

import logging
import threading
from typing import Final

from chatserver.errors import CommandError
from chatserver.services import Services

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
        self._done = False
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
            except CommandError as error:
                if error.code == "shutting_down":
                    return
                _log.warning("sessions could not be ended yet: %s", error.text)
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
            self._alike, self._done = 1, False
        self._seen = accounts
        if self._alike >= _LOOKS and not self._done:
            self._services.registrar.review_sessions(self._services.directory.sessions())
            self._done = True
