"""A connection to a chat server: requests, their answers, and the events between them.

    with Connection.open("127.0.0.1", 4119) as chat:
        chat.login("alice", password)
        chat.broadcast("hello")
        for event in chat.events():
            ...

A library without a screen. All methods may be called from any thread, except that code running in
the reader thread (a callback of a Future) must not wait for an answer there.

Threads: one daemon, the *reader*, takes lines off the wire. It answers `ping`, gives replies to
whoever asked, and puts all other events into one bounded queue, in order (see `inbox`).

Locks: the inbox has its own. `_write_lock` is held while one line is sent, which may take as long
as the server wants: a client over its rate is read slowly. It is never taken under the inbox's.
"""

import logging
import random
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Final, Self, TypeVar

from chatclient.errors import ChatError, ConnectFailed, LinkLost, NoAnswer, Refused, ended_by
from chatclient.link.inbox import Inbox
from chatclient.link.transport import Quiet, Transport
from chatclient.link.trust import Trust, is_this_machine, known_servers
from chatwire.framing import LineSplitter
from chatwire.protocol import (
    DEFAULT_PORT,
    PROTOCOL,
    BroadcastReply,
    Bye,
    Error,
    Event,
    Hello,
    LoginReply,
    Ping,
    ProtocolError,
    Reply,
    SendReply,
    decode_event,
    encode,
)

ANSWER_SECONDS: Final = 30.0
"""How long a request waits for its answer unless told otherwise."""

QUEUE_LIMIT: Final = 1000
"""Events that may wait for the program."""

_MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""Far above any real line (`who` among 10,000 is under 1 MiB), far below what would hurt."""

_QUIET_SECONDS: Final = 15.0
"""After so much silence the server is asked for a sign of life. Where anybody talks it is not."""

_LOST_AFTER: Final = 4
"""A link with so many times `quiet_seconds` without a byte, all told, is lost."""

_SAY_SECONDS: Final = 5.0
"""How long the reader waits for its turn to send a `pong`."""

_CLOSE_SECONDS: Final = 1.0
"""How long `close` waits for the reader, which `shut` wakes at once on every system we know."""

_KEYED: Final = ("broadcast", "send")
"""The requests that take an idempotency key."""

_log = logging.getLogger(__name__)

_ReplyType = TypeVar("_ReplyType", bound=Reply)


def new_key() -> str:
    """Return a fresh idempotency key for a broadcast or a send."""
    return uuid.uuid4().hex


class Connection:
    """One connection, from `open` to `close`; it cannot be opened again.

    `hello` is the server's greeting, `bye` its last word once it has said one; `place` is HOST:PORT
    and `security` what protects the link, both for people.
    """

    def __init__(self, transport: Transport, *, queue_limit: int = QUEUE_LIMIT) -> None:
        """Start reading from `transport`; use `open` unless you bring your own."""
        self.place = ""
        self.security = transport.security
        self.hello: Hello | None = None
        self.bye: Bye | None = None
        self._transport = transport
        self._inbox = Inbox(queue_limit)
        self._asked_at: float | None = None  # written by the reader
        self._write_lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, name="chat-reader", daemon=True)
        self._reader.start()

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
        transport = _connect(host, port, timeout, trust, plaintext)
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
        LinkLost when the connection is over. Fields that are None are left out; `broadcast` and
        `send` get a `key` if they have none.
        """
        if threading.current_thread() is self._reader:
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
        timeout: float | None = ANSWER_SECONDS,
    ) -> LoginReply:
        """Log in; `since` is the last message already seen. Raises what `request` raises."""
        reply = self.request("login", timeout=timeout, name=name, password=password, since=since)
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
        """Say `text` to one account or several; as `broadcast` otherwise."""
        names = [to] if isinstance(to, str) else list(to)
        reply = self.request("send", timeout=timeout, to=names, text=text, key=key)
        return _expect(SendReply, reply)

    def ack(self, upto: int) -> None:
        """Tell the server that every message up to this number has been shown. Raises LinkLost."""
        self._send_line({"op": "ack", "upto": upto})

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
        asked = self._asked_at
        return 0.0 if asked is None else time.monotonic() - asked

    def close(self) -> None:
        """End the connection now, from any thread and as often as you like.

        Requests without an answer fail with LinkLost; events that have arrived can still be taken.
        """
        self._inbox.leave()
        self._transport.shut()
        if threading.current_thread() is not self._reader:
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
        line = encode(request)
        self._inbox.check()
        try:
            with self._write_lock:
                self._transport.send(line)
        except BaseException:  # Ctrl-C too
            self._transport.shut()  # part of the line may be gone, and with it the framing
            raise

    # Receiving (the reader thread)

    def _read(self) -> None:
        loss = LinkLost("The client stopped reading because of a fault in it: please report it.")
        try:
            loss = self._read_lines()
        finally:
            if self.leaving and self.bye is None:
                loss = LinkLost("The connection has been closed here.")
            _log.debug("connection over: %s", loss.text)
            self._transport.shut()
            self._inbox.end(loss)
            with self._write_lock:  # not under somebody's hands; `shut` has ended their send
                self._transport.close()

    def _read_lines(self) -> LinkLost:
        """Take lines until the connection is over, and return why it is."""
        splitter = LineSplitter(_MAX_LINE_BYTES)
        silences = 0
        try:
            while True:
                try:
                    data = self._transport.receive()
                except Quiet:
                    silences += 1
                    if silences == _LOST_AFTER:
                        return LinkLost("The server has fallen silent: check the network.")
                    if silences > 1:
                        continue
                    self._asked_at = time.monotonic()
                    # That an answer comes is enough; nobody wants to see it.
                    self._say({"op": "ping", "id": self._inbox.number(wanted=False)})
                    continue
                silences, self._asked_at = 0, None
                for line in splitter.feed(data):
                    self._take(decode_event(line), len(line))
                    if self.bye is not None:
                        return ended_by(self.bye)
                if splitter.overlong:
                    return LinkLost("The server sent a line without end: check host and port.")
        except LinkLost as error:
            return error
        except ProtocolError:
            return LinkLost(
                f"The server sent a line that is not {PROTOCOL}: check host and port,"
                " and whether client and server are of one version."
            )

    def _take(self, event: Event | None, size: int) -> None:
        """Take an event, which was so many bytes on the wire. Raises LinkLost."""
        match event:
            case None:
                pass  # of a newer version
            case Ping():
                self._say({"op": "pong"})
            case Hello():
                self.hello = event
            case Reply(re=int(number)) | Error(re=int(number)):
                self._inbox.answer(number, event, size)
            case Bye():
                self.bye = event
                self._inbox.put(event, size)
            case _:
                self._inbox.put(event, size)

    def _say(self, request: dict[str, object]) -> None:
        """Send a line from the reader, which must not wait for long. Raises LinkLost.

        When another thread cannot get its line out meanwhile, ours is left out: that line, once it
        arrives, says as well that we are there.
        """
        patience = min(_SAY_SECONDS, self._transport.quiet_seconds)
        if self._write_lock.acquire(timeout=patience):
            try:
                self._transport.send(encode(request), patient=False)
            finally:
                self._write_lock.release()


def _connect(
    host: str, port: int, timeout: float, trust: Trust | None, plaintext: bool
) -> Transport:
    """Return a connection to be spoken on. Raises ConnectFailed.

    What has been verified before is spoken to in TLS, here and elsewhere, whatever else is asked.
    """
    trust = trust or Trust(known_servers())
    demanded = trust.demands_tls(host, port)
    if plaintext and demanded:
        raise trust.not_in_plaintext(host, port)
    raw = Transport.open(host, port, timeout, timeout)
    # Called so, and so: a name may lead here because somebody else says so.
    if plaintext or (is_this_machine(host) and raw.is_local and not demanded):
        return raw
    from chatclient.link.tls import secure  # noqa: PLC0415 - slow to import, and often not needed

    return secure(
        host,
        port,
        raw,
        lambda: Transport.open(host, port, timeout, timeout),
        trust,
    )


def _line(op: str, number: int, fields: dict[str, object]) -> dict[str, object]:
    """Return a request as it goes on the wire; what says something gets a key if it has none."""
    line: dict[str, object] = {"op": op, "id": number}
    line.update({name: value for name, value in fields.items() if value is not None})
    if op in _KEYED:
        line.setdefault("key", new_key())
    return line


def _expect(kind: type[_ReplyType], reply: Reply) -> _ReplyType:
    """Return `reply` as what it must be; a server that answers otherwise is broken."""
    if not isinstance(reply, kind):
        raise LinkLost(f"The server answered '{reply.op}' to something else: update one of them.")
    return reply
