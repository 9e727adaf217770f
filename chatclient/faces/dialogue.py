"""What a person at a terminal types, and what becomes of it: requests, and their answers.

Everything happens in the asyncio loop of `terminal`.
"""

from collections.abc import Callable
from typing import Final

from msgspec import UNSET

from chatclient.link.requests import LINK_LOST
from chatclient.screen.display import CONTINUATION, Display
from chatclient.screen.statusline import StatusLine
from chatclient.talk.commandline import LOGOUT, MORE, TALK, CommandLine, conversation_in
from chatclient.talk.conversation import Conversation, announcement
from chatclient.talk.nobody import NamesAsked, nobody_called
from chatclient.talk.outgoing import BusyTold, Outgoing
from chatclient.talk.paging import Paging
from chatclient.talk.request import Request
from chatclient.talk.roster import Roster
from chatclient.talk.transcript import Piece, Transcript
from chatwire.protocol import BroadcastReply, Error, HelpReply, Reply, SendReply
from chatwire.usage import UsageError

_OWN: Final = {TALK.name: TALK, MORE.name: MORE}

Post = Callable[[Request], int]
"""Sends a request behind those before it, without waiting; returns the number of its answer."""


class Dialogue:
    """Whom one talks to, what has been asked, and what is not on the server yet."""

    def __init__(
        self,
        me: str,
        commands: CommandLine,
        roster: Roster,
        transcript: Transcript,
        status: StatusLine,
        display: Display,
        post: Post,
    ) -> None:
        self.conversation: Conversation | None = None
        self._me = me
        self._commands = commands
        self._roster = roster
        self._transcript = transcript
        self._status = status
        self._display = display
        self._post = post
        self._outgoing: dict[int, Outgoing] = {}
        self._paging = Paging()
        self._names_asked = NamesAsked(commands)
        self._busy_told = BusyTold()

    @property
    def prompt(self) -> str:
        """What stands before the line: where it goes."""
        return f"{self.conversation.short_title}> " if self.conversation is not None else "> "

    @property
    def unsent(self) -> list[Outgoing]:
        """What says something and is not on the server yet."""
        return [each for each in self._outgoing.values() if each.says_something]

    def carry_out(self, line: str) -> None:
        """Send the request in a line, if there is one, or do what it says."""
        try:
            request = self._commands.parse(line, self.conversation)
            if request is not None and request.op == MORE.name:
                request = self._paging.more()
        except UsageError as error:
            self._echo(line)
            self._display.print(self._transcript.error(str(error)))
            return
        if request is None:
            return
        if request.op == LOGOUT:
            self._display.leave()
        elif request.op == TALK.name:
            self._talk(request)
        elif request.op == "help" and request.fields.get("command") in _OWN:
            self._echo(line)
            command = _OWN[str(request.fields["command"])]
            self._display.print(self._transcript.lines(HelpReply(commands=(command,))))
        else:
            self._ask(line, request)

    def answer(self, event: Reply | Error) -> list[list[Piece]] | None:
        """Return an answer as lines, where it is one to something here: a message takes its place
        among the others now."""
        if self._names_asked.waits_for(event):
            nobody = self._names_asked.answer(event)
            return [] if nobody is None else self._nobody(nobody)
        outgoing = self._outgoing.pop(0 if event.re is UNSET else event.re, None)
        if outgoing is None:
            return None
        if isinstance(event, BroadcastReply | SendReply):
            message = outgoing.message(self._me, event.seq)
            return self._transcript.own(message, self._busy_told.outcome(event))
        if isinstance(event, Error) and outgoing.says_something:
            return self._offer_again(outgoing, event)
        self._paging.hear(event)
        return self._transcript.lines(event, self._display.columns)

    def _talk(self, request: Request) -> None:
        """Change the conversation at once, because the next line may be here already.

        Where it is with somebody never heard of, the server is asked meanwhile; what is said to
        nobody arrives nowhere.
        """
        self.conversation = conversation_in(request)
        self._display.print(self._transcript.notice(announcement(self.conversation)))
        for question in self._names_asked.questions(self.conversation, self._roster.names()):
            self._names_asked.ask(self._post(question), str(question.fields["with"]))

    def _nobody(self, name: str) -> list[list[Piece]]:
        """Take back a conversation with somebody whom the server does not know."""
        if self.conversation is None or name not in self.conversation.to:
            return []
        self.conversation = None
        return self._transcript.error(nobody_called(name, self._roster.names()))

    def _ask(self, line: str, request: Request) -> None:
        outgoing = Outgoing(line, request)
        if not outgoing.says_something:
            self._echo(line)
        number = self._post(request)  # its answer is heard in this loop, so not before the next
        self._outgoing[number] = outgoing
        self._paging.ask(number, request)

    def _echo(self, line: str) -> None:
        self._display.print(self._transcript.typed(line, self.prompt, CONTINUATION))

    def _offer_again(self, outgoing: Outgoing, error: Error) -> list[list[Piece]]:
        """Put a message that failed back on the line, or say where it is."""
        if error.code == LINK_LOST:
            self._outgoing[0 if error.re is UNSET else error.re] = outgoing  # said at the end
            return []
        if self._display.offer(outgoing.line):
            self._status.refusal = error.text
            hint = "it is on the line again"
        else:
            hint = "the up arrow has it"
        return self._transcript.error(f"Not sent: {error.text} ({hint})")
