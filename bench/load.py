"""The load generator: json clients on one selector, in one thread of its own process.

Receivers are counted by their line ends, so that the generator costs as little as it can; whether
each message came exactly once and in order is checked on the side, from the bytes kept.
"""

import json
import selectors
import socket
import time
from collections.abc import Callable

from bench.server import PASSWORD, Running

_CHUNK = 1 << 18
_REPLY = b'{"event":"reply"'


class Client:
    """One connection: requests out, counted lines in."""

    def __init__(self, server: Running, name: str) -> None:
        self.name = name
        self.lines = 0
        self.replies = 0
        self.counts_replies = False
        self.kept: list[bytes] | None = None
        self._tail = b""
        self.socket = socket.create_connection((server.host, server.port))

    def login(self) -> None:
        """Log in and wait for the answer."""
        self.send({"op": "login", "id": 0, "name": self.name, "password": PASSWORD})
        self.wait_for(2)
        self.socket.setblocking(False)
        self.lines = 0

    def send(self, *requests: dict[str, object]) -> None:
        """Send requests in one write."""
        data = b"".join(json.dumps(each).encode() + b"\n" for each in requests)
        self.send_bytes(data)

    def send_bytes(self, data: bytes) -> None:
        """Send all of `data`, waiting for room if need be."""
        blocking = self.socket.getblocking()
        self.socket.setblocking(True)
        self.socket.sendall(data)
        self.socket.setblocking(blocking)

    def receive(self) -> int:
        """Take what has come; return how many lines that ended."""
        try:
            data = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return 0
        if not data:
            raise ConnectionError(f"{self.name} was cut off")
        if self.kept is not None:
            self.kept.append(data)
        if self.counts_replies:
            data = self._tail + data
            self.replies += data.count(_REPLY)
            self._tail = data[-len(_REPLY) + 1 :]
        ended = data.count(b"\n")
        self.lines += ended
        return ended

    def wait_for(self, lines: int) -> None:
        """Wait, blocking, until so many lines have come."""
        while self.lines < lines:
            self.receive()


class Load:
    """Clients and the loop that reads them all."""

    def __init__(self, clients: list[Client]) -> None:
        self.clients = clients
        self._selector = selectors.DefaultSelector()
        for client in clients:
            self._selector.register(client.socket, selectors.EVENT_READ, client)

    def run_until(self, done: Callable[[], bool], seconds: float) -> None:
        """Read whatever comes until `done()`. Raises TimeoutError after `seconds`."""
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                raise TimeoutError("the load did not finish in time")
            for key, _ in self._selector.select(0.1):
                key.data.receive()

    def close(self) -> None:
        """Close every connection."""
        self._selector.close()
        for client in self.clients:
            client.socket.close()
