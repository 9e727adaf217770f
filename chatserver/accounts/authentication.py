"""Who may log in: the one place where names, hashes and the count of tries come together.

An unknown name, a wrong password and a disabled account are the same in words, in count and in
the time they take.
"""

import logging
import threading
from collections.abc import Callable
from math import ceil
from typing import Final

from chatserver.accounts.file import Account, Accounts
from chatserver.accounts.lockout import Key, Lockout, TooManyAtOnce
from chatserver.accounts.passwords import Passwords, too_long
from chatserver.errors import CommandError
from chatserver.net.addresses import network
from chatserver.net.ratelimit import TokenBuckets
from chatwire.names import MAX_NAME_LENGTH, fold
from chatwire.text import for_log

_log = logging.getLogger(__name__)

_MOST_KNOWN: Final = 100_000
"""Names and addresses of logins that are remembered; beyond it the oldest are forgotten."""


class Authenticator:
    """Check names and passwords. Runs in the handler thread of whoever logs in.

    `by_name` counts failures per name and address, `by_address` those of an address for all names.
    Who has logged in from an address before keeps a way in when others guess there: for that name
    and address only `by_name` counts. `logins` are the rates of logins by name and address.
    """

    def __init__(
        self,
        accounts: Accounts,
        passwords: Passwords,
        by_name: Lockout,
        by_address: Lockout,
        logins: TokenBuckets | None = None,
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._by_name = by_name
        self._by_address = by_address
        self._logins = logins or TokenBuckets(0, 1)
        self._lock = threading.Lock()
        self._known: dict[Key, None] = {}  # who has logged in from where, the latest last

    def authenticate(
        self, name: str, password: str, address: str, before: Callable[[], None] = lambda: None
    ) -> Account:
        """Return the account; its name is as its owner spells it.

        `before` is called when it is this password's turn to be hashed; when it raises (the
        client has gone), nothing is hashed and nothing is counted. Raises CommandError:
        bad_credentials with the tries left, locked_out with the seconds left, or try_later when
        too many people are logging in, or one too often.
        """
        caller = network(address)
        # Longer names belong to nobody and count as one: they must not fill the memory.
        pair = (fold(name[: MAX_NAME_LENGTH + 1]), caller)
        whole = None if self._is_known(pair) else (caller,)
        self._begin(name, address, pair, whole)
        try:
            account = self._accounts.look_up(name)
            stored = None if account is None or account.disabled else account.hash
            right, better = False, None
            if not too_long(password):
                right, better = self._passwords.verify(password, stored, caller, before)
        except BaseException:
            self._by_name.abandoned(pair)
            if whole:
                self._by_address.abandoned(whole)
            raise
        if account is None or not right:
            raise self._refusal(name, address, pair, whole)
        self._by_name.succeeded(pair)
        if whole:
            # The mistakes of whoever got in; one's own password buys no guesses at others'.
            self._by_address.forgiven(whole, pair[0])
        self._logins.of(" ".join(pair)).take(1)
        self._note_known(pair)
        if better is not None:
            self._store_better(account, better)
        return account

    def identity(self, account: Account) -> str:
        """Return what makes the account this one and no other of its name."""
        return self._accounts.identity(account)

    def still_lets_in(self, key: str, identity: str) -> bool:
        """Tell whether the account is now what it was when its password was checked."""
        account = self._accounts.look_up(key)
        return (
            account is not None
            and not account.disabled
            and self._accounts.identity(account) == identity
        )

    def _is_known(self, pair: Key) -> bool:
        with self._lock:
            return pair in self._known

    def _note_known(self, pair: Key) -> None:
        with self._lock:
            self._known.pop(pair, None)
            self._known[pair] = None
            if len(self._known) > _MOST_KNOWN:
                del self._known[next(iter(self._known))]

    def _begin(self, name: str, address: str, pair: Key, caller: Key | None) -> None:
        """Start a try, or raise why there is none. Without `caller` the address does not count."""
        wait = self._logins.of(" ".join(pair)).wait_for(1)
        if wait:
            raise CommandError(
                "try_later",
                f"Too many logins with this name; try again in {ceil(wait)} seconds.",
                retry_after=ceil(wait),
            )
        try:
            seconds = self._by_address.begin(caller, wait=False) if caller else 0
        except TooManyAtOnce:
            raise CommandError(
                "try_later", "Too many logins at once from your address; try again.", retry_after=1
            ) from None
        if not seconds:
            seconds = self._by_name.begin(pair, wait=True)
            if seconds and caller:
                self._by_address.abandoned(caller)
        if seconds:
            _log.warning("login refused: address=%s name=%s", address, self._in_log(name))
            raise CommandError(
                "locked_out",
                f"Too many wrong passwords; try again in {seconds} seconds.",
                retry_after=seconds,
            )

    def _refusal(self, name: str, address: str, pair: Key, caller: Key | None) -> CommandError:
        """Count a failure. The address comes first in the log lines, which programs read: the
        name is whatever somebody typed."""
        left = self._by_name.failed(pair)
        _log.warning(
            "login failed: address=%s attempts_left=%d name=%s", address, left, self._in_log(name)
        )
        blocked = [self._by_name] if left == 0 else []
        if caller and self._by_address.failed(caller, pair[0]) == 0:
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
            if self._accounts.renew(account, better):
                _log.info("password hash renewed: name=%s", account.name)
        except OSError as error:
            _log.warning("password hash not renewed: name=%s: %s", account.name, error.strerror)
