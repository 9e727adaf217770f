"""The keeper of a link: a thread that listens, and connects again when the link is lost.

It logs in `since` the last message or change the program has had and asks again, with their keys,
for what was not answered, so that the server carries out only what it had not. A replay is held
until that is answered, since only the answers tell which of it is the client's own.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeGuard

from msgspec import UNSET

from chatclient.errors import ChatError, LinkLost
from chatclient.link.backoff import FIRST_PAUSE, LONGEST_PAUSE, Backoff
from chatclient.link.connection import KEYED, Connection
from chatclient.link.mailbox import Mailbox
from chatclient.link.replay import Replay
from chatclient.link.requests import Asked, Outcomes, Requests
from chatclient.link.seen import Seen
from chatwire.events import Bye, Error, Event
from chatwire.replies import LoginReply, Reply

FINAL_CODES: Final = frozenset(
    {
        "bad_credentials",
        "locked_out",
        "kicked",
        "disabled",
        "password_changed",
        "bad_request",
        "untrusted",
        "logged_out",
    }
)
"""Why a login or a link ended where trying again would only make it worse."""

_CLOSE_SECONDS: Final = 2.0
"""How long `join` waits for the keeper, which may be connecting at that moment."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """How the link is: `waiting` is for `seconds`, because of `reason` (one sentence)."""

    state: Literal["connected", "waiting", "connecting"]
    seconds: float = 0.0
    reason: str = ""


Watch = Callable[[LinkState], None]
"""Told how the link is whenever that changes, by the keeper."""

LogIn = Callable[[int | None], tuple[Connection, LoginReply]]
"""Connects and logs in `since` a message. Raises ChatError."""


@dataclass(frozen=True, slots=True)
class Persistence:
    """How long to go on trying.

    After a lost link there is a pause of `pause` seconds, twice as long each time nobody is found,
    up to `longest_pause`. It is the end when the server gives one of `final_codes` as the reason,
    and `patience` seconds after the link was lost.
    """

    final_codes: frozenset[str] = FINAL_CODES
    patience: float = math.inf
    pause: float = FIRST_PAUSE
    longest_pause: float = LONGEST_PAUSE


class Keeper:
    """Has a thread from `start` until the client is closed or going on is no use."""

    def __init__(
        self,
        log_in: LogIn,
        requests: Requests,
        mailbox: Mailbox,
        watch: Watch,
        persistence: Persistence,
    ) -> None:
        self.seen = Seen()
        self._log_in = log_in
        self._requests = requests
        self._mailbox = mailbox
        self._watch = watch
        self._persistence = persistence
        self._hurried = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, connection: Connection, seen: Seen) -> None:
        """Go on with a connection that is logged in."""
        self.seen = seen
        self._requests.send_again(connection)
        thread = threading.Thread(
            target=self._keep, args=(connection,), name="chat-keeper", daemon=True
        )
        thread.start()
        self._thread = thread  # only now: an interrupt may come in between, and it is joined then

    def hurry(self) -> None:
        """Connect now, or see now that the client is closed, instead of at the end of the pause."""
        self._hurried.set()

    def join(self) -> None:
        """Wait for the end, but not for long, and not for oneself."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_SECONDS)

    # -- the keeper thread only --

    def _keep(self, first: Connection) -> None:
        connection: Connection | None = first
        while connection is not None:
            self._watch(LinkState("connected"))
            backoff = Backoff(self._persistence.pause, self._persistence.longest_pause)
            error = self._listen(connection)
            give_up_at = time.monotonic() + self._persistence.patience
            # First: whoever has the answers to what was lost may close in the next moment.
            self._must_end(error, give_up_at)
            self._let_go(connection, error)
            connection = None
            while connection is None and not self._must_end(error, give_up_at):
                self._rest(min(backoff.next(), give_up_at - time.monotonic()), error.text)
                if not self._must_end(error, math.inf):
                    self._watch(LinkState("connecting"))
                    connection, error = self._reconnect()
        self._give(self._requests.end(error.text))
        self._mailbox.end(error)

    def _must_end(self, error: ChatError, give_up_at: float) -> bool:
        too_late = time.monotonic() >= give_up_at
        return self._mailbox.ending(final=too_late or error.code in self._persistence.final_codes)

    def _rest(self, pause: float, reason: str) -> None:
        self._watch(LinkState("waiting", pause, reason))
        self._hurried.wait(pause)
        self._hurried.clear()

    def _listen(self, connection: Connection) -> ChatError:
        try:
            while True:
                for event in connection.next_events():
                    self._take(event)
        except LinkLost as error:
            return error

    def _take(self, event: Event) -> None:
        """Take an event off the wire: an answer goes to who asked, the rest to the program."""
        if _is_answer(event):
            request = self._settle(event)
            if request is not None:
                self._give([(request, event)])
        elif not (isinstance(event, Bye) and self._mailbox.closed):
            for each in self.seen.fresh(event):
                self._mailbox.put(each)

    def _let_go(self, connection: Connection, error: ChatError) -> None:
        """Close a connection, and fail what was asked on it and cannot be asked again."""
        outcomes = self._requests.let_go(connection, error.code, error.text)
        connection.close()
        self._give(outcomes)

    def _reconnect(self) -> tuple[Connection | None, ChatError]:
        """Return a new connection that has caught up, or why there is none."""
        try:
            # Without a message so far, the account's read position says where to begin.
            connection, welcome = self._log_in(self.seen.upto or None)
        except ChatError as error:
            return None, error
        try:
            self._catch_up(connection, Replay(welcome))
        except ChatError as error:
            self._let_go(connection, error)
            return None, error
        return connection, LinkLost("")

    def _catch_up(self, connection: Connection, replay: Replay) -> None:
        """Send again what was not answered, and give the program what it missed.

        Raises LinkLost; then nothing was given, and the next replay has it again.
        """
        again = self._requests.send_again(connection)
        outcomes: list[tuple[Asked, Reply | Error]] = []
        while not replay.whole or self._requests.any_open(again):
            for event in connection.next_events(0.2):
                if not _is_answer(event):
                    replay.hold(event)
                elif (request := self._settle(event)) is not None:
                    outcomes.append((request, event))
        for event in replay.events(self.seen):
            self._mailbox.put(event)
        self._give(outcomes)

    def _settle(self, answer: Reply | Error) -> Asked | None:
        """Return the request that this answers; what it said is known again."""
        request = self._requests.settle(answer)
        if request is not None and request.op in KEYED and isinstance(answer, Reply):
            self.seen.note_own(getattr(answer, "seq", 0), KEYED[request.op])
        return request

    def _give(self, outcomes: Outcomes | list[tuple[Asked, Reply | Error]]) -> None:
        """Give answers to whoever asked. No lock is held."""
        for request, answer in outcomes:
            event = request.resolve(answer)
            if event is not None:
                self._mailbox.put(event)


def _is_answer(event: Event) -> TypeGuard[Reply | Error]:
    return isinstance(event, Reply | Error) and event.re is not UNSET
