"""A client that outlives its link: it connects again, and nothing is lost, doubled or out of order.

It keeps the number of the last message it has given to the program, and every broadcast and send
that has not been answered, with its key. After a lost link it logs in `since` that number and sends
those again with their keys, so the server carries out only what it had not.

The own messages in such a replay are held until those sends are answered, since only the answer
tells which of them they are; what this very client said is not given back to it.

Threads: one, the *keeper*, connects, listens and connects again. Everything else may be called from
any thread; one lock, the Condition `_changed`, guards all state and is never held while sending,
receiving or calling back.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Literal, Self, TypeGuard

from msgspec import UNSET, structs

from chatclient.errors import ChatError, ConnectFailed, LinkLost
from chatclient.link.backoff import FIRST_PAUSE, LONGEST_PAUSE, Backoff
from chatclient.link.connection import Connection
from chatclient.link.inbox import MOST_BYTES
from chatclient.link.requests import UNSENT_LIMIT, Asked, Requests, lost
from chatclient.link.seen import Seen
from chatwire.protocol import Bye, Error, Event, LoginReply, Message, Replayed, Reply, encode

QUEUE_LIMIT: Final = 1000

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

_BYTES_BESIDE: Final = 1000
"""What an event counts for beside what it says."""

_CLOSE_SECONDS: Final = 2.0
"""How long `close` waits for the keeper, which may be connecting at that moment."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """How the link is: `waiting` is for `seconds`, because of `reason` (one sentence)."""

    state: Literal["connected", "waiting", "connecting"]
    seconds: float = 0.0
    reason: str = ""


Watch = Callable[[LinkState], None]
"""Told how the link is whenever that changes, by the keeper."""


def _ignore(_state: LinkState) -> None:
    return


class ResumingClient:
    """One account's presence over many connections, from the first login to `close`.

    `open_connection` makes a new connection; `watch` is told how the link is. The first connection
    is handed to `start` logged in, or made by it; later ones are the keeper's.
    """

    def __init__(
        self,
        open_connection: Callable[[], Connection],
        name: str,
        password: str,
        *,
        watch: Watch = _ignore,
        final_codes: frozenset[str] = FINAL_CODES,
        patience: float = math.inf,
        pause: float = FIRST_PAUSE,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        """After a lost link it waits `pause` seconds, twice as long each time it finds nobody, up
        to `longest_pause`. It ends when the server gives one of `final_codes` as the reason, and
        `patience` seconds after the link was lost."""
        self.watch = watch
        self._open = open_connection
        self._name = name
        self._password = password
        self._final_codes = final_codes
        self._patience = patience
        self._first_pause = pause
        self._longest_pause = longest_pause
        self._changed = threading.Condition()
        self._connection: Connection | None = None
        self._requests = Requests()
        self._seen = Seen()
        self._events: deque[tuple[Event, int]] = deque()  # each with its size
        self._bytes = 0  # of all these
        self._replayed = 0  # messages of the present replay that were given to the program
        self._hurry = False
        self._woken = False
        self._closing = False
        self._failed = False  # it is ending by itself, whether or not it is closed meanwhile
        self._end: ChatError | None = None
        self._keeper = threading.Thread(target=self._keep, name="chat-keeper", daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def last_seq(self) -> int:
        """The number of the last message that was given to the program."""
        with self._changed:
            return self._seen.upto

    @property
    def unanswered_seconds(self) -> float:
        """For how long the server has not given a sign of life that it was asked for."""
        with self._changed:
            connection = self._connection
        return 0.0 if connection is None else connection.unanswered_seconds

    @property
    def unsent(self) -> list[dict[str, object]]:
        """The fields of broadcasts and sends that have not been answered."""
        with self._changed:
            return self._requests.kept

    def start(
        self,
        connection: Connection | None = None,
        welcome: LoginReply | None = None,
        *,
        since: int | None = None,
    ) -> LoginReply:
        """Go on with a connection that is logged in, or connect and log in.

        `since` is the last message the program has seen, where it knows; the login of a connection
        that is handed over must have said the same. Raises ConnectFailed, Refused or LinkLost.
        """
        if connection is None or welcome is None:
            connection = self._open()
            try:
                welcome = connection.login(self._name, self._password, since)
            except BaseException:
                connection.close()
                raise
        with self._changed:
            self._name = welcome.name
            self._connection = connection
            self._seen = Seen((since or 0) if welcome.missed else welcome.seq)
        self._keeper.start()
        return welcome

    def submit(self, op: str, /, **fields: object) -> Future[Reply]:
        """Send a request and return a Future for its answer.

        A broadcast or a send is kept and sent again, with its key, until it is answered; any other
        request fails with LinkLost when the link does.
        """
        future: Future[Reply] = Future()
        self._ask(op, fields, future)
        return future

    def number(self) -> int:
        """Return a number for a request that is going to be posted."""
        return self._requests.number()

    def post(self, op: str, number: int | None = None, /, **fields: object) -> int:
        """As `submit`, but the answer, a Reply or an Error, comes among the events, in its place.

        Returns the number the answer carries as `re`, which may be chosen beforehand. Where a lost
        link is the answer, it is an Error with the code LINK_LOST.
        """
        return self._ask(op, fields, None, number)

    def events(self) -> Iterator[Event]:
        """Yield events in order, each message once; ends after `close`.

        A LoginReply among them says that a lost link is back. Raises the error that ended the
        client where connecting again was no use.
        """
        while True:
            event = self.next_event(1.0)
            if event is not None:
                yield event
            elif self._over():
                return

    def next_event(self, timeout: float) -> Event | None:
        """Return the next event, or None after `timeout` seconds or at the end.

        Raises the error that ended the client, when everything before it has been returned.
        """
        taken = self.next_events(timeout, limit=1)
        return taken[0] if taken else None

    def next_events(self, timeout: float, *, limit: int = 200) -> list[Event]:
        """Wait for events and return all that are there, at most `limit`; raises as `next_event`.

        None are returned after `timeout` seconds, and at the end.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._events or self._end or self._woken or (self._closing and not self._failed)
                ),
                timeout,
            )
            self._woken = False
            taken = []
            for _ in range(min(limit, len(self._events))):
                event, size = self._events.popleft()
                self._bytes -= size
                taken.append(event)
            if taken:
                self._changed.notify_all()
            elif self._end is not None and (self._failed or not self._closing):
                raise self._end
            return taken

    def ack(self, upto: int) -> None:
        """Tell the server what has been shown, if there is a link; it is told again later."""
        with self._changed:
            connection = self._connection
        if connection is not None:
            try:
                connection.ack(upto)
            except LinkLost:
                return  # the next message's ack says it too

    def wake(self) -> None:
        """Have `next_events`, now or the next time, return at once."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def hurry(self) -> None:
        """Connect now instead of at the end of the pause."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()

    def close(self) -> None:
        """Leave. What was not answered fails with LinkLost."""
        with self._changed:
            connection = None if self._closing else self._connection
            self._closing = True
            self._changed.notify_all()
        if connection is not None:
            connection.logout()
        if self._keeper.is_alive() and threading.current_thread() is not self._keeper:
            self._keeper.join(_CLOSE_SECONDS)

    def abandon(self) -> None:
        """Leave a server that does not let go."""
        with self._changed:
            connection = self._connection
            self._closing = True
            self._changed.notify_all()
        if connection is not None:
            connection.close()

    @property
    def closing(self) -> bool:
        """Whether `close` has been called."""
        with self._changed:
            return self._closing

    # Asking (any thread)

    def _ask(
        self,
        op: str,
        fields: dict[str, object],
        future: Future[Reply] | None,
        number: int | None = None,
    ) -> int:
        request = self._requests.make(op, fields, future, number)
        with self._changed:
            problem = self._problem_with(request)
            if problem is None:
                connection = self._connection
                self._requests.add(request, connection)
        if problem is not None:
            self._answer(request, problem)
        elif connection is not None:
            self._send(connection, request)
        return request.number

    def _problem_with(self, request: Asked) -> Error | None:
        """Return why a request cannot be taken now. The caller holds the lock."""
        if self._closing or self._end is not None:
            return lost(self._end.text if self._end else "The client is closed.")
        if self._connection is None and not request.kept:
            return lost("Not connected; try again when the link is back.")
        if self._requests.full:
            return Error(
                code="try_later",
                text=f"{UNSENT_LIMIT} requests wait for an answer already; try again later.",
            )
        return None

    def _send(self, connection: Connection, request: Asked) -> None:
        """Send a request; a lost link is the keeper's business."""
        with self._changed:
            number = self._requests.put_on_wire(request, connection)
        try:
            connection.post(request.op, number, **request.fields)
        except LinkLost:
            return  # it is sent again, or failed, when the keeper has seen the end

    def _answer(self, request: Asked, answer: Reply | Error) -> None:
        """Give an answer to whoever asked. No lock is held."""
        if request.future is None:
            answer.re = request.number
            self._queue(answer)
        else:
            request.resolve(answer)

    def _over(self) -> bool:
        with self._changed:
            return self._closing and not self._events

    # -- the keeper thread only --

    def _keep(self) -> None:
        connection = self._connection
        while connection is not None:
            self.watch(LinkState("connected"))
            backoff = Backoff(self._first_pause, self._longest_pause)
            error = self._listen(connection)
            give_up_at = time.monotonic() + self._patience
            # First: whoever has the answers to what was lost may close in the next moment.
            self._must_end(error, give_up_at)
            self._let_go(connection, error)
            connection = None
            while connection is None and not self._must_end(error, give_up_at):
                self._rest(min(backoff.next(), give_up_at - time.monotonic()), error.text)
                if not self._must_end(error, math.inf):
                    self.watch(LinkState("connecting"))
                    connection, error = self._reconnect()
        self._finish(error)

    def _must_end(self, error: ChatError, give_up_at: float) -> bool:
        """Tell whether this is the end, and note when it is not because of `close`."""
        with self._changed:
            final = error.code in self._final_codes or time.monotonic() >= give_up_at
            self._failed = self._failed or (final and not self._closing)
            return final or self._closing

    def _listen(self, connection: Connection) -> ChatError:
        try:
            while True:
                for event in connection.next_events():
                    self._take(event)
        except LinkLost as error:
            return error

    def _let_go(self, connection: Connection, error: ChatError) -> None:
        """Close a connection, and fail what was asked on it and cannot be asked again."""
        with self._changed:
            self._connection = None
            answers = self._requests.let_go(connection, error.code, error.text)
        connection.close()
        for each, answer in answers:
            self._answer(each, answer)

    def _reconnect(self) -> tuple[Connection | None, ChatError]:
        """Connect, log in since the last message, send again what was not answered, and take the
        replay; return the connection, or why there is none."""
        try:
            connection = self._open()
        except ConnectFailed as error:
            return None, error
        try:
            # Without a message so far, the account's read position says where to begin.
            since = self.last_seq or None
            welcome = connection.login(self._name, self._password, since=since)
            self._take_replay(connection, welcome, self._send_again(connection))
        except ChatError as error:
            self._let_go(connection, error)
            return None, error
        return connection, LinkLost("")

    def _send_again(self, connection: Connection) -> set[int]:
        """Send what was not answered, in its order, then let `submit` use the connection.

        Return the numbers of what was sent.
        """
        sent: set[int] = set()
        while True:
            with self._changed:
                if self._closing:
                    raise LinkLost("The client is closed.")
                unsent = self._requests.take_over(connection)
                if not unsent:
                    self._connection = connection
                    return sent
            for each in unsent:
                sent.add(each.number)
                self._send(connection, each)

    def _take_replay(self, connection: Connection, welcome: LoginReply, again: set[int]) -> None:
        """Give what was missed to the program, without what this client itself said.

        Raises LinkLost; then nothing was given, and the next replay has it again.
        """
        held: list[Event] = []
        answers: list[tuple[Asked, Reply | Error]] = []
        ended = not welcome.missed or welcome.busy
        room = MOST_BYTES
        while not ended or self._still_open(again):
            for event in connection.next_events(0.2):
                ended = ended or isinstance(event, Replayed)
                if not _is_answer(event):
                    held.append(event)
                    room -= _size(event)
                    if room < 0:
                        raise LinkLost("The server replays without end: check the server.")
                elif (request := self._settle(event)) is not None:
                    answers.append((request, event))
        fresh = [each for event in held for each in self._fresh(event)]
        missed = sum(isinstance(event, Message) and event.replay is True for event in fresh)
        self._queue(
            structs.replace(welcome, re=UNSET, missed=welcome.missed if welcome.busy else missed)
        )
        for event in fresh:
            self._queue(event)
        for request, answer in answers:
            self._answer(request, answer)

    def _still_open(self, numbers: set[int]) -> bool:
        with self._changed:
            return self._requests.any_open(numbers)

    def _take(self, event: Event) -> None:
        """Take an event off the wire: an answer goes to who asked, the rest to the program."""
        if _is_answer(event):
            request = self._settle(event)
            if request is not None:
                self._answer(request, event)
        elif not (isinstance(event, Bye) and self.closing):
            for each in self._fresh(event):
                self._queue(each)

    def _settle(self, answer: Reply | Error) -> Asked | None:
        """Return the request that this answers, which is open no longer."""
        with self._changed:
            request = self._requests.settle(answer)
            if request is not None:
                if isinstance(answer, Reply) and request.kept:
                    self._seen.note_said(getattr(answer, "seq", 0))
                self._changed.notify_all()
            return request

    def _fresh(self, event: Event) -> list[Event]:
        """Return an event as the program is to have it, if at all.

        Not a message that it has had, or said; and the end of a replay counts what it was given.
        """
        if isinstance(event, Replayed):
            count, self._replayed = self._replayed, 0
            return [structs.replace(event, count=count)] if count or event.more else []
        if isinstance(event, Message):
            with self._changed:
                if not self._seen.is_new(event, self._name):
                    return []
            self._replayed += event.replay is True
        return [event]

    def _queue(self, event: Event) -> None:
        """Queue an event; the keeper waits while there are too many, or they are too large."""
        size = _size(event)
        with self._changed:
            if threading.current_thread() is self._keeper:
                self._changed.wait_for(lambda: self._closing or self._has_room_for(size))
            self._events.append((event, size))
            self._bytes += size
            self._changed.notify_all()

    def _has_room_for(self, size: int) -> bool:
        fits = self._bytes + size <= MOST_BYTES or not self._events
        return fits and len(self._events) < QUEUE_LIMIT

    def _rest(self, pause: float, reason: str) -> None:
        self.watch(LinkState("waiting", pause, reason))
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._hurry, pause)
            self._hurry = False

    def _finish(self, error: ChatError) -> None:
        with self._changed:
            left = self._requests.drain()
        for request in left:
            self._answer(request, lost(error.text))
        with self._changed:
            self._end = error
            self._changed.notify_all()


def _is_answer(event: Event) -> TypeGuard[Reply | Error]:
    return isinstance(event, Reply | Error) and event.re is not UNSET


def _size(event: Event) -> int:
    """Return how many bytes an event counts for where it waits."""
    return _BYTES_BESIDE + len(encode(event))
