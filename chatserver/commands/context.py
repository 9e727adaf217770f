"""What a command can reach: the server's parts, and the client that asks."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chatserver.accounts.authentication import Authenticator
from chatserver.accounts.file import Accounts
from chatserver.net.ratelimit import TokenBucket, TokenBuckets
from chatserver.order.delivery import answer
from chatserver.order.log import Log
from chatserver.order.presence import Presence
from chatserver.order.replay import Replay
from chatserver.search.archive import Archive
from chatserver.sessions.connection import Connection
from chatserver.sessions.directory import UserDirectory
from chatserver.sessions.session import Session
from chatserver.settings import Settings
from chatwire.protocol import Reply

if TYPE_CHECKING:
    from chatserver.commands.registry import Registry


@dataclass(frozen=True)
class Services:
    """The parts of one server that commands work with. Each is safe from any thread."""

    settings: Settings
    accounts: Accounts
    authenticator: Authenticator
    directory: UserDirectory
    log: Log
    presence: Presence
    replay: Replay
    archive: Archive
    rates: TokenBuckets
    """How fast each account may ask, by its folded name."""
    registry: "Registry"


@dataclass
class Context:
    """One client, as its handler thread sees it; no other thread touches this.

    `re` is the number of the request being carried out, `refusals` counts failed logins.
    """

    services: Services
    connection: Connection
    bucket: TokenBucket
    session: Session | None = None
    re: int | None = None
    refusals: int = field(default=0)

    def answer(self, reply: Reply) -> None:
        """Queue the answer to the request, for a command that goes on after it."""
        event = answer(self.re, reply)
        account = "" if self.session is None else self.session.account
        self.connection.push_bytes(self.connection.renderer.render(event, account), ahead=True)

    @property
    def me(self) -> Session:
        """The session of a command that needs a login; the dispatcher has seen to that."""
        assert self.session is not None
        return self.session
