"""Lines to a server, whole and one after the other, whoever writes them."""

import threading
from typing import Final

from chatclient.link.transport import Transport
from chatwire.protocol import encode

_SAY_SECONDS: Final = 5.0
"""How long the reader waits for its turn to write."""


class Writer:
    """The sending half of a connection; from any thread.

    `_lock` is held while one line is sent, which may take as long as the server wants: a client
    over its rate is read slowly.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()

    def send(self, request: dict[str, object]) -> None:
        """Send a line, however long that takes. Raises LinkLost."""
        line = encode(request)
        try:
            with self._lock:
                self._transport.send(line)
        except BaseException:  # Ctrl-C too
            self._transport.shut()  # part of the line may be gone, and with it the framing
            raise

    def say(self, request: dict[str, object]) -> None:
        """Send a line from the reader, which must not wait for long. Raises LinkLost.

        When another thread cannot get its line out meanwhile, ours is left out: that line, once it
        arrives, says as well that we are there.
        """
        patience = min(_SAY_SECONDS, self._transport.quiet_seconds)
        if self._lock.acquire(timeout=patience):
            try:
                self._transport.send(encode(request), patient=False)
            finally:
                self._lock.release()

    def close(self) -> None:
        """Close the transport, not under somebody's hands; `shut` has ended their send."""
        with self._lock:
            self._transport.close()
