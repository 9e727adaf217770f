"""One logged-in connection. An account may have several: desk and laptop."""

from chatserver.connection import Connection
from chatwire.names import fold
from chatwire.protocol import Event


class Session:
    """What the server knows of one login.

    `cursor` is the newest message this session has been given of what others said. It only means
    something while the account is busy, and is changed by the log thread alone.
    """

    def __init__(self, connection: Connection, account: str, since: int | None) -> None:
        self.connection = connection
        self.account = account
        self.key = fold(account)
        self.since = since
        """What the client says it has seen: the replay starts there, own messages included."""
        self.cursor = 0
        self.acknowledged = 0
        """The newest message that the client has acknowledged."""
        self.noted = 0
        """How much of `read` the housekeeper has passed on."""

    @property
    def read(self) -> int:
        """The newest message that has been read here, as far as that can be known.

        Where a client does not say so, what its system has confirmed to have counts as read.
        """
        if self.connection.renderer.acknowledges:
            return self.acknowledged
        return self.connection.outbox.arrived_seq()

    def push(self, event: Event) -> None:
        """Queue an event, written for this account."""
        self.connection.push(event, self.account)
