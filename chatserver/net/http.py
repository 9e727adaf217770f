"""One HTTP/1.1 conversation over a Stream: requests in, responses out.

h11 reads and writes the messages; here are the limits, the times and the wires. All of it is done
in the handler thread of its client.
"""

import re
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, NamedTuple, TypeAlias

import h11

from chatserver.errors import Disconnected
from chatserver.net.flusher import Drainable
from chatserver.net.outbox import Outbox
from chatserver.net.stream import Stream

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE")
"""What a client may begin with that speaks HTTP."""

_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_OPENINGS: Final = tuple(f"{method} ".encode() for method in METHODS)

_MOST_HEADER_BYTES: Final = 16_384
_MOST_BODY_BYTES: Final = 16_384
_MOST_REQUESTS: Final = 100
_IDLE_SECONDS: Final = 5.0
_REQUEST_SECONDS: Final = 30.0
"""How long a request may take to come, and its response to be taken."""

_ONCE: Final = frozenset({b"origin", b"content-type", b"content-length", b"authorization"})
"""What a request may say only once: of two, nobody knows which one another program reads."""
Headers: TypeAlias = tuple[tuple[str, str], ...]

PLAIN: Final[Headers] = (("Content-Type", "text/plain; charset=utf-8"),)


def is_http(first: bytes) -> bool | None:
    """Tell whether somebody speaks HTTP: no name is followed by what a method is. None while what
    has come may still become that.

    Whatever the method is: a browser asks with OPTIONS for other pages, and what is no HTTP counts
    as a login by somebody's name.
    """
    if first.startswith(_OPENINGS):
        return True
    line, end, _ = first.partition(b"\n")
    method, space, rest = line.partition(b" ")
    if not _METHOD.fullmatch(method):
        return False
    if end:
        return bool(space) and rest.rpartition(b" ")[2].startswith(b"HTTP/")
    return None


class Request(NamedTuple):
    """What was asked for. Names of headers are in lower case; one that came several times is one,
    with commas."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    version: str = "HTTP/1.1"

    @property
    def path(self) -> str:
        """The target up to its query."""
        return self.target.partition("?")[0]


class Response(NamedTuple):
    """What is answered; the length is added, and what ends the connection."""

    status: int
    body: bytes = b""
    headers: Headers = ()


class BadRequest(Exception):
    """What came is no request that is carried out: `status` says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class HttpConversation:
    """The requests of one connection, one after the other. Handler thread only, but for `flush`,
    which is the flusher's."""

    def __init__(
        self,
        stream: Stream,
        first: bytes,
        watch: Callable[[Drainable], None],
        headers: Headers = (),
    ) -> None:
        """`first` is what has been read already; `watch` has `flush` called when there is room;
        `headers` go with every response."""
        self.stream = stream
        self._watch = watch
        self._headers = headers
        self._outbox = Outbox(stream.send, 0, stream.seal)
        stream.on_output = self._send_output
        self._http = h11.Connection(h11.SERVER, _MOST_HEADER_BYTES)
        self._unread = first
        self._left = _MOST_REQUESTS
        self._deadline = 0.0
        self._asked_for_head = False

    def fileno(self) -> int:
        """Return the socket's descriptor, for the flusher."""
        return self.stream.fileno()

    def flush(self) -> bool:
        """Send what is left, from the flusher; False when something still is."""
        return self._outbox.drain(retry=True)

    def requests(self) -> Iterator[Request]:
        """Yield each request; it must be answered by `respond` or `upgrade` before the next.

        Ends when the client does, when it takes too long, or has asked often enough. What is no
        request is answered here, and is the last. Raises Disconnected.
        """
        while self._left:
            self._left -= 1
            try:
                request = self._next()
            except BadRequest as error:
                self._left = 0
                self.refuse(error)
                return
            if request is None:
                return
            yield request
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    def respond(self, response: Response) -> None:
        """Answer, and wait until that has been taken. Raises Disconnected."""
        headers = [("Date", formatdate(usegmt=True)), *response.headers, *self._headers]
        if response.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            headers.append(("Content-Length", str(len(response.body))))
        if not self._left:
            headers.append(("Connection", "close"))
        reason = HTTPStatus(response.status).phrase.encode()
        head = h11.Response(status_code=response.status, headers=headers, reason=reason)
        data = self._written(head)
        if response.body and not self._asked_for_head:
            data += self._written(h11.Data(data=response.body))
        self._send(data + self._written(h11.EndOfMessage()))

    def refuse(self, error: BadRequest) -> None:
        """Answer what is no request, or none that is carried out; the connection ends with that."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        self._left = 0
        self.respond(Response(error.status, f"{error.text}\n".encode(), PLAIN))

    def upgrade(self, headers: Headers) -> bytes:
        """Answer that another protocol follows. Return what has been read of that already."""
        self._send(self._written(h11.InformationalResponse(status_code=101, headers=list(headers))))
        return self._http.trailing_data[0] + self._unread

    def check_is_there(self) -> None:
        """Raise Disconnected when the client has gone, or has said that it wants no more."""
        more = None if self._unread else self.stream.receive(0)
        self._unread += more or b""
        if more == b"" or self.stream.is_gone():
            raise Disconnected("closed by the client")

    def _next(self) -> Request | None:
        """Return the next request; None at the end, or where none has begun in time."""
        self._asked_for_head = False
        head = self._head()
        if head is None:
            return None
        self._asked_for_head = head.method == b"HEAD"
        headers = _headers(head)
        body = b""
        while True:
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._send(self._written(go_on))
            event = self._event()
            if isinstance(event, h11.Data):
                body += event.data
            elif event is h11.NEED_DATA:
                if not self._receive():
                    return None
            else:
                version = f"HTTP/{head.http_version.decode()}"
                return Request(head.method.decode(), head.target.decode(), headers, body, version)

    def _head(self) -> h11.Request | None:
        """Return the request line and headers."""
        if not self._unread and not self._http.trailing_data[0]:
            self._unread = self.stream.receive(_IDLE_SECONDS) or b""
            if not self._unread:
                return None
        self._deadline = time.monotonic() + _REQUEST_SECONDS
        while (event := self._event()) is h11.NEED_DATA:
            if not self._receive():
                return None
        return event if isinstance(event, h11.Request) else None

    def _event(self) -> object:
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise BadRequest(error.error_status_hint, f"{_sentence(error)}.") from error

    def _receive(self) -> bool:
        """Give h11 some more; False at the end. Raises BadRequest when it does not come in time."""
        if not self._unread:
            data = self.stream.receive(max(0.0, self._deadline - time.monotonic()))
            if data is None:
                raise BadRequest(HTTPStatus.REQUEST_TIMEOUT, "The request took too long.")
            if not data:
                return False
            self._unread = data
        self._http.receive_data(self._unread)
        self._unread = b""
        return True

    def _written(self, message: h11.Event) -> bytes:
        return self._http.send(message) or b""

    def _send(self, data: bytes) -> None:
        self._outbox.push(data)
        self._drain()
        if not self._outbox.wait_below(1, _REQUEST_SECONDS):
            raise Disconnected("a response was not read")

    def _drain(self) -> None:
        if not self._outbox.drain():
            self._watch(self)

    def _send_output(self) -> None:
        """Have the outbox seal, and so send, what the stream has of its own."""
        self._outbox.push(b"")
        self._drain()


def _headers(head: h11.Request) -> dict[str, str]:
    """Return the headers. Raises BadRequest for shapes that two programs may read differently, and
    for a body that is too long, before it has come."""
    found: dict[str, str] = {}
    size = len(head.target)
    names = set()
    for name, value in head.headers:
        size += len(name) + len(value) + 4
        if name in names and name in _ONCE:
            raise BadRequest(HTTPStatus.BAD_REQUEST, f"There are several {name.decode()}.")
        names.add(name)
        key, text = name.decode(), value.decode("latin-1")
        between = "; " if key == "cookie" else ", "
        found[key] = f"{found[key]}{between}{text}" if key in found else text
    if size > _MOST_HEADER_BYTES:
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too long.")
    if "transfer-encoding" in found:
        # Nobody needs it for so little, and where a body ends is the oldest thing to disagree on.
        raise BadRequest(HTTPStatus.LENGTH_REQUIRED, "Say how long the body is.")
    if int(found.get("content-length", "0")) > _MOST_BODY_BYTES:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too long.")
    return found


def _sentence(error: Exception) -> str:
    """Return h11's words; it quotes what came, which may be anything."""
    text = str(error).partition(":")[0][:80]
    return text[:1].upper() + text[1:]
