"""The client without a cursor: commands come in as lines, what happens goes out as lines.

Threads: the main thread prints events, answers among them, in the order of the wire. A daemon, the
*typist*, reads commands and sends them, a few ahead of their answers.
"""

from typing import TextIO

from chatclient.faces.follow import follow
from chatclient.link.ahead import Ahead
from chatclient.link.requests import LINK_LOST
from chatclient.link.resume import ResumingClient
from chatclient.setup.credentials import tell
from chatclient.setup.entrance import Entry
from chatclient.setup.inputlines import InputLines
from chatclient.talk.commandline import LOGOUT, MORE, TALK, conversation_in
from chatclient.talk.conversation import Conversation, announcement
from chatclient.talk.lines import stamped_lines
from chatclient.talk.nobody import NamesAsked, nobody_called
from chatclient.talk.paging import Paging
from chatclient.talk.request import Request
from chatclient.talk.roster import Roster
from chatclient.talk.transcript import plain_lines
from chatwire.protocol import Bye, Error, Event, Presence, Reply
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
        self._paging = Paging()
        self._names_asked = NamesAsked(entry.commands)
        self._nobody: str | None = None  # the typist reads it when everything is answered
        self._roster = Roster(self._me)  # written by the main thread, read by the typist

    def run(self) -> None:
        """Work until the end of the input or of the connection.

        Raises LinkLost when the connection ends first, ChatError when a line of the input has no
        end, and BrokenPipeError when nobody reads the output any more.
        """
        follow(self._client, self._entry, self._print, self._type, self._ahead)
        self._lines.check()

    def _print(self, batch: list[Event]) -> None:
        for event in batch:
            self._roster.hear(event)
            self._paging.hear(event)
            if isinstance(event, Reply | Error) and self._names_asked.waits_for(event):
                self._nobody = self._names_asked.answer(event) or self._nobody
            elif isinstance(event, Error):
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
            self._talk(request)
            return True
        if request.op == MORE.name:
            self._ahead.wait_for_all()  # the history that it goes on with may be on its way
            try:
                request = self._paging.more()
            except UsageError as error:
                tell(str(error))
                return True
        number = self._client.number()
        self._paging.ask(number, request)
        self._post(number, request)
        return True

    def _talk(self, request: Request) -> None:
        """Change the conversation, once the server knows the names that are new here."""
        wanted, self._conversation, self._nobody = conversation_in(request), None, None
        known = self._roster.names()
        for question in self._names_asked.questions(wanted, known):
            number = self._client.number()
            self._names_asked.ask(number, str(question.fields["with"]))
            self._post(number, question)
            self._ahead.wait_for_all()
        if self._nobody is not None:
            tell(nobody_called(self._nobody, known))
            return
        self._conversation = wanted
        tell(announcement(wanted))

    def _post(self, number: int, request: Request) -> None:
        self._ahead.begin()
        self._client.post(request.op, number, **request.fields)
