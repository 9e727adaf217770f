"""The client without a terminal: commands come in as lines, what happens goes out as lines.

Threads: the main thread prints events, answers among them, in the order of the wire. A daemon, the
*typist*, reads commands and sends them, a few ahead of their answers, so that it can never fill the
way to the server with more than the server is ready to read.
"""

import math
import threading
from typing import Final, TextIO

from msgspec import UNSET

from chatclient.commandline import LOGOUT
from chatclient.credentials import tell
from chatclient.entrance import Entry
from chatclient.inputlines import InputLines
from chatclient.resume import LINK_LOST, LinkState, ResumingClient
from chatclient.transcript import plain_lines
from chatwire.protocol import Bye, Error, Event, Message, Reply
from chatwire.usage import UsageError

_AHEAD: Final = 32
"""Requests that may be on their way at once."""


class Plain:
    """One session of lines. `run` in the main thread returns when it is over."""

    def __init__(
        self, entry: Entry, client: ResumingClient, lines: InputLines, out: TextIO
    ) -> None:
        """Take over the connection of `entry`, and let `client` keep it; answers go to `out`."""
        self._connection = entry.connection
        self._client = client
        self._commands = entry.commands
        self._welcome = entry.welcome
        self._me = entry.welcome.name
        self._lines = lines
        self._out = out
        self._answered = threading.Condition()  # guards the next two
        self._open = 0
        self._over = False

    def run(self) -> None:
        """Work until the end of the input or of the connection.

        Raises LinkLost when the connection ends first, and BrokenPipeError when nobody reads the
        output any more.
        """
        typist = threading.Thread(target=self._type, name="chat-typist", daemon=True)
        try:
            self._print([self._welcome])
            self._client.watch = _tell_of_link
            self._client.start(self._connection, self._welcome)
            typist.start()
            while batch := self._next_events():
                self._print(batch)
                self._settle(batch)
        finally:
            with self._answered:
                self._over = True
                self._answered.notify_all()
            self._client.close()

    def _next_events(self) -> list[Event]:
        """Wait for events; none are the end."""
        while True:
            events = self._client.next_events(1.0)
            if events or self._client.closing:
                return events

    def _print(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, Bye) or getattr(event, "code", "") == LINK_LOST:
                continue  # how the link is has been told, or is going to be
            lines = plain_lines(event, self._me)
            if isinstance(event, Error):
                tell("\n".join(lines))
            else:
                self._out.writelines(line + "\n" for line in lines)
        self._out.flush()

    def _settle(self, batch: list[Event]) -> None:
        """Let the server know what has been shown, and the typist what has been answered."""
        shown = max((event.seq for event in batch if isinstance(event, Message)), default=0)
        if shown:
            self._client.ack(shown)
        with self._answered:
            self._open -= sum(
                isinstance(event, Reply | Error) and event.re is not UNSET for event in batch
            )
            self._answered.notify_all()

    # The typist

    def _type(self) -> None:
        try:
            for line in self._lines:
                if not self._type_line(line):
                    break
            self._wait(until_fewer_than=1)
        finally:
            self._client.close()  # or the main thread would wait for ever

    def _type_line(self, line: str) -> bool:
        """Send one command; False when it was the last."""
        try:
            request = self._commands.parse(line)
        except UsageError as error:
            tell(str(error))
            return True
        if request is None:
            return True
        if request.op == LOGOUT:
            return False
        self._wait(until_fewer_than=_AHEAD)
        with self._answered:
            self._open += 1  # first, because the answer may be faster than this thread
        self._client.post(request.op, **request.fields)
        return True

    def _wait(self, until_fewer_than: int) -> None:
        with self._answered:
            while self._open >= until_fewer_than and not self._over:
                self._answered.wait()


def _tell_of_link(link: LinkState) -> None:
    if link.state == "waiting":
        tell(f"{link.reason} Trying again in {math.ceil(link.seconds)} s.")
