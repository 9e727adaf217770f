"""One logged-in connection. An account may have several: desk and laptop."""

import threading
from typing import Final

from chatserver.errors import CommandError
from chatserver.order.items import Acked
from chatserver.sessions.connection import Connection
from chatserver.storage.past import Stretch, Window
from chatwire.names import fold

_MOST_SAID: Final = 10_000
"""How much of what it says while busy a session knows again; what it said before that is shown to
it like the words of another device, which is better than losing those."""

_MOST_OWED: Final = 100
"""Whoever has so many replays before him has read nothing for a long time."""


class Session:
    """What the server knows of one login. The log thread alone changes what stands for the order:
    `here`, `held`, `cursor`, `own_cursor`, and what this session said."""

    def __init__(
        self,
        connection: Connection,
        account_id: int,
        account: str,
        since: int | None = None,
        identity: str = "",
        device: str = "",
    ) -> None:
        """`account_id` and `identity` are those of the account: another password is another one.
        `device` is the digest of the token it came with, if it did."""
        self.connection = connection
        self.account_id = account_id
        self.account = account
        self.identity = identity
        self.device = device
        self.revoked: CommandError | None = None
        """Why the session is its account's no more; set by the log thread, once."""
        self.key = fold(account)
        self.id = connection.number
        """What items call it."""
        self.since = since
        """What the client says it has seen: the replay starts there, own messages included."""
        self.here = False
        """Whether it has come, and is told from then on what happens."""
        self.came_at = 0
        """The newest message or change before it came; what it had missed is shown first of all."""
        self.held = False
        """Whether the account is busy: nothing that is said is shown, and it waits."""
        self.cursor = 0
        """While held: the newest message up to which it lacks nothing that others said."""
        self.own_cursor = 0
        """While held: the same for what other sessions of its account said."""
        self.owed: list[Window] = []
        """What is to be shown before what the outbox holds: a window for each `hold` there."""
        self.claim = threading.Lock()
        """Taken, never waited for, by the one thread that shows this session what it is owed."""
        self.acknowledged = 0
        """The newest message that the client has acknowledged."""
        self.noted = 0
        """How much of `read` the housekeeper has passed on."""
        self._said: list[int] = []

    @property
    def read(self) -> int:
        """The newest message that has been read here, as far as that can be known.

        Where a client does not say so, what its system has confirmed to have counts as read.
        """
        if self.connection.renderer.traits.acknowledges:
            return self.acknowledged
        return self.connection.outbox.arrived_seq()

    def acked(self, at: int, upto: int) -> Acked:
        """Return that `upto` has been read here as an item. Where a client does not say what a
        person has looked at, it is what has arrived."""
        read = not self.connection.renderer.traits.acknowledges
        return Acked(at=at, account=self.account_id, upto=upto, read=read)

    def revoke(self, reason: CommandError) -> None:
        """End the session: from now on nothing is said, changed or read with it. Log thread."""
        self.revoked = reason
        self.connection.end(reason.code, reason.text)

    def check(self) -> None:
        """Raise why the session was revoked, if it was."""
        if self.revoked is not None:
            raise CommandError(self.revoked.code, self.revoked.text)

    def window(
        self, stretches: tuple[Stretch, ...], upto: int, ends: tuple[int, ...] = ()
    ) -> Window:
        """Return what this session lacks of some conversations up to `upto`, while it is held, and
        of the changes that have ended memberships.

        Any thread; the log thread exactly.
        """
        return Window(
            stretches=stretches,
            account=self.account_id,
            after=self.cursor,
            own_after=self.own_cursor,
            upto=upto,
            without=tuple(self._said.copy()),
            ends=ends,
        )

    # -- the log thread only --

    def keep_back(self, cursor: int, own_cursor: int) -> None:
        """Show nothing from now on: what comes after these numbers waits."""
        self.held, self.cursor, self.own_cursor = True, cursor, own_cursor

    def let_go(self, window: Window) -> None:
        """End that: what waited, `window`, is owed, and what is said after it follows."""
        if len(self.owed) >= _MOST_OWED:
            self.connection.cut()
            return
        self.connection.outbox.hold()
        self.owed.append(window)
        self.held, self._said = False, []

    def note_said(self, seq: int) -> None:
        """Note that this very session said a message, which it is never shown again."""
        if self.held:
            self._said.append(seq)
            if len(self._said) > _MOST_SAID:
                del self._said[: _MOST_SAID // 2]
