"""What a handler thread does, from the first byte to the last: one call a client.

It reads, parses and dispatches; it may wait for its own client, for a hash, and for room in the
log, never for another client.
"""

import itertools
import logging
import threading
import time
from ipaddress import ip_address
from typing import Final

from chatserver.commands.context import Context, Services
from chatserver.commands.registry import Registry
from chatserver.dialects import Dialect
from chatserver.dialects.json import JsonDialect
from chatserver.dialects.text import TextDialect
from chatserver.errors import CommandError, Disconnected
from chatserver.net.flusher import Flusher
from chatserver.net.ratelimit import TokenBucket
from chatserver.net.stream import Stream
from chatserver.net.tls import FIRST_BYTE, TlsContexts, TlsStream
from chatserver.order.delivery import answer
from chatserver.sessions.connection import Connection
from chatwire.framing import LineSplitter

_log = logging.getLogger(__name__)

_SILENCE_SECONDS: Final = 1.0
"""A client that says nothing for this long is a person waiting for a question."""

_HANDSHAKE_SECONDS: Final = 30.0
"""Where the login has no deadline, the TLS handshake still has one."""

_SETTLE_SECONDS: Final = 10.0
_FAREWELL_SECONDS: Final = 2.0
"""How long the last words wait to be taken, by somebody who was cut off for not reading too."""

_ARRIVAL_SECONDS: Final = 0.25
"""How long a system may take to confirm what it has: Linux delays that by up to 0.2 s."""

_LINGER_SECONDS: Final = 1.0
_LEAVE_SECONDS: Final = 30.0


class ClientHandler:
    """Callable for the server: `handler(stream, admitted)` serves one client to its end."""

    def __init__(self, services: Services, flusher: Flusher, tls: TlsContexts) -> None:
        self._services = services
        self._flusher = flusher
        self._tls = tls
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._connections: set[Connection] = set()
        self._opening: set[Stream] = set()
        self._stopping = False

    def connections(self) -> tuple[Connection, ...]:
        """Return every connection there is, logged in or not."""
        with self._lock:
            return tuple(self._connections)

    def stop(self) -> None:
        """End every connection. Called once no new ones are accepted."""
        with self._lock:
            self._stopping = True
            opening = tuple(self._opening)
        for stream in opening:
            stream.interrupt()
        for connection in self.connections():
            connection.end("shutting_down", "The server is shutting down.")

    def __call__(self, stream: Stream, admitted: bool) -> None:
        """Serve one client. Raises nothing that a client can cause."""
        number = next(self._numbers)
        threading.current_thread().name = f"client-{number}"  # stands on every log line
        raw = stream
        if self._services.settings.session.ping_seconds:
            raw.expect_life(self._services.settings.session.ping_seconds)
        with self._lock:
            self._opening.add(raw)
        try:
            stream, first = self._open(raw)
        except Disconnected as error:
            _log.info("not connected: address=%s reason=%s", raw.address, error.reason)
            return
        finally:
            with self._lock:
                self._opening.discard(raw)
        if first == b"":
            return  # gone before it said anything: a port check
        dialect = _choose(first, self._services.registry)
        connection = Connection(
            number,
            stream,
            self._services.settings.session.outbox_bytes,
            dialect.renderer,
            self._flusher.watch,
        )
        with self._lock:
            self._connections.add(connection)
            stopping = self._stopping
        if stopping:
            connection.end("shutting_down", "The server is shutting down.")
        try:
            self._serve(connection, dialect, first or b"", admitted)
        finally:
            with self._lock:
                self._connections.discard(connection)
            self._flusher.forget(connection)
            # A client that left by itself is not waited for.
            ending = connection.ending
            stream.close(_LINGER_SECONDS if ending is None or ending.code else 0.0)

    def _open(self, stream: Stream) -> tuple[Stream, bytes | None]:
        """Return the stream to talk on, inside TLS if the client wants that, and the first bytes:
        b"" at the end, None after a second of silence. Raises Disconnected."""
        first = stream.receive(timeout=_SILENCE_SECONDS)
        if not first or first[0] != FIRST_BYTE:
            return stream, first
        secured = TlsStream(self._tls, stream, first)
        secured.handshake(self._services.settings.login.deadline_seconds or _HANDSHAKE_SECONDS)
        return secured, secured.receive(timeout=_SILENCE_SECONDS)

    def _serve(
        self, connection: Connection, dialect: Dialect, first: bytes, admitted: bool
    ) -> None:
        limits = self._services.settings.session
        bucket = TokenBucket(limits.rate_per_second, limits.rate_burst)
        context = Context(self._services, connection, bucket)
        _log.info(
            "connected: address=%s dialect=%s over=%s",
            connection.address,
            dialect.renderer.name,
            connection.stream.security,
        )
        reason = "closed by the client"
        try:
            self._admit(connection, admitted)
            self._converse(context, dialect, first)
        except Disconnected as error:
            reason = error.reason
            connection.end(None, reason)
        except Exception:
            _log.exception("a connection failed")
            connection.end("internal", "Something went wrong on the server; connect again.")
        finally:
            self._leave(context)
            self._say_goodbye(connection)
            if connection.ending is not None:
                reason = connection.ending.code or connection.ending.text
            account = "-" if context.session is None else context.session.account
            seconds = int(time.monotonic() - connection.connected_at)
            _log.info("disconnected: account=%s after=%ds reason=%s", account, seconds, reason)

    def _admit(self, connection: Connection, admitted: bool) -> None:
        """Turn away who may not come in, in the dialect it speaks."""
        if not admitted:
            connection.end("server_full", "The server is full; try again later.")
        elif not (
            isinstance(connection.stream, TlsStream)
            or self._services.settings.server.allow_plaintext
            or ip_address(connection.address.partition("%")[0]).is_loopback
        ):
            connection.end("bad_request", "Only TLS is accepted from other machines; use TLS.")

    def _converse(self, context: Context, dialect: Dialect, data: bytes) -> None:
        """Read lines and carry them out until somebody ends the connection."""
        connection = context.connection
        splitter = LineSplitter(self._services.settings.message.max_line_bytes)
        if not connection.ended.is_set():
            connection.push_bytes(dialect.greeting() + dialect.prompt(logged_in=False))
            connection.drain()
        while not connection.ended.is_set():
            lines = splitter.feed(data)
            for at, line in enumerate(lines, start=1):
                connection.more_read = at < len(lines)
                self._carry_out(context, dialect, line)
                # Do not carry out more than the client reads answers to.
                if not connection.keep_pace():
                    return
            if splitter.overlong:
                limit = self._services.settings.message.max_line_bytes
                error = CommandError("line_too_long", f"A line may have at most {limit} bytes.")
                connection.push(answer(None, error))
                connection.end("line_too_long", error.text)
                return
            connection.drain()
            connection.listening_since = time.monotonic()
            received = connection.receive()
            connection.listening_since = None
            if not received:
                return
            data = received

    def _carry_out(self, context: Context, dialect: Dialect, line: bytes) -> None:
        connection = context.connection
        try:
            request = dialect.read(line, context.session is not None)
        except CommandError as error:
            self._charge(context)
            connection.push(answer(None, error))
        else:
            event = None
            if request is not None:
                event = self._services.registry.dispatch(context, request)
            else:
                self._charge(context)
            if event is not None:
                account = "" if context.session is None else context.session.account
                connection.push(event, account)
            if context.session is not None:  # what an `idle` or a login leaves to be shown
                self._services.replay.serve(context.session)
            if dialect.renderer.in_order:
                connection.settle(_SETTLE_SECONDS)
        if not connection.ended.is_set():
            connection.push_bytes(dialect.prompt(context.session is not None))

    def _charge(self, context: Context) -> None:
        """Have a line that is no request count towards the rate like one."""
        delay = context.bucket.take(1.0)
        if delay:
            context.connection.rest(delay)

    def _leave(self, context: Context) -> None:
        """Give up the session. What was appended before is answered when this returns."""
        session = context.session
        if session is None:
            return
        log, presence = self._services.log, self._services.presence
        try:
            if not context.connection.renderer.acknowledges:
                context.connection.settle_arrivals(_ARRIVAL_SECONDS)
        except Exception:  # it leaves all the same
            _log.exception("it is not known what has arrived")
        try:
            # Not withdrawn when it takes long: it has to happen some time.
            gone = log.run_later(lambda _: presence.leave(session), session.key)
            if not gone.done.wait(_LEAVE_SECONDS) or gone.error is not None:
                _log.error("a session could not leave: %s", gone.error or "it takes too long")
        except CommandError as error:
            _log.warning("the end of a session could not be noted: %s", error.text)

    def _say_goodbye(self, connection: Connection) -> None:
        bye = connection.farewell()
        # What waits for a replay that does not come is not sent behind the gap.
        connection.outbox.drop_held()
        if bye is not None and (bye.code == "too_slow" or connection.outbox.dropped):
            connection.outbox.replace(connection.renderer.render(bye))
        elif bye is not None:
            connection.push(bye)
        if not connection.flush():
            self._flusher.watch(connection)
        connection.outbox.wait_below(1, _FAREWELL_SECONDS)
        connection.outbox.close()


def _choose(first: bytes | None, registry: Registry) -> Dialect:
    return JsonDialect(registry) if first is not None and first[:1] == b"{" else TextDialect()
