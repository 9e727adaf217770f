"""One client's connection, logged in or not: what may be done to it from any thread."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from chatserver.errors import Disconnected
from chatserver.net.outbox import Outbox
from chatserver.net.stream import Stream
from chatserver.speech import Answer, Asked, Renderer
from chatwire.events import Bye, Code, Event

_LOOK_SECONDS: Final = 1.0
"""How often somebody who waits for room looks whether the connection has ended."""

_ARRIVAL_SECONDS: Final = 0.01


class Ending(NamedTuple):
    """Why the server ends a connection; `code` is None when the client went by itself."""

    code: Code | None
    text: str


class Connection:
    """Tier 2 lock (only for `end`). Made by the handler thread, which alone reads and closes."""

    def __init__(
        self,
        number: int,
        stream: Stream,
        outbox_bytes: int,
        renderer: Renderer,
        watch: Callable[["Connection"], None],
    ) -> None:
        self.number = number
        self.stream = stream
        self.address = stream.address
        unacknowledged = None if renderer.traits.acknowledges else stream.unacknowledged
        self.outbox = Outbox(stream.send, outbox_bytes, stream.seal, unacknowledged)
        stream.on_output = self._send_output
        self.renderer = renderer
        self.ending: Ending | None = None
        now = time.monotonic()
        self.connected_at = now
        self.listening_since: float | None = None
        """When the handler last began to wait for input; None while it is carrying out some."""
        self.last_command = now
        self.pinged_at = 0.0
        self.logged_in = False
        self.device = ""
        """The digest of the token with which somebody came, before there was a connection."""
        self.attended = True
        """Whether a person is to be at the other end, who may have gone away and left it."""
        self.checking = False
        """Whether a password is being checked, or waits for it: that is no time of the client's."""
        self.waiting_since = now
        """Since when the login is waited for."""
        self.more_read = False
        """Whether lines have been read that are still to be carried out. Handler thread."""
        self._ahead: bytes | None = None
        self._watch = watch
        self._owner = threading.get_ident()
        self._lock = threading.Lock()
        # Messages on their way through the log: each counter has a single writer.
        self._appended = 0  # the handler thread
        self._answered = 0  # the log thread
        self._settled: threading.Event | None = None
        self._resting: threading.Event | None = None  # most clients never need one

    def fileno(self) -> int:
        """Return the socket's descriptor, for the flusher."""
        return self.stream.fileno()

    @property
    def ended(self) -> bool:
        """Whether somebody has called `end`."""
        return self.ending is not None

    def push(self, event: Event, viewer: str = "") -> None:
        """Queue an event of this connection's own, which waits for no replay; `drain` sends it."""
        self.push_bytes(self.renderer.event(event, viewer), ahead=True)

    def answer(self, request: Asked | None, event: Answer, viewer: str = "") -> None:
        """Queue the answer to a request, likewise."""
        self.push_bytes(self.renderer.answer(request, event, viewer), ahead=True)

    def mention(self, event: Event) -> None:
        """Show something that may as well be lost: not while anything else waits. Any thread."""
        if not (self.outbox.waiting or self.outbox.holding or self.ended):
            self.push_bytes(self.renderer.event(event))
            self.drain()

    def push_bytes(self, data: bytes, seq: int = 0, *, ahead: bool = False) -> None:
        """Queue rendered events; a client too far behind is cut off, its messages are stored.

        What is said and who comes and goes follows what is being replayed; `ahead` is what does
        not.
        """
        if data:
            push = self.outbox.push_ahead if ahead else self.outbox.push
            if not push(data, seq):
                self.end("too_slow", "Cut off: this connection reads too slowly.")

    def drain(self) -> None:
        """Send what the system takes now and leave the rest to the flusher. Never blocks."""
        if not self.outbox.drain():
            self._watch(self)

    def _send_output(self) -> None:
        """Have the outbox seal, and so send, what the stream has of its own. Handler thread."""
        self.outbox.push_ahead(b"")
        self.drain()

    def flush(self) -> bool:
        """Send what is left, from the flusher; False when something still is."""
        return self.outbox.drain(retry=True)

    def end(self, code: Code | None, text: str) -> None:
        """Have the handler thread say goodbye and close. Only the first call counts."""
        with self._lock:
            if self.ending is not None:
                return
            self.ending = Ending(code, text)
        resting = self._resting
        if resting is not None:
            resting.set()
        if threading.get_ident() != self._owner:
            # The handler itself needs no waking, and may still have to read what the client is
            # sending, so that closing does not reset the connection under its last words.
            self.stream.interrupt()

    def cut(self) -> None:
        """End the connection because something in the order could not be given to it.

        What follows in the order is kept from it, so that nothing is taken for read: its next login
        replays all.
        """
        self.outbox.hold()  # for good: `drop_held` at the goodbye
        self.end("internal", "Something went wrong on the server; connect again.")

    def farewell(self) -> Bye | None:
        """Return the last event for this connection. Handler thread, after `end`."""
        if self.ending is None or self.ending.code is None:
            return None
        return Bye(code=self.ending.code, text=self.ending.text)

    def touch(self) -> None:
        """Note a command: the session is not idle. Handler thread."""
        self.last_command = time.monotonic()

    def receive(self) -> bytes:
        """Return what the client sends next; b"" at the end. Handler thread."""
        ahead, self._ahead = self._ahead, None
        return (self.stream.receive() or b"") if ahead is None else ahead

    def check_is_there(self) -> None:
        """Raise Disconnected when the client has gone and left no request behind.

        One that has only ended its side, as a script does that is piped in, is there until the
        last of its requests has been carried out. Handler thread.
        """
        if self._ahead is None:
            self._ahead = self.stream.receive(0)  # to be carried out later
        left = self._ahead == b"" and not self.more_read
        if left or self.ended or self.stream.is_gone():
            raise Disconnected("closed by the client")

    @contextmanager
    def login_waits(self) -> Iterator[None]:
        """Stop the time in which the client must log in: it waits for us. Handler thread."""
        began = time.monotonic()
        self.checking = True
        try:
            yield
        finally:
            self.waiting_since += time.monotonic() - began
            self.checking = False

    def rest(self, seconds: float) -> None:
        """Carry out nothing for a while, because the client is over its rate or not to be answered
        yet. Handler thread."""
        self.drain()
        resting = self._resting = threading.Event()
        if not self.ended:  # else nobody may be left to wake us
            resting.wait(seconds)
        self._resting = None
        if self.stream.is_gone():  # what it still wanted is wanted no more
            self.end(None, "reset by the client")

    def keep_pace(self) -> bool:
        """Wait until the client has read enough for more to be sent: half an outbox. False: the
        connection has ended, by whoever saw that it does not read. The handler thread, or one
        that serves this connection alone."""
        half = self.outbox.limit // 2
        if half and self.outbox.waiting > half:
            self.drain()
            while not self.ended and not self.outbox.wait_below(half, _LOOK_SECONDS):
                pass
        return not self.ended

    def settle_arrivals(self, timeout: float) -> None:
        """Wait a moment for what was just sent to be confirmed, so that it is not shown again at
        the next login. Handler thread."""
        deadline = time.monotonic() + timeout
        outbox = self.outbox
        while time.monotonic() < deadline:
            if not outbox.sending and (
                outbox.arrived_seq() >= outbox.written_seq or self.stream.is_gone()
            ):
                return
            time.sleep(_ARRIVAL_SECONDS)

    def appended(self) -> None:
        """Count a message handed to the log. Handler thread."""
        self._appended += 1

    def answered(self) -> None:
        """Count the answer to a message. Log thread."""
        self._answered += 1
        if self._settled is not None:
            self._settled.set()

    def settle(self, timeout: float) -> bool:
        """Wait until every message handed to the log was answered. Handler thread."""
        deadline = time.monotonic() + timeout
        if self._answered >= self._appended:
            return True
        settled = self._settled = threading.Event()
        try:
            while self._answered < self._appended:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                settled.wait(left)
                settled.clear()
        finally:
            self._settled = None
        return True
