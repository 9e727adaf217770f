"""What follows when the accounts of a running server are changed through its control socket.

It happens in the order, by the log thread, and has happened when a method returns.
"""

from pathlib import Path

from chatserver.accounts.changes import NotDone
from chatserver.errors import CommandError
from chatserver.order.presence import PASSWORD_CHANGED, REMOVED
from chatserver.services import Services
from chatserver.storage.schema import StoreError
from chatserver.storage.store import forget_account
from chatwire.names import fold


class AccountsKeeper:
    """Each method waits for the log thread. Raises NotDone when it does not get to it."""

    def __init__(self, services: Services, database: Path) -> None:
        self._services = services
        self._database = database

    def made(self, *names: str) -> None:
        """Whoever is still here with a line of that name that an editor took out has to go."""
        self._expel_others(names, REMOVED)

    def changed(self, name: str) -> None:
        """End the sessions that had the old password."""
        self._expel_others((name,), PASSWORD_CHANGED)

    def deleted(self, *names: str) -> None:
        """End the sessions of these accounts, and forget what the database knows of them."""
        presence = self._services.presence

        def forget(_: int) -> None:
            for name in names:
                # By the log thread, so nobody else is writing; the disk comes first, as it may be
                # full.
                forget_account(self._database, name)
                presence.forget(fold(name))

        try:
            self._services.log.run(forget)
        except (CommandError, StoreError) as error:
            raise NotDone(str(error)) from error

    def _expel_others(self, names: tuple[str, ...], reason: CommandError) -> None:
        """End the sessions of these names whose account is not the one that the file has now."""
        services = self._services
        keys = [fold(each) for each in names]

        def expel(_: int) -> None:
            for key in keys:
                account = services.accounts.look_up(key)
                now = None if account is None else services.accounts.identity(account)
                sessions = services.directory.recipient(key).sessions
                services.presence.expel([s for s in sessions if s.identity != now], reason)

        try:
            services.log.run(expel, *keys)
        except (CommandError, OSError) as error:
            raise NotDone(str(error)) from error
