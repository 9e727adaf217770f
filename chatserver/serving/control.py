"""The control socket: what the commands of the operator ask of a running server.

One thread serves a few connections, and one request at a time. Nothing of the server waits for it.
Only the server's own user and root are answered. Whoever hangs up before the request's turn has
not asked for it: what a command has reported as not done is not done later.
"""

import logging
import os
import selectors
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from chatserver.accounts.changes import NotDone
from chatserver.control import (
    MOST_BYTES,
    SOCKET,
    Hello,
    Refused,
    Reply,
    decode_request,
    line,
)
from chatserver.errors import CommandError, Disconnected
from chatserver.net.local import LocalListener
from chatserver.net.stream import PlainStream
from chatwire.framing import LineSplitter

_log = logging.getLogger(__name__)

_CLIENTS: Final = 8
"""So many connections at once; others wait in the system's backlog."""

_SECONDS: Final = 5.0
"""How long a client may take to ask, and then to read its answer."""

_REST_SECONDS: Final = 0.1
"""After a fault, so that one which does not go away takes no whole core."""

Actions = Mapping[type[Any], Callable[[Any], Reply]]
"""What is done for each kind of request. May raise NotDone or CommandError."""


class _Client:
    """One connection: it is told hello, asks, is answered, and goes."""

    def __init__(self, stream: PlainStream) -> None:
        self.stream = stream
        self.answered = False
        self.deadline = 0.0
        self._splitter = LineSplitter(MOST_BYTES)
        self._unsent = b""

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return self.stream.fileno()

    @property
    def waits_for(self) -> int:
        """What the thread is to be woken for; 0 when there is nothing more."""
        reading = 0 if self.answered else selectors.EVENT_READ
        return reading | (selectors.EVENT_WRITE if self._unsent else 0)

    def say(self, said: Hello | Reply) -> None:
        """Send it, now or when the client reads. Raises Disconnected."""
        self._unsent += line(said)
        self.answered = not isinstance(said, Hello)
        self.deadline = time.monotonic() + _SECONDS
        self.send()

    def send(self) -> None:
        """Send what the client's side takes now. Raises Disconnected."""
        self._unsent = self._unsent[self.stream.send(self._unsent) :]

    def request(self) -> bytes | None:
        """Return the request once all of it has come. Raises Disconnected, and _Bad."""
        data = self.stream.receive(0)
        if data is None:
            return None
        lines = self._splitter.feed(data)
        if self._splitter.overlong:
            raise _Bad("The request is too long.")
        if not data or (lines and self.stream.receive(0) == b""):
            raise Disconnected("hung up")
        return lines[0] if lines else None


class _Bad(Exception):
    """What came is no request."""


class Control:
    """The control thread and its socket, which is made at once. Raises OSError."""

    def __init__(self, folder: Path, actions: Actions) -> None:
        self._actions = actions
        self._clients: set[_Client] = set()
        self._stopping = False
        self._woken, self._wake = os.pipe()
        try:
            self._listener = LocalListener(folder, SOCKET)
        except BaseException:
            os.close(self._woken)
            os.close(self._wake)
            raise
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the request at hand, stop the thread if it was started, and take the socket away.

        The log must still run, which a request may be waiting for.
        """
        self._stopping = True
        os.write(self._wake, b"\0")
        if self._thread.ident is not None:
            self._thread.join()
        self._listener.close()
        os.close(self._woken)
        os.close(self._wake)

    # -- the thread only --

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except Exception:
                _log.exception("the control socket met a fault and goes on")
                time.sleep(_REST_SECONDS)
        for client in self._clients:
            client.stream.close()

    def _turn(self) -> None:
        """Wait until something can be done, do it, and let go of whoever takes too long."""
        with selectors.PollSelector() as selector:  # few, and made anew: nothing to keep in step
            selector.register(self._woken, selectors.EVENT_READ)
            if len(self._clients) < _CLIENTS:
                selector.register(self._listener, selectors.EVENT_READ)
            for client in self._clients:
                selector.register(client, client.waits_for)
            now = time.monotonic()
            wait = min((each.deadline - now for each in self._clients), default=None)
            ready = [key.fileobj for key, _ in selector.select(wait and max(0.0, wait))]
        for each in ready:
            if each is self._listener:
                self._accept()
            elif isinstance(each, _Client) and not self._stopping:
                self._serve(each)
        # Only those who were not ready just now: while one is served, the others' time goes on.
        now = time.monotonic()
        for client in self._clients - {*ready}:
            if client.deadline <= now:
                self._let_go(client)

    def _accept(self) -> None:
        try:
            accepted = self._listener.accept()
        except OSError as error:
            _log.warning("a command could not be let in: %s", error.strerror)
            time.sleep(_REST_SECONDS)
            return
        if accepted is None:
            return
        stream, uid = accepted
        client = _Client(stream)
        self._clients.add(client)
        if uid in (0, os.geteuid()):
            self._say(client, Hello())
        else:
            _log.warning("a command of another user was refused: uid=%d", uid)
            self._say(client, Refused("Only the user who runs the server, and root, may do this."))

    def _serve(self, client: _Client) -> None:
        try:
            client.send()
            request = None if client.answered else client.request()
        except Disconnected:
            self._let_go(client)
        except _Bad as error:
            self._say(client, Refused(str(error)))
        else:
            if request is not None:
                self._say(client, self._carry_out(request))
            elif not client.waits_for:
                self._let_go(client)

    def _say(self, client: _Client, said: Hello | Reply) -> None:
        try:
            client.say(said)
        except Disconnected:
            self._let_go(client)
        else:
            if not client.waits_for:
                self._let_go(client)

    def _let_go(self, client: _Client) -> None:
        self._clients.discard(client)
        client.stream.close()

    def _carry_out(self, data: bytes) -> Reply:
        try:
            request = decode_request(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Refused("The server does not know this request; restart it after an update.")
        try:
            return self._actions[type(request)](request)
        except (NotDone, CommandError) as error:
            return Refused(str(error))
        except Exception:
            _log.exception("a request of a command failed")
            return Refused("Something went wrong; the server's log says what.")
