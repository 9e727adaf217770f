"""What a command can reach: the server's parts, the other commands, and the client that asks."""

from dataclasses import dataclass

from chatserver.commands.registry import Registry, Request
from chatserver.net.ratelimit import TokenBucket
from chatserver.services import Services
from chatserver.sessions.connection import Connection
from chatserver.sessions.session import Session
from chatserver.speech import Answer


@dataclass
class Context:
    """One client, as its handler thread sees it; no other thread touches this.

    `request` is the one being carried out, `refusals` counts failed logins.
    """

    services: Services
    registry: Registry
    connection: Connection
    bucket: TokenBucket
    session: Session | None = None
    request: Request | None = None
    refusals: int = 0

    def answer(self, event: Answer) -> None:
        """Queue the answer to the request, as its client reads it."""
        account = "" if self.session is None else self.session.account
        self.connection.answer(self.request, event, account)

    def charge(self, cost: float) -> None:
        """Take something out of the client's rate; over it, its own handler thread waits, and so
        reads it more slowly."""
        delay = self.bucket.take(cost)
        if delay:
            self.connection.rest(delay)

    @property
    def me(self) -> Session:
        """The session of a command that needs a login; the dispatcher has seen to that."""
        assert self.session is not None
        return self.session
