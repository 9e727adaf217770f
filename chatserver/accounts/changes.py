"""Adding, changing and deleting accounts: the file, and then what follows from it.

The same for a running server, which is asked through its control socket, and for a command that has
the data folder to itself: only the `Keeper` differs. What follows has happened when a method
returns; where it could not, the file is as it was.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from chatserver.accounts.file import Account, Accounts, Draft
from chatserver.control import (
    AddAccounts,
    Added,
    Changed,
    ChangePassword,
    DeleteAccounts,
    Deleted,
    DevicesEnded,
    EndDevices,
    GiveRole,
    RoleGiven,
    ServerRole,
)
from chatwire.names import NAME_RULE, RESERVED_RULE, is_name, is_reserved
from chatwire.text import for_log

_log = logging.getLogger(__name__)

_MOST_CHARACTERS: Final = 512
"""No hash that is ever computed is longer."""


class NotDone(Exception):
    """A change was not made; the text is one sentence for whoever asked for it."""


class Keeper(Protocol):
    """What follows a change of the accounts file; when a method returns, it has happened.

    Names are as their owners spell them. Each raises NotDone when it could not be.
    """

    def made(self, *names: str) -> None:
        """There are new accounts of these names."""
        ...

    def changed(self, name: str) -> None:
        """An account has another password."""
        ...

    def role_given(self, role: ServerRole, *names: str) -> None:
        """These accounts are admins of the server, or members."""
        ...

    def devices_ended(self, name: str, device: int | None) -> int:
        """One device of an account is logged out, or all are; return how many there were."""
        ...

    def deleted(self, *names: str) -> None:
        """These accounts are not coming back. Nobody can log in with them any more."""
        ...


class AccountChanges:
    """Whoever calls has the data folder's lock, and calls from one thread."""

    def __init__(self, accounts: Accounts, keeper: Keeper) -> None:
        self._accounts = accounts
        self._keeper = keeper

    def add(self, request: AddAccounts) -> Added:
        """Add the accounts whose names are free. Raises NotDone."""
        for each in request.accounts:
            _check_name(each.name)
            _check_hash(each.hash)
        added: list[str] = []
        taken: list[str] = []
        with self._edit() as draft:
            for each in request.accounts:
                if each.name in draft:
                    taken.append(each.name)
                else:
                    draft.put(Account(each.name, each.hash))
                    added.append(each.name)
        if added:
            with self._or_back(dict.fromkeys(added)):
                self._keeper.made(*added)
                if request.admin:
                    self._keeper.role_given("admin", *added)
        return Added(tuple(added), tuple(taken))

    def change_password(self, request: ChangePassword) -> Changed:
        """Give an account another hash; a disabled one stays so. Raises NotDone."""
        _check_hash(request.hash)
        with self._edit() as draft:
            current = draft.get(request.name)
            if current is None or is_reserved(current.name):
                raise NotDone(f"There is no account {for_log(request.name)} any more.")
            disabled = "!" if current.disabled else ""
            draft.put(Account(current.name, disabled + request.hash))
        with self._or_back({current.name: current}):
            self._keeper.changed(current.name)
        return Changed(current.name, current.disabled)

    def give_role(self, request: GiveRole) -> RoleGiven:
        """Make an account an admin of the server, or a member again. Raises NotDone."""
        account = self._find(request.name)
        self._keeper.role_given(request.role, account.name)
        return RoleGiven(account.name)

    def end_devices(self, request: EndDevices) -> DevicesEnded:
        """Log devices of an account out. Raises NotDone."""
        account = self._find(request.name)
        return DevicesEnded(self._keeper.devices_ended(account.name, request.device))

    def delete(self, request: DeleteAccounts) -> Deleted:
        """Delete accounts, and what is known of them. Raises NotDone.

        They are disabled first and leave the file last: should all end in between, they are still
        there to be deleted, and nobody gets in or inherits anything.
        """
        before: dict[str, Account | None] = {}
        with self._edit() as draft:
            for name in dict.fromkeys(request.names):
                current = draft.get(name)
                if current is None:
                    raise NotDone(f"There is no account {for_log(name)}; chat users lists them.")
                before[name] = current
                if not current.disabled:
                    draft.put(Account(current.name, f"!{current.hash}"))
        with self._or_back(before):
            self._keeper.deleted(*before)
        with self._edit() as draft:
            for name in before:
                if name in draft:
                    draft.remove(name)
        return Deleted(request.names)

    def _find(self, name: str) -> Account:
        try:
            account = self._accounts.look_up(name)
        except OSError as error:
            raise NotDone(f"Cannot read {self._accounts.path}: {error.strerror}.") from error
        if account is None:
            raise NotDone(f"There is no account {for_log(name)}; chat users lists them.")
        return account

    @contextmanager
    def _edit(self) -> Iterator[Draft]:
        try:
            with self._accounts.edit() as draft:
                yield draft
        except OSError as error:
            raise NotDone(f"Cannot write {self._accounts.path}: {error.strerror}.") from error

    @contextmanager
    def _or_back(self, before: dict[str, Account | None]) -> Iterator[None]:
        """Put the accounts back as they were `before` (None: not there) when the block fails."""
        try:
            yield
        except BaseException:
            try:
                with self._accounts.edit() as draft:
                    for name, account in before.items():
                        if account is not None:
                            draft.put(account)
                        elif name in draft:
                            draft.remove(name)
            except OSError as error:
                _log.error("%s could not be put back: %s", self._accounts.path, error.strerror)
            raise


def _check_name(name: str) -> None:
    if not is_name(name):
        raise NotDone(f"'{for_log(name)}' cannot be used: {NAME_RULE}.")
    if is_reserved(name):
        raise NotDone(f"'{name}' cannot be used: {RESERVED_RULE}.")


def _check_hash(hashed: str) -> None:
    """Whatever it is, it must be one word of one line."""
    if not hashed or not hashed.isprintable() or " " in hashed or len(hashed) > _MOST_CHARACTERS:
        raise NotDone("That is no hash of a password.")
