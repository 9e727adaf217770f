"""The reader of a connection: a thread that takes lines off the wire and says what each is for."""

import logging
import threading
import time
from typing import Final

from chatclient.errors import LinkLost, ended_by
from chatclient.link.inbox import Inbox
from chatclient.link.transport import Quiet, Transport
from chatclient.link.writer import Writer
from chatwire.events import PROTOCOL, Bye, Error, Event, Hello, Ping
from chatwire.framing import LineSplitter
from chatwire.protocol import ProtocolError, decode_event
from chatwire.replies import Reply

_MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""Far above any real line (`who` among 10,000 is under 1 MiB), far below what would hurt."""

_LOST_AFTER: Final = 4
"""A link with so many times `quiet_seconds` without a byte, all told, is lost."""

_log = logging.getLogger(__name__)


class Reader:
    """The receiving half of a connection. It starts at once, and ends with the connection.

    `hello` is the server's greeting, `bye` its last word, once it has said them.
    """

    def __init__(self, transport: Transport, inbox: Inbox, writer: Writer) -> None:
        self.hello: Hello | None = None
        self.bye: Bye | None = None
        self._transport = transport
        self._inbox = inbox
        self._writer = writer
        self._asked_at: float | None = None
        self._thread = threading.Thread(target=self._read, name="chat-reader", daemon=True)
        self._thread.start()

    @property
    def unanswered_seconds(self) -> float:
        """For how long the server has not answered our question for a sign of life; 0.0 while none
        is open."""
        asked = self._asked_at
        return 0.0 if asked is None else time.monotonic() - asked

    @property
    def is_me(self) -> bool:
        """Whether this is called in the reader's own thread."""
        return threading.current_thread() is self._thread

    def join(self, timeout: float) -> None:
        """Wait until everything has been read, at most `timeout` seconds; not for any thread."""
        self._thread.join(timeout)

    # -- the reader thread only --

    def _read(self) -> None:
        loss = LinkLost("The client stopped reading because of a fault in it: please report it.")
        try:
            loss = self._read_lines()
        finally:
            if self._inbox.leaving and self.bye is None:
                loss = LinkLost("The connection has been closed here.")
            _log.debug("connection over: %s", loss.text)
            self._transport.shut()
            self._inbox.end(loss)
            self._writer.close()

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
                    if silences == 1:
                        self._ask_for_life()
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

    def _ask_for_life(self) -> None:
        """Send a `ping`. That an answer comes is enough; nobody wants to see it."""
        self._asked_at = time.monotonic()
        self._writer.say({"op": "ping", "id": self._inbox.number(wanted=False)})

    def _take(self, event: Event | None, size: int) -> None:
        """Take an event, which was so many bytes on the wire. Raises LinkLost."""
        match event:
            case None:
                pass  # of a newer version
            case Ping():
                self._writer.say({"op": "pong"})
            case Hello():
                self.hello = event
            case Reply(re=int(number)) | Error(re=int(number)):
                self._inbox.answer(number, event, size)
            case Bye():
                self.bye = event
                self._inbox.put(event, size)
            case _:
                self._inbox.put(event, size)
