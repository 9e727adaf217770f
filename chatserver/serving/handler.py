"""What a handler thread does, from the first byte to the last: one call a client.

It reads, parses and dispatches; it may wait for its own client, for a hash, and for room in the
log, never for another client.
"""

import itertools
import logging
import threading
import time
from typing import Final, NamedTuple

from chatserver.commands.context import Context
from chatserver.commands.dispatcher import dispatch
from chatserver.commands.registry import Registry, Request
from chatserver.dialects.choice import Choice
from chatserver.dialects.dialect import Dialect, Direct
from chatserver.errors import CommandError, Disconnected
from chatserver.net import proxyheader
from chatserver.net.flusher import Flusher
from chatserver.net.proxies import Proxies, told
from chatserver.net.ratelimit import TokenBucket
from chatserver.net.server import Admit
from chatserver.net.stream import UP_TO_PROXY, Stream
from chatserver.net.tls import FIRST_BYTE, TlsContexts, TlsStream
from chatserver.order.items import Acked, Went
from chatserver.order.outcome import Outcome
from chatserver.order.pending import Waiter
from chatserver.services import Services
from chatserver.serving.pages import Pages
from chatserver.sessions.connection import Connection
from chatwire.loopback import is_loopback

_log = logging.getLogger(__name__)

_SILENCE_SECONDS: Final = 1.0
"""A client that says nothing for this long is a person waiting for a question."""

_MOST_FIRST_BYTES: Final = 4096
"""Whoever has said so much is looked at as it is, to choose the dialect."""

_HANDSHAKE_SECONDS: Final = 30.0
"""Where the login has no deadline, the TLS handshake still has one."""

_SETTLE_SECONDS: Final = 10.0
_FAREWELL_SECONDS: Final = 2.0
"""How long the last words wait to be taken, by somebody who was cut off for not reading too."""

_ARRIVAL_SECONDS: Final = 0.25
"""How long a system may take to confirm what it has: Linux delays that by up to 0.2 s."""

_LINGER_SECONDS: Final = 1.0
_LEAVE_SECONDS: Final = 30.0


class _Opened(NamedTuple):
    """A connection whose dialect is known, and what has been read of that; `admitted` tells
    whether there was room for it, `device` is the digest of the token it came with."""

    stream: Stream
    dialect: Dialect
    first: bytes
    admitted: bool
    device: str = ""


class ClientHandler:
    """Callable for the server: `handler(stream, admit)` serves one connection to its end."""

    def __init__(
        self,
        services: Services,
        registry: Registry,
        dialects: Choice,
        flusher: Flusher,
        tls: TlsContexts,
        pages: Pages,
    ) -> None:
        self._services = services
        self._registry = registry
        self._dialects = dialects
        self._flusher = flusher
        self._tls = tls
        self._pages = pages
        self._proxies = Proxies(services.settings.web.trusted_proxies)
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

    def __call__(self, stream: Stream, admit: Admit) -> None:
        """Serve one connection. Raises nothing that a client can cause.

        `admit` makes a client of it, if there is room: browsers that only fetch the page are none.
        """
        number = next(self._numbers)
        threading.current_thread().name = f"client-{number}"  # stands on every log line
        raw = stream
        if self._services.settings.session.ping_seconds:
            raw.expect_life(self._services.settings.session.ping_seconds)
        with self._lock:
            self._opening.add(raw)
            stopping = self._stopping
        if stopping:
            raw.interrupt()
        try:
            opened = self._begin(raw, admit)
        finally:
            with self._lock:
                self._opening.discard(raw)
        if opened is not None:
            self._serve_client(number, opened)

    def _begin(self, raw: Stream, admit: Admit) -> "_Opened | None":
        """Return how somebody talks to us; None for who has gone, or only came for the page."""
        try:
            found = self._open(raw)
            if found is None:
                return None  # a port check
            stream, dialect, data = found
            if not dialect.over_http:
                return _Opened(stream, dialect, data, admit(stream.address))
            entered = self._pages.serve(stream, data, admit, self._flusher)
            if entered is not None:
                return _Opened(entered.stream, dialect, b"", True, entered.device)
            stream.close(_LINGER_SECONDS)
        except Disconnected as error:
            _log.info("not connected: address=%s reason=%s", raw.address, error.reason)
        return None

    def _serve_client(self, number: int, opened: "_Opened") -> None:
        connection = Connection(
            number,
            opened.stream,
            self._services.settings.session.outbox_bytes,
            opened.dialect.renderer,
            self._flusher.watch,
        )
        connection.device = opened.device
        with self._lock:
            self._connections.add(connection)
            stopping = self._stopping
        if stopping:
            connection.end("shutting_down", "The server is shutting down.")
        try:
            self._serve(connection, opened)
        finally:
            with self._lock:
                self._connections.discard(connection)
            self._flusher.forget(connection)
            # A client that left by itself is not waited for.
            ending = connection.ending
            opened.stream.close(_LINGER_SECONDS if ending is None or ending.code else 0.0)

    def _open(self, stream: Stream) -> tuple[Stream, Dialect, bytes] | None:
        """Return the stream to talk on, inside TLS if the client wants that, its dialect, and what
        it has said; None for one that has gone without a word. Raises Disconnected."""
        first = self._hear(stream)
        if first and first[0] == FIRST_BYTE:
            secured = TlsStream(self._tls, stream, first)
            secured.handshake(self._services.settings.login.deadline_seconds or _HANDSHAKE_SECONDS)
            named = self._dialects.named(secured.protocol)
            if named is not None:  # whoever has asked for it may take his time to say something
                return secured, named, b""
            stream, first = secured, secured.receive(timeout=_SILENCE_SECONDS)
        return None if first == b"" else (stream, *self._choose(stream, first))

    def _hear(self, stream: Stream) -> bytes | None:
        """Return what a client says first, b"" at its end, None for a second of silence.

        Where it is a proxy that is trusted, it may say before that for whom it speaks. From then on
        that is the address of the stream. Raises Disconnected.
        """
        data = stream.receive(timeout=_SILENCE_SECONDS)
        if not data or not self._proxies.trusts(stream.address):
            return data
        deadline = time.monotonic() + _SILENCE_SECONDS
        while (sure := proxyheader.begins(data)) is not False:
            try:
                header = proxyheader.read(data)
            except ValueError as error:
                raise Disconnected(f"a header of the PROXY protocol is wrong: {error}") from error
            if header is not None:
                stream.address = told(stream.address, header.address) or stream.address
                if header.secure:
                    stream.security = UP_TO_PROXY
                return header.rest or stream.receive(timeout=_SILENCE_SECONDS)
            more = stream.receive(max(0.0, deadline - time.monotonic()))
            if not more:
                if sure:
                    raise Disconnected("a header of the PROXY protocol did not come to its end")
                break
            data += more
        return data

    def _choose(self, stream: Stream, first: bytes | None) -> tuple[Dialect, bytes]:
        """Return the dialect of somebody who has said `first`, None for a second of silence, and
        all that has been said by then. Raises Disconnected."""
        data, last = first or b"", first is None
        deadline = time.monotonic() + _SILENCE_SECONDS
        while (dialect := self._dialects.of(data, last=last)) is None:
            more = stream.receive(max(0.0, deadline - time.monotonic()))
            data += more or b""
            last = not more or len(data) >= _MOST_FIRST_BYTES
        return dialect, data

    def _serve(self, connection: Connection, opened: "_Opened") -> None:
        dialect = opened.dialect
        limits = self._services.settings.session
        bucket = TokenBucket(limits.rate_per_second, limits.rate_burst)
        context = Context(self._services, self._registry, connection, bucket)
        _log.info(
            "connected: address=%s dialect=%s over=%s",
            connection.address,
            dialect.renderer.name,
            connection.stream.security,
        )
        reason = "closed by the client"
        try:
            self._admit(connection, opened.admitted)
            self._converse(context, dialect, opened.first)
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
            connection.stream.security != "plaintext"
            or self._services.settings.server.allow_plaintext
            or is_loopback(connection.address)
        ):
            connection.end("bad_request", "Only TLS is accepted from other machines; use TLS.")

    def _converse(self, context: Context, dialect: Dialect, data: bytes) -> None:
        """Carry out what comes until somebody ends the connection."""
        connection = context.connection
        if not connection.ended:
            connection.push_bytes(dialect.opening() + dialect.ready(logged_in=False))
            connection.drain()
        while not connection.ended:
            try:
                for item in dialect.receive(data):
                    connection.renderer = dialect.renderer
                    connection.more_read = dialect.more_read
                    self._carry_out(context, dialect, item)
                    # Do not carry out more than the client reads answers to.
                    if not connection.keep_pace():
                        return
            except CommandError as error:  # what follows cannot be read
                connection.answer(None, error.event())
                connection.end(error.code, error.text)
                return
            connection.renderer = dialect.renderer
            connection.drain()
            connection.listening_since = time.monotonic()
            data = connection.receive()
            connection.listening_since = None
            if not data:
                return

    def _carry_out(self, context: Context, dialect: Dialect, item: Request | Direct) -> None:
        connection = context.connection
        if isinstance(item, Direct):
            context.charge(item.cost)
            connection.push_bytes(item.data, ahead=True)
            connection.drain()
        else:
            answer = dispatch(context, item)
            if answer is not None:
                context.answer(answer)
            if context.session is not None:  # what an `idle` or a login leaves to be shown
                self._services.replay.serve(context.session)
            if connection.renderer.traits.in_order:
                connection.settle(_SETTLE_SECONDS)
        if not connection.ended:
            prompt = dialect.ready(context.session is not None)
            if prompt:
                connection.push_bytes(prompt)

    def _leave(self, context: Context) -> None:
        """Give up the session. What was appended before is answered when this returns."""
        session, services = context.session, self._services
        if session is None:
            return
        says_so = context.connection.renderer.traits.acknowledges
        self._happen(
            Went(
                at=services.clock.now(),
                account=session.account_id,
                session=session.id,
                acked=session.read if says_so and not session.revoked else 0,
            )
        )
        services.directory.remove(session)
        if not says_so and not session.revoked:
            # Only now nothing is added any more to what may arrive.
            try:
                context.connection.settle_arrivals(_ARRIVAL_SECONDS)
            except Exception:  # there is a goodbye all the same
                _log.exception("it is not known what has arrived")
            self._happen(session.acked(services.clock.now(), session.read))

    def _happen(self, item: Went | Acked) -> None:
        """Put the end of a session in the order, and wait for its turn. Raises nothing."""
        waiter = Waiter()
        try:
            # Not withdrawn when it takes long: it has to happen some time.
            self._services.order.append(item, waiter)
            if not isinstance(waiter.wait(_LEAVE_SECONDS), Outcome):
                reason = waiter.result or "it takes too long"
                _log.error("the end of a session was not noted: %s", reason)
        except CommandError as error:
            _log.warning("the end of a session could not be noted: %s", error.text)
        except Exception:  # there is a goodbye all the same
            _log.exception("the end of a session could not be noted")

    def _say_goodbye(self, connection: Connection) -> None:
        bye = connection.farewell()
        # What waits for a replay that does not come is not sent behind the gap.
        connection.outbox.drop_held()
        if bye is not None and (bye.code == "too_slow" or connection.outbox.dropped):
            connection.outbox.replace(connection.renderer.event(bye))
        elif bye is not None:
            connection.push(bye)
        if not connection.flush():
            self._flusher.watch(connection)
        connection.outbox.wait_below(1, _FAREWELL_SECONDS)
        connection.outbox.close()
