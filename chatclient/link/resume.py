"""A client that outlives its link: it connects again, and nothing is lost, doubled or out of order.

Its parts: `keeper` has the thread that listens and connects again, `requests` what was asked and is
not answered, `seen` what the program has had or said, `replay` what was missed, and `mailbox` what
waits for the program. Everything here may be called from any thread.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Self

from chatclient.errors import LinkLost
from chatclient.link.backoff import FIRST_PAUSE, LONGEST_PAUSE
from chatclient.link.connection import UNANSWERED, Connection
from chatclient.link.keeper import FINAL_CODES, Keeper, LinkState, Persistence, Watch
from chatclient.link.mailbox import Mailbox
from chatclient.link.requests import AT_THE_LAST, Asked, Requests
from chatclient.link.seen import Seen
from chatwire.events import Event
from chatwire.replies import LoginReply, Reply


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
        attended: bool = True,
        watch: Watch = _ignore,
        final_codes: frozenset[str] = FINAL_CODES,
        patience: float = math.inf,
        pause: float = FIRST_PAUSE,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        """`attended` says whether a person is here.

        `final_codes`, `patience` and the pauses say how long it tries: see `Persistence`.
        """
        self.watch = watch
        self._open = open_connection
        self._name = name
        self._password = password
        self._attended = attended
        self._requests = Requests()
        self._mailbox = Mailbox()
        self._keeper = Keeper(
            self._log_in,
            self._requests,
            self._mailbox,
            self._tell,
            Persistence(final_codes, patience, pause, longest_pause),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def last_seq(self) -> int:
        """The number of the last message or change that was given to the program."""
        return self._keeper.seen.upto

    @property
    def unanswered_seconds(self) -> float:
        """For how long the server has not given a sign of life that it was asked for."""
        connection = self._requests.connection
        return 0.0 if connection is None else connection.unanswered_seconds

    @property
    def unsent(self) -> list[dict[str, object]]:
        """The fields of what is asked again until it is answered, and has not been."""
        return self._requests.kept

    @property
    def closing(self) -> bool:
        """Whether `close` has been called."""
        return self._mailbox.closed

    def start(
        self,
        connection: Connection | None = None,
        welcome: LoginReply | None = None,
        *,
        since: int | None = None,
    ) -> LoginReply:
        """Go on with a connection that is logged in, or connect and log in.

        `since` is the last message or change the program has seen, where it knows; the login of a
        connection that is handed over must have said the same. Raises ConnectFailed, Refused or
        LinkLost.
        """
        if connection is None or welcome is None:
            connection, welcome = self._log_in(since)
        self._name = welcome.name
        self._keeper.start(connection, Seen.since(welcome, since))
        return welcome

    # Asking

    def submit(self, op: str, /, **fields: object) -> Future[Reply]:
        """Send a request and return a Future for its answer.

        What is KEYED is kept and sent again, with its key, until it is answered; any other request
        fails with LinkLost when the link does.
        """
        future: Future[Reply] = Future()
        self._ask(self._requests.make(op, self._aimed(op, fields), future))
        return future

    def number(self) -> int:
        """Return a number for a request that is going to be posted."""
        return self._requests.number()

    def post(self, op: str, number: int | None = None, /, **fields: object) -> int:
        """As `submit`, but the answer, a Reply or an Error, comes among the events, in its place.

        Returns the number the answer carries as `re`, which may be chosen beforehand. Where a lost
        link is the answer, it is an Error with the code LINK_LOST.
        """
        request = self._requests.make(op, self._aimed(op, fields), None, number)
        self._ask(request)
        return request.number

    def ack(self, upto: int) -> None:
        """Tell the server what has been shown, if there is a link; it is told again later."""
        self.tell("ack", upto=upto)

    def tell(self, op: str, /, **fields: object) -> None:
        """Send a request of UNANSWERED, if there is a link; without one it is of no use."""
        assert op in UNANSWERED
        connection = self._requests.connection
        if connection is not None:
            try:
                connection.tell(op, **fields)
            except LinkLost:
                return  # the next message's ack says it too

    # Listening

    def events(self) -> Iterator[Event]:
        """Yield events in order, each message and change once; ends after `close`.

        A LoginReply among them says that a lost link is back. Raises the error that ended the
        client where connecting again was no use.
        """
        while True:
            event = self.next_event(1.0)
            if event is not None:
                yield event
            elif self._mailbox.over:
                return

    def next_event(self, timeout: float) -> Event | None:
        """Return the next event, or None after `timeout` seconds or at the end.

        Raises the error that ended the client, when everything before it has been returned.
        """
        taken = self._mailbox.take(timeout, 1)
        return taken[0] if taken else None

    def next_events(self, timeout: float, *, limit: int = 200) -> list[Event]:
        """Wait for events and return all that are there, at most `limit`; raises as `next_event`.

        None are returned after `timeout` seconds, and at the end.
        """
        return self._mailbox.take(timeout, limit)

    def wake(self) -> None:
        """Have `next_events`, now or the next time, return at once."""
        self._mailbox.wake()

    # The link

    def hurry(self) -> None:
        """Connect now instead of at the end of the pause."""
        self._keeper.hurry()

    def close(self) -> None:
        """Leave. What was not answered fails with LinkLost."""
        first = self._mailbox.close()
        connection = self._requests.close()
        self._keeper.hurry()
        if first and connection is not None:
            connection.logout()
        self._keeper.join()

    def abandon(self) -> None:
        """Leave a server that does not let go."""
        self._mailbox.close()
        connection = self._requests.close()
        self._keeper.hurry()
        if connection is not None:
            connection.close()

    def _tell(self, link: LinkState) -> None:
        self.watch(link)

    def _log_in(self, since: int | None) -> tuple[Connection, LoginReply]:
        connection = self._open()
        try:
            login = connection.login(self._name, self._password, since, attended=self._attended)
            return connection, login
        except BaseException:
            connection.close()
            raise

    def _aimed(self, op: str, fields: dict[str, object]) -> dict[str, object]:
        """Return the fields with the message that is meant, where that is the last one there was:
        by the time it is asked again on another link that may be another."""
        last = self._keeper.seen.told if op == "answer" else self._keeper.seen.heard
        aimed = op in AT_THE_LAST and last and fields.get("target") is None
        return fields | {"target": last} if aimed else fields

    def _ask(self, request: Asked) -> None:
        problem = self._requests.ask(request)
        event = None if problem is None else request.resolve(problem)
        if event is not None:
            self._mailbox.put_at_once(event)
