"""Pages for the generator: json inside a WebSocket, behind a login by HTTP."""

import json
import re
import socket
from typing import Final

from bench.target import Running
from bench.wire import PASSWORD, JsonWire

_CHUNK: Final = 1 << 16
_PATIENCE: Final = 120.0
_COOKIE: Final = re.compile(rb"\r\nset-cookie: ([^;]*)", re.IGNORECASE)
_MASK: Final = bytes(4)
"""Of zeros, which leaves what is masked as it is: the server takes it off all the same."""


class PageWire(JsonWire):
    """`chat/1` json of somebody who is logged in already."""

    ready = b'"op":"resume"'

    def login(self, name: str) -> bytes:  # noqa: ARG002 - the cookie says who it is
        """Return what the page says first."""
        return b'{"op":"resume","id":0}\n'


class Frames:
    """A WebSocket between the socket and the client: lines on one side, frames on the other."""

    def __init__(self, connected: socket.socket, running: Running, name: str) -> None:
        """Log in and ask for the WebSocket, waiting for both."""
        self._rest = b""
        place = f"{running.host}:{running.port}"
        usual = f"Host: {place}\r\nOrigin: http://{place}\r\n"
        body = json.dumps({"name": name, "password": PASSWORD})
        connected.settimeout(_PATIENCE)
        cookie = _COOKIE.search(
            self._ask(
                connected,
                f"POST /api/login HTTP/1.1\r\n{usual}Content-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}",
                b"204",
            )
        )
        assert cookie is not None
        self._ask(
            connected,
            f"GET /ws HTTP/1.1\r\n{usual}Cookie: {cookie[1].decode()}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            b"101",
        )
        connected.setblocking(False)

    def hide(self, data: bytes) -> bytes:
        """Return the frames of these lines."""
        frames = []
        for line in data.splitlines():
            size = len(line)
            length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2)
            frames.append(b"\x81" + length + _MASK + line)
        return b"".join(frames)

    def show(self, data: bytes) -> bytes:
        """Return the lines in the frames that these bytes bring to their end."""
        data = self._rest + data
        lines, at = [], 0
        while len(data) - at >= 2:
            size = data[at + 1]
            begin = at + {126: 4, 127: 10}.get(size, 2)
            if size >= 126:
                size = int.from_bytes(data[at + 2 : begin])
            if len(data) < begin + size:
                break
            lines.append(data[begin : begin + size])
            at = begin + size
        self._rest = data[at:]
        return b"".join([line + b"\n" for line in lines])

    def _ask(self, connected: socket.socket, request: str, status: bytes) -> bytes:
        """Ask by HTTP; return the headers of the answer, which has no body."""
        connected.sendall(request.encode())
        head = b""
        while b"\r\n\r\n" not in head:
            more = connected.recv(_CHUNK)
            if not more:
                raise ConnectionResetError("the server closed in the middle of an answer")
            head += more
        head, _, self._rest = head.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 " + status):
            raise ValueError(f"not let in: {head[:100]!r}")
        return head
