"""A link that is cut again and again, between a client and a real server."""

import itertools
import socket
import threading
from contextlib import suppress

from .client import PATIENCE

STEP = 7
"""Bytes between two cuts; with the lengths of the lines, every offset into one is met."""


class CuttingProxy:
    """Forwards to a server; its n-th connection is cut after n * `step` bytes from the server, or
    to it, in turns. From `heal` on it cuts no more."""

    def __init__(self, host: str, port: int, step: int = STEP) -> None:
        self._step = step
        self._first = 0
        self._numbers = itertools.count(1)
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cuts = 0
        self._healed = False
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._start(self._accept)

    def heal(self) -> None:
        self._healed = True

    def hurt(self, first: int = 0) -> None:
        """Cut again: the next connections, counted anew, live for `first` bytes more."""
        self._first = first
        self._numbers = itertools.count(1)
        self._healed = False

    def cut(self) -> None:
        """Cut every link there is."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            threads = list(self._threads)
        for thread in threads:
            thread.join(PATIENCE)

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            with self._lock:
                self._sockets |= {client, server}
            number = next(self._numbers)
            limit = self._first + number * self._step
            limits = (limit, None) if number % 2 else (None, limit)
            self._start(self._forward, server, client, limits[0])
            self._start(self._forward, client, server, limits[1])

    def _forward(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        left = limit
        with suppress(OSError):
            while data := source.recv(65536):
                if left is not None and not self._healed:
                    target.sendall(data[:left])
                    left -= len(data)
                    if left <= 0:
                        self.cuts += 1
                        break
                else:
                    target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        source.close()
