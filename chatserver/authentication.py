"""Who may log in: the one place where names, hashes and the count of tries come together.

An unknown name, a wrong password and a disabled account are the same in words, in count and in
the time they take.
"""

import logging

from chatserver.accounts import Account, Accounts
from chatserver.errors import CommandError
from chatserver.lockout import Lockout
from chatserver.passwords import Passwords, too_long
from chatwire.text import for_log

_log = logging.getLogger(__name__)


class Authenticator:
    """Check names and passwords. Runs in the handler thread of whoever logs in."""

    def __init__(
        self, accounts: Accounts, passwords: Passwords, lockout: Lockout, block_seconds: float
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._lockout = lockout
        self._block_seconds = int(block_seconds)

    def authenticate(self, name: str, password: str, address: str) -> str:
        """Return the account's name as its owner spells it.

        Raises CommandError: bad_credentials with the tries left, locked_out with the seconds
        left, or try_later when too many people are logging in.
        """
        seconds = self._lockout.begin(name, address)
        if seconds:
            _log.warning("login refused: locked out name=%s address=%s", for_log(name), address)
            raise CommandError(
                "locked_out",
                f"Too many wrong passwords; try again in {seconds} seconds.",
                retry_after=seconds,
            )
        try:
            account = self._accounts.find(name)
            stored = None if account is None or account.disabled else account.hash
            right, better = False, None
            if not too_long(password):
                right, better = self._passwords.verify(password, stored)
        except BaseException:
            self._lockout.abandoned(name, address)
            raise
        if account is None or not right:
            raise self._refusal(name, address)
        self._lockout.succeeded(name, address)
        if better is not None:
            self._store_better(account, better)
        return account.name

    def _refusal(self, name: str, address: str) -> CommandError:
        left = self._lockout.failed(name, address)
        _log.warning(
            "login failed: name=%s address=%s attempts_left=%d", for_log(name), address, left
        )
        if left:
            tries = "1 try" if left == 1 else f"{left} tries"
            return CommandError(
                "bad_credentials", f"Wrong name or password; {tries} left.", attempts_left=left
            )
        _log.warning(
            "login blocked: name=%s address=%s seconds=%d",
            for_log(name),
            address,
            self._block_seconds,
        )
        return CommandError(
            "bad_credentials",
            f"Wrong name or password; no try left, try again in {self._block_seconds} seconds.",
            attempts_left=0,
            retry_after=self._block_seconds,
        )

    def _store_better(self, account: Account, better: str) -> None:
        """Replace an old kind of hash; a login must not fail because the disk is full."""
        try:
            with self._accounts.edit() as draft:
                current = self._accounts.find(account.name)
                if current == account:  # nobody has changed the password in the meantime
                    draft.put(Account(account.name, better))
                    _log.info("password hash renewed: name=%s", account.name)
        except OSError as error:
            _log.warning("password hash not renewed: name=%s: %s", account.name, error.strerror)
