"""A client that outlives its link: it connects again, and nothing is lost, doubled or out of order.

It keeps the number of the last message it has given to the program, and every broadcast and send
that has not been answered, with its key. After a lost link it logs in `since` that number and sends
those again with their keys, so the server carries out only what it had not.

The own messages in such a replay are held until those sends are answered, since only the answer
tells which of them they are; what this very client said is not given back to it.

Threads: one, the *keeper*, connects, listens and connects again. `submit`, `events` and `close` may
be called from any thread; one lock, the Condition `_changed`, guards all state and is never held
while sending, receiving or calling back.
"""

import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Self

from chatclient.connection import Connection, new_key
from chatclient.errors import ChatError, ConnectFailed, LinkLost, NoAnswer, Refused
from chatwire.names import fold
from chatwire.protocol import Event, LoginReply, Message, Replayed, Reply

QUEUE_LIMIT: Final = 1000
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0

_MOST_SAID: Final = 1000
"""How many of its own messages a client knows again; a replay has 500 at most."""

_FINAL_CODES: Final = ("bad_credentials", "locked_out", "kicked", "bad_request")
"""Why a login or a link ended where trying again would only make it worse."""

Watch = Callable[[str, float], None]
"""Told `connected`, or `waiting` and for how many seconds, whenever that changes (the keeper)."""


@dataclass
class _Unanswered:
    op: str
    fields: dict[str, object]
    future: Future[Reply] = field(default_factory=Future)
    sent_on: Connection | None = None


def _ignore(_state: str, _seconds: float) -> None:
    return


class ResumingClient:
    """One account's presence over many connections, from the first login to `close`.

    `open_connection` makes a new connection; `watch` is told how the link is. The first connection
    and login are made by `start`, which raises what they raise; later ones are the keeper's.
    """

    def __init__(
        self,
        open_connection: Callable[[], Connection],
        name: str,
        password: str,
        *,
        watch: Watch = _ignore,
        pause: float = FIRST_PAUSE,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        """After a lost link it waits `pause` seconds, twice as long each time it finds nobody, up
        to `longest_pause`."""
        self._open = open_connection
        self._name = name
        self._password = password
        self._watch = watch
        self._first_pause = pause
        self._longest_pause = longest_pause
        self._changed = threading.Condition()
        self._connection: Connection | None = None
        self._unanswered: dict[str, _Unanswered] = {}
        self._said: set[int] = set()  # own messages that may still come back in a replay
        self._events: deque[Event] = deque()
        self._last_seq = 0
        self._closing = False
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
            return self._last_seq

    def start(self) -> LoginReply:
        """Connect and log in for the first time. Raises ConnectFailed, Refused or LinkLost."""
        connection = self._open()
        try:
            welcome = connection.login(self._name, self._password)
        except BaseException:
            connection.close()
            raise
        with self._changed:
            self._name = welcome.name
            self._connection = connection
            if not welcome.missed:
                self._last_seq = welcome.seq
        self._keeper.start()
        return welcome

    def submit(self, op: str, /, **fields: object) -> Future[Reply]:
        """Send a request and return a Future for its answer.

        A broadcast or a send is kept and sent again, with its key, until it is answered; any other
        request fails with LinkLost when the link does.
        """
        if op not in ("broadcast", "send"):
            with self._changed:
                connection, end = self._connection, self._end
            if connection is None:
                future: Future[Reply] = Future()
                future.set_exception(end or LinkLost("Not connected: wait for the link."))
                return future
            return connection.submit(op, **fields)
        key = str(fields.pop("key", None) or new_key())
        waiting = _Unanswered(op, fields | {"key": key})
        with self._changed:
            if self._end is not None or self._closing:
                waiting.future.set_exception(self._end or LinkLost("The client is closed."))
                return waiting.future
            self._unanswered[key] = waiting
            connection = waiting.sent_on = self._connection
        if connection is not None:
            self._send(connection, key, waiting)
        return waiting.future

    def events(self) -> Iterator[Event]:
        """Yield events in order, each message once; ends after `close`.

        Raises the error that ended the client where connecting again was no use.
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
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._end or self._closing, timeout)
            if self._events:
                event = self._events.popleft()
                self._changed.notify_all()
                return event
            if self._end is not None and not self._closing:
                raise self._end
            return None

    def ack(self, upto: int) -> None:
        """Tell the server what has been shown, if there is a link; it is told again later."""
        with self._changed:
            connection = self._connection
        if connection is not None:
            try:
                connection.ack(upto)
            except LinkLost:
                return  # the next message's ack says it too

    def close(self) -> None:
        """Leave. What was not answered fails with LinkLost."""
        with self._changed:
            self._closing = True
            connection = self._connection
            self._changed.notify_all()
        if connection is not None:
            connection.logout()
        if self._keeper.is_alive() and threading.current_thread() is not self._keeper:
            self._keeper.join()

    def _over(self) -> bool:
        with self._changed:
            return self._closing and not self._events

    def _send(self, connection: Connection, key: str, waiting: _Unanswered) -> None:
        """Send one that is kept; its answer ends the keeping, a lost link does not."""

        def answered(future: Future[Reply]) -> None:
            error = future.exception()
            if isinstance(error, LinkLost):
                return
            with self._changed:
                if self._unanswered.pop(key, None) is None:
                    return  # answered on another connection
                if error is None:
                    self._said.add(getattr(future.result(), "seq", 0))
                    if len(self._said) > 2 * _MOST_SAID:
                        self._said = set(sorted(self._said)[-_MOST_SAID:])
                self._changed.notify_all()
            if error is None:
                waiting.future.set_result(future.result())
            else:
                waiting.future.set_exception(error)

        connection.submit(waiting.op, **waiting.fields).add_done_callback(answered)

    # -- the keeper thread only --

    def _keep(self) -> None:
        connection = self._connection
        while connection is not None:
            self._watch("connected", 0.0)
            pause = self._first_pause
            error = self._listen(connection)
            with self._changed:
                self._connection = None
            connection.close()
            connection = None
            while connection is None and not self._must_end(error):
                self._rest(pause)
                pause = min(2 * pause, self._longest_pause)
                connection, error = self._reconnect()
        self._finish(error)

    def _must_end(self, error: ChatError) -> bool:
        with self._changed:
            return self._closing or error.code in _FINAL_CODES

    def _listen(self, connection: Connection) -> ChatError:
        try:
            while True:
                for event in connection.next_events():
                    self._give(event)
        except LinkLost as lost:
            return lost

    def _reconnect(self) -> tuple[Connection | None, ChatError]:
        """Connect, log in since the last message, send again what was not answered, and take the
        replay; return the connection, or why there is none."""
        try:
            connection = self._open()
        except ConnectFailed as error:
            return None, error
        try:
            # Without a message so far, the account's read position says where to begin.
            since = self._last_seq or None
            welcome = connection.login(self._name, self._password, since=since)
            self._take_replay(connection, welcome, self._send_again(connection))
        except (LinkLost, Refused, NoAnswer) as error:
            with self._changed:
                self._connection = None
            connection.close()
            return None, error
        return connection, LinkLost("")

    def _send_again(self, connection: Connection) -> set[str]:
        """Send what was not answered, in its order, then let `submit` use the connection.

        Return the keys of what was sent.
        """
        sent: set[str] = set()
        while True:
            with self._changed:
                unsent = [
                    (key, each)
                    for key, each in self._unanswered.items()
                    if each.sent_on is not connection
                ]
                if self._closing:
                    raise LinkLost("The client is closed.")
                if not unsent:
                    self._connection = connection
                    return sent
                for _, each in unsent:
                    each.sent_on = connection
            for key, each in unsent:
                sent.add(key)
                self._send(connection, key, each)

    def _take_replay(self, connection: Connection, welcome: LoginReply, again: set[str]) -> None:
        """Give what was missed to the program, without what this client itself said.

        Raises LinkLost; then nothing was given, and the next replay has it again.
        """
        taken: list[Event] = []
        ended = not welcome.missed or welcome.busy
        while not ended or self._still_open(again):
            for event in connection.next_events(0.2):
                taken.append(event)
                ended = ended or isinstance(event, Replayed)
        for event in taken:
            self._give(event)

    def _still_open(self, keys: set[str]) -> bool:
        with self._changed:
            return not keys.isdisjoint(self._unanswered)

    def _give(self, event: Event) -> None:
        """Queue an event for the program, unless it has had it; wait while the queue is full."""
        with self._changed:
            if isinstance(event, Message):
                own = fold(event.sender) == fold(self._name) and event.seq in self._said
                self._said.discard(event.seq)
                if event.seq <= self._last_seq:
                    return
                self._last_seq = event.seq
                if own:
                    return
            self._changed.wait_for(lambda: len(self._events) < QUEUE_LIMIT or self._closing)
            self._events.append(event)
            self._changed.notify_all()

    def _rest(self, pause: float) -> None:
        # Jitter, so that a server that comes back is not met by everybody at once.
        pause *= random.uniform(0.8, 1.2)  # noqa: S311 - nothing secret
        self._watch("waiting", pause)
        with self._changed:
            self._changed.wait_for(lambda: self._closing, pause)

    def _finish(self, error: ChatError) -> None:
        with self._changed:
            self._end = error
            left = list(self._unanswered.values())
            self._unanswered.clear()
            self._changed.notify_all()
        for waiting in left:
            waiting.future.set_exception(LinkLost(error.text, error.code))
