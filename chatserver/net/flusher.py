"""Sends what outboxes could not send at once: one thread, woken when a socket takes bytes again."""

import logging
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

_log = logging.getLogger(__name__)


class Drainable(Protocol):
    """A connection with bytes left to send."""

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        ...

    def flush(self) -> bool:
        """Try again to send what is left; False when something still is."""
        ...


class Flusher:
    """The flusher thread and its list of connections that are behind."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: list[Callable[[], None]] = []
        self._watched: set[Drainable] = set()
        self._forgotten: WeakSet[Drainable] = WeakSet()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="flusher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for it; what is unsent stays unsent."""
        self._post(self._stop)
        self._thread.join()
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()

    def watch(self, connection: Drainable) -> None:
        """Drain the connection whenever its socket takes bytes, until nothing is left."""
        with self._lock:
            if connection in self._watched or connection in self._forgotten:
                return
            self._watched.add(connection)
        self._post(lambda: self._register(connection))

    def forget(self, connection: Drainable) -> None:
        """Let go of the connection. When this returns, its descriptor may be closed."""
        with self._lock:
            self._forgotten.add(connection)  # whoever was about to have it watched comes too late
            if connection not in self._watched:
                return
        done = threading.Event()

        def let_go() -> None:
            try:
                self._unregister(connection)
            finally:
                done.set()

        self._post(let_go)
        while not done.wait(1.0) and self._thread.is_alive():
            pass

    def _post(self, task: Callable[[], None]) -> None:
        with self._lock:
            self._tasks.append(task)
        try:
            self._wake_write.send(b"\0")
        except BlockingIOError:
            return  # it is full, so the thread is going to wake anyway

    # -- below runs in the flusher thread only --

    def _run(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select():
                if key.fileobj is self._wake_read:
                    self._run_tasks()
                elif self._watching(key.data):
                    self._flush(key.data)

    def _flush(self, connection: Drainable) -> None:
        try:
            if connection.flush():
                self._unregister(connection)
                # Another thread may have been refused between the flush and the line above.
                if not connection.flush():
                    self.watch(connection)
        except Exception:
            _log.exception("a connection could not be flushed")
            self._unregister(connection)

    def _run_tasks(self) -> None:
        try:
            while self._wake_read.recv(4096):
                pass
        except BlockingIOError:
            pass
        with self._lock:
            tasks, self._tasks = self._tasks, []
        for task in tasks:
            try:
                task()
            except Exception:
                _log.exception("a connection could not be watched")

    def _watching(self, connection: Drainable) -> bool:
        with self._lock:
            return connection in self._watched

    def _register(self, connection: Drainable) -> None:
        if self._watching(connection):
            self._selector.register(connection.fileno(), selectors.EVENT_WRITE, connection)

    def _unregister(self, connection: Drainable) -> None:
        with self._lock:
            self._watched.discard(connection)
        if connection.fileno() in self._selector.get_map():
            self._selector.unregister(connection.fileno())

    def _stop(self) -> None:
        self._stopping = True
