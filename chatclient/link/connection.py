"""A connection to a chat server: requests, their answers, and the events between them.

    with Connection.open("127.0.0.1", 4119) as chat:
        chat.login("alice", password)
        chat.broadcast("hello")
        for event in chat.events():
            ...

A library without a screen. All methods may be called from any thread, except that code running in
the reader thread (a callback of a Future) must not wait for an answer there.

Threads: one daemon, the *reader*, takes lines off the wire. It answers `ping`, gives replies to
whoever asked, and puts all other events into one bounded queue, in order (see `inbox`). The inbox
and the writer have a lock each, and neither is taken under the other.
"""

import random
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Final, Self, TypeVar

from chatclient.errors import ChatError, ConnectFailed, LinkLost, NoAnswer, Refused
from chatclient.link.inbox import Inbox
from chatclient.link.opening import open_transport
from chatclient.link.reader import Reader
from chatclient.link.transport import Transport
from chatclient.link.trust import Trust
from chatclient.link.writer import Writer
from chatwire.events import (
    PROTOCOL,
    Bye,
    Deleted,
    Edited,
    Event,
    Hello,
    Message,
    Numbered,
    Reacted,
    RoomChanged,
)
from chatwire.protocol import DEFAULT_PORT
from chatwire.replies import BroadcastReply, LoginReply, Reply, SendReply
from chatwire.rooms import room_name

ANSWER_SECONDS: Final = 30.0
"""How long a request waits for its answer unless told otherwise."""

QUEUE_LIMIT: Final = 1000
"""Events that may wait for the program."""

_QUIET_SECONDS: Final = 15.0
"""After so much silence the server is asked for a sign of life. Where anybody talks it is not."""

_CLOSE_SECONDS: Final = 1.0
"""How long `close` waits for the reader, which `shut` wakes at once on every system we know."""

KEYED: Final[dict[str, type[Numbered]]] = {
    **dict.fromkeys(("broadcast", "send", "reply", "answer"), Message),
    "edit": Edited,
    "delete": Deleted,
    "react": Reacted,
    **dict.fromkeys(
        ("create", "join", "leave", "invite", "remove", "role", "mute", "topic", "set"),
        RoomChanged,
    ),
}
"""The requests that take an idempotency key, each with the event that others see of it."""

UNANSWERED: Final = frozenset({"ack", "pong", "typing"})
"""The requests that have no answer."""

_ReplyType = TypeVar("_ReplyType", bound=Reply)


def new_key() -> str:
    """Return a fresh idempotency key for a request of KEYED."""
    return uuid.uuid4().hex


class Connection:
    """One connection, from `open` to `close`; it cannot be opened again.

    `place` is HOST:PORT and `security` what protects the link, both for people.
    """

    def __init__(self, transport: Transport, *, queue_limit: int = QUEUE_LIMIT) -> None:
        """Start reading from `transport`; use `open` unless you bring your own."""
        self.place = ""
        self.security = transport.security
        self._transport = transport
        self._inbox = Inbox(queue_limit)
        self._writer = Writer(transport)
        self._reader = Reader(transport, self._inbox, self._writer)

    @classmethod
    def open(
        cls,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        timeout: float = 10.0,
        quiet_seconds: float = _QUIET_SECONDS,
        queue_limit: int = QUEUE_LIMIT,
        trust: Trust | None = None,
        plaintext: bool = False,
    ) -> Self:
        """Connect and wait for the server's greeting, `timeout` seconds for each of the two.

        A server is spoken to in TLS, unless `plaintext` says otherwise or it is on this machine
        (`localhost` or a loopback address, not another name that leads there). What `trust` knows
        is always spoken to in TLS. `trust` decides about certificates that no authority vouches for
        (by default, the pinned keys of this user, and nobody is asked).
        After `quiet_seconds` without a byte from the server it is asked for one, and after four
        times that the link counts as lost. Raises ConnectFailed.
        """
        transport = open_transport(host, port, timeout, trust, plaintext)
        # Jitter, so that all who heard the same last word do not ask at the same moment.
        transport.be_patient(quiet_seconds * random.uniform(1.0, 1.3))  # noqa: S311
        connection = cls(transport, queue_limit=queue_limit)
        connection.place = f"{host}:{port}"
        try:
            connection._greet(f"{host} port {port}", timeout)
        except BaseException:
            connection.close()
            raise
        return connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # Asking

    def request(
        self, op: str, /, *, timeout: float | None = ANSWER_SECONDS, **fields: object
    ) -> Reply:
        """Send a request and return its answer.

        Raises Refused when the server says no, NoAnswer after `timeout` seconds (None: never), and
        LinkLost when the connection is over. Fields that are None are left out; what is
        KEYED gets a `key` if it has none.
        """
        if self._reader.is_me:
            raise RuntimeError("a callback must not wait for an answer; use submit()")
        number, future = self._ask(op, fields)
        try:
            return future.result(timeout)
        except TimeoutError:
            if not self._inbox.give_up(number):
                return future.result()
            raise NoAnswer(
                f"The server did not answer '{op}' within {timeout:g} s: try again."
            ) from None

    def submit(self, op: str, /, **fields: object) -> Future[Reply]:
        """Send a request and return at once with a Future for its answer.

        The Future gets what `request` would return or raise, except that nothing limits the wait.
        Its callbacks run in the reader thread (or in yours, when the answer was faster).
        """
        return self._ask(op, fields)[1]

    def number(self) -> int:
        """Return a number for a request that is going to be posted."""
        return self._inbox.number()

    def post(self, op: str, number: int | None = None, /, **fields: object) -> int:
        """Send a request whose answer, a Reply or an Error, shall come with the other events.

        Returns the number the answer carries as `re`, which may be chosen beforehand. For programs
        to which the order of answers and messages matters, such as a screen. Raises LinkLost.
        """
        if number is None:
            number = self._inbox.number()
        self._send_line(_line(op, number, fields))
        return number

    def login(
        self,
        name: str,
        password: str,
        since: int | None = None,
        *,
        attended: bool = True,
        timeout: float | None = ANSWER_SECONDS,
    ) -> LoginReply:
        """Log in; `since` is the last message or change already seen.

        Who is not `attended` by a person is not logged out for doing nothing, where the server
        knows of that. Raises what `request` raises.
        """
        alone = not attended and self.hello is not None and bool(self.hello.can)
        reply = self.request(
            "login",
            timeout=timeout,
            name=name,
            password=password,
            since=since,
            attended=False if alone else None,
        )
        return _expect(LoginReply, reply)

    def broadcast(
        self, text: str, key: str | None = None, *, timeout: float | None = ANSWER_SECONDS
    ) -> BroadcastReply:
        """Say `text` to everybody here; when this returns, it is on the server's disk.

        After NoAnswer or LinkLost, say it again with the same `key` (make one with `new_key`) and
        it will not be said twice. Raises what `request` raises.
        """
        reply = self.request("broadcast", timeout=timeout, text=text, key=key)
        return _expect(BroadcastReply, reply)

    def send(
        self,
        to: str | Sequence[str],
        text: str,
        key: str | None = None,
        *,
        timeout: float | None = ANSWER_SECONDS,
    ) -> SendReply:
        """Say `text` to one account, to several, or in a room (`#ops`); else as `broadcast`."""
        reply = self.request("send", timeout=timeout, text=text, key=key, **place(to))
        return _expect(SendReply, reply)

    def ack(self, upto: int) -> None:
        """Tell the server that every message and change up to this number has been shown.

        Raises LinkLost.
        """
        self.tell("ack", upto=upto)

    def tell(self, op: str, /, **fields: object) -> None:
        """Send a request of UNANSWERED. Raises LinkLost."""
        self._send_line({"op": op} | fields)

    def logout(self, *, timeout: float = 5.0) -> None:
        """Leave in good order, then close. A server that does not answer is left all the same."""
        self._inbox.leave()
        try:
            self.request("logout", timeout=timeout)
        except ChatError:
            pass  # it may say bye at once, or be gone already: either way we have left
        else:
            self._reader.join(timeout)
        self.close()

    # Listening

    def next_events(self, timeout: float | None = None, *, limit: int = 200) -> list[Event]:
        """Wait for events and return all that are there, at most `limit`; none after `timeout`.

        Raises LinkLost when the connection is over and everything before that has been returned.
        """
        return self._inbox.take(timeout, limit)

    def next_event(self, timeout: float | None = None) -> Event | None:
        """Wait for the next event and return it, or None after `timeout` seconds.

        Raises LinkLost as `next_events` does.
        """
        taken = self._inbox.take(timeout, 1)
        return taken[0] if taken else None

    def events(self) -> Iterator[Event]:
        """Yield events as they come: Message, Presence, Replayed, Bye, answers to `post`, …

        Ends after our own `logout` or `close`; raises LinkLost when the link ends otherwise.
        """
        while True:
            try:
                event = self.next_event()
            except LinkLost:
                if self.leaving:
                    return
                raise
            if event is not None:
                yield event

    @property
    def hello(self) -> Hello | None:
        """The server's greeting, once it has come."""
        return self._reader.hello

    @property
    def bye(self) -> Bye | None:
        """The server's last word, once it has said one."""
        return self._reader.bye

    @property
    def leaving(self) -> bool:
        """Whether this side has begun to end the connection, with `logout` or `close`."""
        return self._inbox.leaving

    @property
    def lost(self) -> LinkLost | None:
        """How the connection ended; None while it lives."""
        return self._inbox.loss

    @property
    def unanswered_seconds(self) -> float:
        """For how long the server has not answered our question for a sign of life; 0.0 while none
        is open."""
        return self._reader.unanswered_seconds

    def close(self) -> None:
        """End the connection now, from any thread and as often as you like.

        Requests without an answer fail with LinkLost; events that have arrived can still be taken.
        """
        self._inbox.leave()
        self._transport.shut()
        if not self._reader.is_me:
            self._reader.join(_CLOSE_SECONDS)
            self._transport.close()  # should a system not wake the reader on `shut`, this does

    # Sending (any thread)

    def _greet(self, where: str, timeout: float) -> None:
        """Say the first line, which must be json because its first byte chooses the dialect."""
        try:
            self.request("ping", timeout=timeout)
        except Refused:
            pass  # an answer is an answer
        except NoAnswer as error:
            raise ConnectFailed(
                f"{where} took the connection but did not answer within {timeout:g} s:"
                " try again, or check the port."
            ) from error
        except LinkLost as error:
            raise ConnectFailed(error.text, error.code) from error
        if self.hello is None or self.hello.protocol != PROTOCOL:
            raise ConnectFailed(f"{where} does not speak {PROTOCOL}: check the host and the port.")

    def _ask(self, op: str, fields: dict[str, object]) -> tuple[int, Future[Reply]]:
        number, future = self._inbox.expect()
        try:
            if not future.done():
                self._send_line(_line(op, number, fields))
        except LinkLost:
            pass  # the reader fails the future, with the server's reason if there is a bye
        except BaseException:
            self._inbox.give_up(number)
            raise
        return number, future

    def _send_line(self, request: dict[str, object]) -> None:
        self._inbox.check()
        self._writer.send(request)


def place(to: str | Sequence[str]) -> dict[str, object]:
    """Return the fields of a request that say where: in a room (`#ops`), or to whom."""
    if not isinstance(to, str):
        return {"to": list(to)}
    room = room_name(to)
    return {"to": [to]} if room is None else {"room": room}


def _line(op: str, number: int, fields: dict[str, object]) -> dict[str, object]:
    """Return a request as it goes on the wire; what says something gets a key if it has none."""
    line: dict[str, object] = {"op": op, "id": number}
    line.update({name: value for name, value in fields.items() if value is not None})
    if op in KEYED:
        line.setdefault("key", new_key())
    return line


def _expect(kind: type[_ReplyType], reply: Reply) -> _ReplyType:
    """Return `reply` as what it must be; a server that answers otherwise is broken."""
    if not isinstance(reply, kind):
        raise LinkLost(f"The server answered '{reply.op}' to something else: update one of them.")
    return reply
