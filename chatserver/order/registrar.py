"""The accounts in the order: what the accounts file says, as items.

Who may log in is up to the file. Here an account gets its number, and what changes in the file
takes effect on its sessions.
"""

from typing import Final

from chatserver.accounts.file import Account, Accounts
from chatserver.control import ServerRole
from chatserver.errors import CommandError
from chatserver.order.clock import Clock
from chatserver.order.items import AccountDeleted, AccountMade, AccountRole, Ended, Reason
from chatserver.order.order import Order
from chatserver.order.outcome import Refused, Registered
from chatserver.order.pending import Waiter
from chatserver.sessions.directory import UserDirectory
from chatserver.sessions.session import Session
from chatwire.names import fold

_SECONDS: Final = 60.0
"""How long numbers are waited for."""


class Registrar:
    """Any thread may ask. Raises CommandError as the order does."""

    def __init__(
        self, accounts: Accounts, directory: UserDirectory, order: Order, clock: Clock
    ) -> None:
        self._accounts = accounts
        self._directory = directory
        self._order = order
        self._clock = clock
        self._deleted: set[str] = set()
        """Folded names whose accounts were deleted; their lines leave the file a little later."""

    def account_id(self, name: str) -> int:
        """Return the number of the account of that name, which gets one now if it had none."""
        known = self._directory.account_id(name)
        if known is not None:
            return known
        registered = self._order.run(AccountMade(at=self._clock.now(), name=name))
        if not isinstance(registered, Registered):
            raise CommandError("internal", "Something went wrong; the account has no number.")
        account = self._accounts.look_up(name)
        if account is None or (account.disabled and fold(name) in self._deleted):
            # It was deleted meanwhile: who gets the name later must not find this number.
            self._order.run(AccountDeleted(at=self._clock.now(), account=registered.account))
            raise CommandError(
                "try_later", "The account was changed meanwhile; try again.", retry_after=1
            )
        return registered.account

    def register(self, *names: str) -> None:
        """Give numbers to accounts that are new in the file, in few batches: they may be many.

        For whoever edits the file.
        """
        unknown = [name for name in names if self._directory.account_id(name) is None]
        waiters = [Waiter() for _ in unknown]
        for name, waiter in zip(unknown, waiters, strict=True):
            self._order.append(AccountMade(at=self._clock.now(), name=name), waiter)
        for waiter in waiters:
            result = waiter.wait(_SECONDS)
            if not isinstance(result, Registered):
                raise CommandError("internal", "The accounts got no numbers; see the server's log.")

    def delete(self, name: str) -> None:
        """Delete an account that is no longer in the file. Its sessions are over on return."""
        self._deleted.add(fold(name))  # first: see `account_id`
        known = self._directory.account_id(name)
        if known is not None:
            self._order.run(AccountDeleted(at=self._clock.now(), account=known))

    def give_role(self, name: str, role: ServerRole) -> None:
        """Make an account an admin of the server, or a member again; it has happened on return."""
        account = self.account_id(name)
        outcome = self._order.run(AccountRole(at=self._clock.now(), account=account, role=role))
        if isinstance(outcome, Refused):
            raise CommandError(outcome.code, outcome.text)

    def review(self, name: str) -> None:
        """End the sessions of an account that may have none any more, as the file is now; what
        they came with is of no use already (see `Devices.find`)."""
        known = self._directory.account_id(name)
        sessions = () if known is None else self._directory.sessions_of(known)
        if sessions:
            self.review_sessions(sessions)

    def review_sessions(self, sessions: tuple[Session, ...]) -> None:
        """End those of the sessions that are their account's no more. They are over on return."""
        accounts = self._accounts.all()
        for session in sessions:
            reason = self._reason(session, accounts.get(session.key))
            if reason is not None:
                self._order.run(
                    Ended(
                        at=self._clock.now(),
                        account=session.account_id,
                        sessions=(session.id,),
                        reason=reason,
                    )
                )

    def _reason(self, session: Session, account: Account | None) -> Reason | None:
        if account is None:
            return "removed"
        if self._accounts.identity(account) != session.identity:
            return "password"
        return "disabled" if account.disabled else None
