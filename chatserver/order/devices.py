"""Devices: from where an account may come without its password, because somebody has a token.

A token is 32 random bytes, and is nowhere but with who got it: what is kept is its SHA-256. It is
good for an account with the password that it had, for 30 days since it was last used and for 180 in
all (as OWASP's session management asks for an idle and an absolute limit).
"""

import hashlib
import hmac
import logging
import secrets
from typing import Final

from msgspec import Struct

from chatserver.accounts.file import Account, Accounts
from chatserver.errors import CommandError
from chatserver.order.clock import Clock
from chatserver.order.items import DeviceMade, DeviceSeen, DevicesEnded, Ended
from chatserver.order.order import Order
from chatserver.order.outcome import Refused
from chatserver.order.records import Device
from chatserver.order.registrar import Registrar
from chatserver.sessions.directory import UserDirectory
from chatserver.sessions.session import Session
from chatwire.text import one_line

_log = logging.getLogger(__name__)

MOST: Final = 32
"""Devices of one account."""

_TOKEN_BYTES: Final = 32
_DAY: Final = 86_400_000
_UNSEEN: Final = 30 * _DAY
_WHOLE: Final = 180 * _DAY
_SEEN_EVERY: Final = 3_600_000
"""A device that comes more often is not noted each time. Milliseconds, like those above."""

_MOST_CLIENT: Final = 100
"""Characters of what a program says that it is."""

_ENDED_AT_ONCE: Final = 500


class Known(Struct, frozen=True):
    """A device as its owner, or an operator, is told of it. Times are in ms since 1970."""

    number: int
    account: int
    name: str
    """The account's, as its owner spells it."""
    token: str
    """The digest, by which sessions know it."""
    made: int
    seen: int
    address: str
    client: str
    endpoint: str = ""
    push: str = ""
    """Where a push service reaches it, and what else that takes, or nothing."""


class Devices:
    """Any thread may ask. Raises CommandError as the order does."""

    def __init__(
        self,
        accounts: Accounts,
        directory: UserDirectory,
        order: Order,
        registrar: Registrar,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._directory = directory
        self._order = order
        self._registrar = registrar
        self._clock = clock

    def make(self, account: Account, address: str, client: str) -> str:
        """Return a new token for an account whose password has just been checked."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        # As it is in the file now: it may have been renewed by this very login.
        current = self._accounts.look_up(account.name)
        if current is None or self._accounts.identity(current) != self._accounts.identity(account):
            raise CommandError(
                "try_later", "The account was changed meanwhile; log in again.", retry_after=1
            )
        self._run(
            DeviceMade(
                at=self._clock.now(),
                account=self._registrar.account_id(account.name),
                token=_digest(token),
                password=_digest(current.hash.removeprefix("!")),
                address=address,
                client=one_line(client)[:_MOST_CLIENT],
                most=MOST,
            )
        )
        return token

    def find(self, token: str) -> Known | None:
        """Return the device that has this token, if it may come."""
        return self.current(_digest(token))

    def current(self, digest: str) -> Known | None:
        """Return the device whose token has this digest, if it may come now."""
        with self._directory.looking() as state:
            device = state.devices.get(digest)
            known = None if device is None else _known(state.accounts[device.account].name, device)
            password = "" if device is None else device.password
        if known is None or self._has_expired(known) or not self._fits(known.name, password):
            return None
        return known

    def note_seen(self, device: Known, address: str) -> None:
        """Note that somebody has come from a device. Raises CommandError where it has ended."""
        now = self._clock.now()
        if now - device.seen > _SEEN_EVERY or address != device.address:
            self._run(DeviceSeen(at=now, token=device.token, address=address))

    def is_there(self, session: Session) -> bool:
        """Tell whether the device is still there from which a session came; True for others."""
        if not session.device:
            return True
        with self._directory.looking() as state:
            return session.device in state.devices

    def of(self, account: int) -> tuple[Known, ...]:
        """Return the devices of an account, the last seen first."""
        with self._directory.looking() as state:
            found = state.accounts[account]
            known = [_known(found.name, state.devices[each]) for each in found.devices]
        return tuple(sorted(known, key=lambda each: (-each.seen, -each.number)))

    def end(self, account: int, *numbers: int) -> int:
        """Log devices of an account out, all of them where no number is given. Their sessions are
        over on return. Return how many there were."""
        found = [each for each in self.of(account) if not numbers or each.number in numbers]
        if found:
            tokens = tuple(each.token for each in found)
            self._run(DevicesEnded(at=self._clock.now(), tokens=tokens))
            self._end_sessions(account, tokens)
        return len(found)

    def sweep(self) -> None:
        """Log out what may not come any more: expired, of another password, of an account that is
        switched off. It could not come anyway; so nothing waits for that."""
        with self._directory.looking() as state:
            found = [
                (_known(state.accounts[each.account].name, each), each.password)
                for each in state.devices.values()
            ]
        over = [
            known.token
            for known, password in found
            if self._has_expired(known) or not self._fits(known.name, password)
        ]
        for at in range(0, len(over), _ENDED_AT_ONCE):
            tokens = tuple(over[at : at + _ENDED_AT_ONCE])
            self._order.append(DevicesEnded(at=self._clock.now(), tokens=tokens))
        if over:
            _log.info("%d devices were logged out", len(over))

    def _end_sessions(self, account: int, tokens: tuple[str, ...]) -> None:
        sessions = self._directory.sessions_of(account)
        ended = tuple([each.id for each in sessions if each.device in tokens])
        if ended:
            self._order.run(
                Ended(at=self._clock.now(), account=account, sessions=ended, reason="revoked")
            )

    def _has_expired(self, device: Known) -> bool:
        now = self._clock.now()
        return now - device.seen > _UNSEEN or now - device.made > _WHOLE

    def _fits(self, name: str, password: str) -> bool:
        """Tell whether the account lets in with what was its password when a device was made."""
        account = self._accounts.look_up(name)
        if account is None or account.disabled:
            return False
        # The second one, where a login has renewed the hash since, without another password.
        return any(
            hmac.compare_digest(_digest(each), password)
            for each in (account.hash, self._accounts.identity(account))
        )

    def _run(self, item: DeviceMade | DeviceSeen | DevicesEnded) -> None:
        outcome = self._order.run(item)
        if isinstance(outcome, Refused):
            raise CommandError(outcome.code, outcome.text)


def _known(name: str, device: Device) -> Known:
    return Known(
        number=device.number,
        account=device.account,
        name=name,
        token=device.token,
        made=device.made,
        seen=device.seen,
        address=device.address,
        client=device.client,
        endpoint=device.endpoint,
        push=device.push,
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
