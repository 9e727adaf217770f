"""What follows when the accounts of a running server are changed through its control socket.

It happens in the order, and has happened when a method returns.
"""

from chatserver.accounts.changes import NotDone
from chatserver.control import ServerRole
from chatserver.errors import CommandError
from chatserver.order.devices import Devices
from chatserver.order.registrar import Registrar


class AccountsKeeper:
    """Each method waits for the order. Raises NotDone when it does not get to it."""

    def __init__(self, registrar: Registrar, devices: Devices) -> None:
        self._registrar = registrar
        self._devices = devices

    def made(self, *names: str) -> None:
        """Give them numbers. Who is still here by a line that an editor took out has to go."""
        try:
            self._registrar.register(*names)
        except CommandError as error:
            raise NotDone(str(error)) from error
        for name in names:
            self.changed(name)

    def changed(self, name: str) -> None:
        """End the sessions that had the old password."""
        try:
            self._registrar.review(name)
        except (CommandError, OSError) as error:
            raise NotDone(str(error)) from error

    def role_given(self, role: ServerRole, *names: str) -> None:
        """Make them admins of the server, or members."""
        try:
            for name in names:
                self._registrar.give_role(name, role)
        except (CommandError, OSError) as error:
            raise NotDone(str(error)) from error

    def devices_ended(self, name: str, device: int | None) -> int:
        """Log them out; their sessions are over."""
        try:
            account = self._registrar.account_id(name)
            return self._devices.end(account, *(() if device is None else (device,)))
        except (CommandError, OSError) as error:
            raise NotDone(str(error)) from error

    def deleted(self, *names: str) -> None:
        """End the sessions of these accounts, and take their names away from them."""
        try:
            for name in names:
                self._registrar.delete(name)
        except CommandError as error:
            raise NotDone(str(error)) from error
