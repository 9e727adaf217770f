"""The client without a cursor: commands come in as lines, what happens goes out as lines.

Threads: the main thread prints events, answers among them, in the order of the wire. A daemon, the
*typist*, reads commands and sends them, a few ahead of their answers.
"""

import threading
from typing import TextIO

from chatclient.ahead import Ahead
from chatclient.commandline import LOGOUT, TALK, conversation_in
from chatclient.conversation import Conversation, announcement
from chatclient.credentials import tell
from chatclient.entrance import Entry
from chatclient.follow import acknowledge, batches, tell_of_link
from chatclient.inputlines import InputLines
from chatclient.lines import stamped_lines
from chatclient.resume import LINK_LOST, ResumingClient
from chatclient.transcript import plain_lines
from chatwire.protocol import Bye, Error, Event, Presence
from chatwire.usage import UsageError


class Plain:
    """One session of lines. `run` in the main thread returns when it is over."""

    def __init__(
        self,
        entry: Entry,
        client: ResumingClient,
        lines: InputLines,
        out: TextIO,
        *,
        notices: bool = True,
    ) -> None:
        """Take over the connection of `entry`, and let `client` keep it; answers go to `out`.

        `notices`: also who comes and goes.
        """
        self._entry = entry
        self._client = client
        self._me = entry.welcome.name
        self._lines = lines
        self._out = out
        self._notices = notices
        self._ahead = Ahead()
        self._conversation: Conversation | None = None  # the typist's alone

    def run(self) -> None:
        """Work until the end of the input or of the connection.

        Raises LinkLost when the connection ends first, ChatError when a line of the input has no
        end, and BrokenPipeError when nobody reads the output any more.
        """
        typist = threading.Thread(target=self._type, name="chat-typist", daemon=True)
        try:
            self._print([self._entry.welcome])
            self._client.watch = tell_of_link
            self._client.start(self._entry.connection, self._entry.welcome)
            typist.start()
            for batch in batches(self._client):
                self._print(batch)
                acknowledge(self._client, batch)  # first: the last answer is the typist's leave
                self._ahead.settle(batch)
        except BaseException:
            self._client.abandon()  # whoever interrupts does not wait for the server's goodbye
            raise
        finally:
            self._ahead.end()
            self._client.close()
        self._lines.check()

    def _print(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, Error):
                if event.code != LINK_LOST:
                    tell("\n".join(plain_lines(event, self._me)))
            elif isinstance(event, Bye) or (isinstance(event, Presence) and not self._notices):
                continue  # how the link is has been told, or is going to be
            else:
                self._out.writelines(line + "\n" for line in stamped_lines(event, self._me))
        self._out.flush()

    # The typist

    def _type(self) -> None:
        try:
            for line in self._lines:
                if not self._type_line(line):
                    break
            self._ahead.wait_for_all()
        finally:
            self._client.close()  # or the main thread would wait for ever

    def _type_line(self, line: str) -> bool:
        """Send one command; False when it was the last."""
        try:
            request = self._entry.commands.parse(line, self._conversation)
        except UsageError as error:
            tell(str(error))
            return True
        if request is None:
            return True
        if request.op == LOGOUT:
            return False
        if request.op == TALK.name:
            self._conversation = conversation_in(request)
            tell(announcement(self._conversation))
            return True
        self._ahead.begin()
        self._client.post(request.op, **request.fields)
        return True
