"""One message from beginning to end: connect, log in, say it, and try again until it is stored.

Each try says it with the same key, so that a server which had it already does not take it twice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from chatclient.errors import ChatError, Refused
from chatclient.link.backoff import Backoff
from chatclient.link.connection import Connection, new_key
from chatclient.link.keeper import FINAL_CODES
from chatwire.replies import BroadcastReply, Reply, SendReply

_AGAIN: Final = frozenset({"try_later", "rate_limited", "server_full", "storage_full", "internal"})
"""Refusals that may pass."""

_FINAL: Final = FINAL_CODES | {"line_too_long"}
FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
_STEP_SECONDS: Final = 30.0
"""A server that has fallen silent is left, and connected to again, after this long: longer than a
login waits for its turn in a crowd, because whoever leaves and comes back waits anew."""

_LEAST_SECONDS: Final = 1.0
"""The last try gets this long, however little is left."""

_LOGOUT_SECONDS: Final = 1.0

Open = Callable[[float], Connection]
"""Connects within so many seconds for each step. Raises ConnectFailed."""


@dataclass(slots=True)
class Parcel:
    """What is to be said: to some accounts, in a room (`#ops`), or to everybody who is here."""

    text: str
    to: str | tuple[str, ...] = ()
    key: str = field(default_factory=new_key)
    handed_over: bool = False
    """Whether it has been sent at least once, so that it may have arrived without an answer."""


def deliver(
    parcel: Parcel,
    open_connection: Open,
    name: str,
    password: str,
    within: float,
    *,
    pause: float = FIRST_PAUSE,
) -> SendReply | BroadcastReply:
    """Return the server's answer; what can pass is tried again for `within` seconds.

    The first `pause` between two tries is doubled each time, up to some seconds. Raises the
    ChatError of the last try. A look-up of the host's address is the system's own and may take
    longer.
    """
    deadline = time.monotonic() + within
    waits = _Waits(deadline, pause)
    while True:
        step = waits.step()
        try:
            with open_connection(step) as connection:
                connection.login(name, password, attended=False, timeout=step)
                reply = _say(parcel, connection, waits)
                connection.logout(timeout=_LOGOUT_SECONDS)
                return reply
        except ChatError as error:
            waits.wait_after(error)


def _say(parcel: Parcel, connection: Connection, waits: "_Waits") -> SendReply | BroadcastReply:
    """Say it, and again on the same connection where it was refused for now: another login would
    cost the server another hash."""
    while True:
        step = waits.step()
        parcel.handed_over = True
        try:
            if parcel.to:
                return connection.send(parcel.to, parcel.text, parcel.key, timeout=step)
            return connection.broadcast(parcel.text, parcel.key, timeout=step)
        except Refused as error:
            waits.wait_after(error)


class _Waits:
    """The time there is, and the pauses in it."""

    def __init__(self, deadline: float, pause: float) -> None:
        self._deadline = deadline
        self._backoff = Backoff(pause, _LONGEST_PAUSE)

    def step(self) -> float:
        """Return how long the next step may take, in seconds."""
        return min(_STEP_SECONDS, max(_LEAST_SECONDS, self._deadline - time.monotonic()))

    def wait_after(self, error: ChatError) -> None:
        """Wait before the next try. Raises `error` when there is none."""
        left = self._deadline - time.monotonic()
        if left <= 0 or not _may_pass(error):
            raise error
        asked_for = getattr(error, "retry_after", None) or 0.0
        time.sleep(min(left, self._backoff.next(asked_for)))


def _may_pass(error: ChatError) -> bool:
    if isinstance(error, Refused):
        return error.code in _AGAIN
    return error.code not in _FINAL


def unknown_in(reply: Reply) -> tuple[str, ...]:
    """Return the names in `to` that nobody has."""
    return reply.unknown if isinstance(reply, SendReply) else ()
