"""Who may log in: the one place where names, hashes and the count of tries come together.

An unknown name, a wrong password and a disabled account are the same in words, in count and in
the time they take.
"""

import logging
from math import ceil

from chatserver.accounts import Account, Accounts
from chatserver.errors import CommandError
from chatserver.lockout import Key, Lockout, TooManyAtOnce, network
from chatserver.passwords import Passwords, too_long
from chatwire.names import MAX_NAME_LENGTH, fold
from chatwire.text import for_log

_log = logging.getLogger(__name__)


class Authenticator:
    """Check names and passwords. Runs in the handler thread of whoever logs in.

    `by_name` counts failures per name and address, `by_address` those of an address for all names.
    """

    def __init__(
        self, accounts: Accounts, passwords: Passwords, by_name: Lockout, by_address: Lockout
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._by_name = by_name
        self._by_address = by_address

    def authenticate(self, name: str, password: str, address: str) -> str:
        """Return the account's name as its owner spells it.

        Raises CommandError: bad_credentials with the tries left, locked_out with the seconds
        left, or try_later when too many people are logging in.
        """
        caller = network(address)
        # Longer names belong to nobody and count as one: they must not fill the memory.
        pair = (fold(name[: MAX_NAME_LENGTH + 1]), caller)
        self._begin(name, address, pair, (caller,))
        try:
            account = self._accounts.find(name)
            stored = None if account is None or account.disabled else account.hash
            right, better = False, None
            if not too_long(password):
                right, better = self._passwords.verify(password, stored)
        except BaseException:
            self._by_name.abandoned(pair)
            self._by_address.abandoned((caller,))
            raise
        if account is None or not right:
            raise self._refusal(name, address, pair, (caller,))
        self._by_name.succeeded(pair)
        # One's own password must not buy more guesses at those of others.
        self._by_address.abandoned((caller,))
        if better is not None:
            self._store_better(account, better)
        return account.name

    def _begin(self, name: str, address: str, pair: Key, caller: Key) -> None:
        try:
            seconds = self._by_address.begin(caller, wait=False)
        except TooManyAtOnce:
            raise CommandError(
                "try_later", "Too many logins at once from your address; try again.", retry_after=1
            ) from None
        if not seconds:
            seconds = self._by_name.begin(pair, wait=True)
            if seconds:
                self._by_address.abandoned(caller)
        if seconds:
            _log.warning("login refused: address=%s name=%s", address, self._in_log(name))
            raise CommandError(
                "locked_out",
                f"Too many wrong passwords; try again in {seconds} seconds.",
                retry_after=seconds,
            )

    def _refusal(self, name: str, address: str, pair: Key, caller: Key) -> CommandError:
        """Count a failure. The address comes first in the log lines, which programs read: the
        name is whatever somebody typed."""
        left = self._by_name.failed(pair)
        _log.warning(
            "login failed: address=%s attempts_left=%d name=%s", address, left, self._in_log(name)
        )
        blocked = [self._by_name] if left == 0 else []
        if self._by_address.failed(caller) == 0:
            blocked, left = [self._by_address], 0
        for lockout in blocked:
            _log.warning(
                "login blocked: address=%s seconds=%d name=%s",
                address,
                lockout.block_seconds,
                self._in_log(name) if lockout is self._by_name else "*",
            )
            seconds = ceil(lockout.block_seconds)
            return CommandError(
                "bad_credentials",
                f"Wrong name or password; no try left, try again in {seconds} seconds.",
                attempts_left=0,
                retry_after=seconds,
            )
        tries = "1 try" if left == 1 else f"{left} tries"
        return CommandError(
            "bad_credentials", f"Wrong name or password; {tries} left.", attempts_left=left
        )

    def _in_log(self, name: str) -> str:
        """Return a name for the log, shortened where nobody has it: it may be a password that
        somebody typed in the wrong place."""
        if self._accounts.find(name) is not None:
            return for_log(name)
        return f"{for_log(name[:2])}*({len(name)} characters)"

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
