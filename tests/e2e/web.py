"""A page on a raw socket: HTTP for the login, then frames. Like `client`, it imports nothing of the
project."""

import json
import struct
import time
from typing import Any

from .client import PASSWORD, PATIENCE, Event, JsonClient, Place

Answer = tuple[int, dict[str, str], bytes]

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


MASK = b"\x37\xfa\x21\x3d"


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True) -> bytes:
    """Return a frame as a client sends it, but always with the same mask."""
    first, size = opcode | (0x80 if fin else 0), len(payload)
    if size < 126:
        head = struct.pack(">BB", first, 0x80 | size)
    elif size < 65536:
        head = struct.pack(">BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack(">BBQ", first, 0x80 | 127, size)
    whole = (MASK * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload) ^ int.from_bytes(whole)).to_bytes(size)
    return head + MASK + masked


class WebClient(JsonClient):
    """A json client in the clothes of a browser. `close_code` is how the server closed."""

    def __init__(self, place: Place, *, secure: bool = False, **options: Any) -> None:
        super().__init__(place, secure=secure, **options)
        self.origin = "{}://{}:{}".format("https" if secure else "http", *place)
        self.host = "{}:{}".format(*place)
        self.cookie = ""
        self.close_code = 0
        self.pongs: list[bytes] = []
        self.opened = False
        self._data = b""

    def exchange(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Ask for something by HTTP; return the status, the headers and the body."""
        self.ask_http(method, path, body, **headers)
        return self.answer_http(method)

    def ask_http(self, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        """Send a request; a name of a header has underscores for hyphens, and "" leaves it out."""
        usual = {"host": self.host, "origin": self.origin, "cookie": self.cookie}
        if body:
            usual |= {"content_type": "application/json", "content_length": str(len(body))}
        lines = [f"{method} {path} HTTP/1.1"]
        for name, value in (usual | headers).items():
            lines += [f"{name.replace('_', '-')}: {value}"] if value else []
        self.write("\r\n".join([*lines, "", ""]).encode() + body)

    def answer_http(self, method: str = "GET") -> Answer:
        """Read a response."""
        while b"\r\n\r\n" not in self._data:
            self._more()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (each.partition(":") for each in lines)
        }
        size = 0 if method == "HEAD" else int(headers.get("content-length", 0))
        while len(self._data) < size:
            self._more()
        body, self._data = self._data[:size], self._data[size:]
        return int(first.split()[1]), headers, body

    def log_in(self, name: str, password: str = PASSWORD) -> Answer:
        """Log in by HTTP; the cookie is kept."""
        body = json.dumps({"name": name, "password": password}).encode()
        answer = self.exchange("POST", "/api/login", body)
        self.cookie = answer[1].get("set-cookie", self.cookie).partition(";")[0]
        return answer

    def open(self, **headers: str) -> Answer:
        """Ask for the WebSocket."""
        wanted = {"upgrade": "websocket", "connection": "Upgrade", "sec_websocket_version": "13"}
        wanted["sec_websocket_key"] = "dGhlIHNhbXBsZSBub25jZQ=="
        answer = self.exchange("GET", "/ws", **wanted | headers)
        if answer[0] == 101:
            assert answer[1]["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
            self.opened = True
        return answer

    def login(self, name: str, password: str = PASSWORD, **fields: object) -> Event:
        """Log in as the page does, and return the reply."""
        self.name = name
        if not self.cookie:
            status, _, body = self.log_in(name, password)
            assert status == 204, body
        status, _, body = self.open()
        assert status == 101, body
        return self.ask("resume", **fields)

    def write(self, data: bytes) -> None:
        """Send requests, a frame each."""
        if self.opened:
            data = b"".join(map(frame, data.splitlines()))
        super().write(data)

    def write_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        super().write(data)

    def receive(self, deadline: float) -> bytes:
        """Return events, a line each, or b"" at the end."""
        if not self.opened:
            return super().receive(deadline)
        while (lines := self._lines()) == b"":
            if self.close_code or not (more := super().receive(deadline)):
                return b""
            self._data += more
        return lines

    def _lines(self) -> bytes:
        """Return the whole frames that have come."""
        lines = b""
        while not self.close_code and len(self._data) >= 2:
            first, size = self._data[0], self._data[1]
            assert size < 128, "a server masks nothing"
            at = {126: 4, 127: 10}.get(size, 2)
            if size >= 126:
                size = int.from_bytes(self._data[2:at])
            if len(self._data) < at + size:
                break
            payload, self._data = self._data[at : at + size], self._data[at + size :]
            if first == 0x80 | TEXT:
                assert b"\n" not in payload
                lines += payload + b"\n"
            elif first == 0x80 | PONG:
                self.pongs.append(payload)
            else:
                assert first == 0x80 | CLOSE, hex(first)
                self.close_code = int.from_bytes(payload[:2])
        return lines

    def _more(self) -> None:
        more = super().receive(time.monotonic() + PATIENCE)
        assert more, f"the connection ended behind {self._data[:200]!r}"
        self._data += more
