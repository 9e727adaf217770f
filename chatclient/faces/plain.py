"""The client without a cursor: commands come in as lines, what happens goes out as lines.

Threads: the main thread prints events, answers among them, in the order of the wire. A daemon, the
*typist*, reads commands and sends them, a few ahead of their answers, and looks at what the main
thread has heard, in one step each time.
"""

from typing import TextIO

from chatclient.faces.follow import follow
from chatclient.home import config_folder
from chatclient.link.ahead import Ahead
from chatclient.link.requests import LINK_LOST
from chatclient.link.resume import ResumingClient
from chatclient.setup.credentials import is_person, tell
from chatclient.setup.entrance import Entry
from chatclient.setup.inputlines import InputLines
from chatclient.talk.aim import AIMED, aimed
from chatclient.talk.commandline import LOGOUT, MORE, TALK, conversation_in
from chatclient.talk.conversation import Conversation, announcement, conversation_of
from chatclient.talk.ignored import IGNORE, Ignored
from chatclient.talk.lines import stamped_lines
from chatclient.talk.nobody import NamesAsked, nowhere_called
from chatclient.talk.outgoing import Outgoing
from chatclient.talk.paging import Paging
from chatclient.talk.recent import Recent
from chatclient.talk.request import Request
from chatclient.talk.roster import Roster
from chatclient.talk.transcript import plain_lines
from chatwire.events import Bye, Deleted, Edited, Error, Event, Message, Presence, Reacted
from chatwire.replies import BroadcastReply, ChangeReply, HistoryReply, Reply, SendReply
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
        self._paging = Paging(self._me)
        self._names_asked = NamesAsked(entry.commands)
        self._ignored = Ignored(self._me, entry.connection.place, config_folder() / "ignored")
        entry.commands.add(IGNORE)
        self._nobody: str | None = None  # the typist reads it when everything is answered
        self._roster = Roster(self._me)  # this and the next two are the main thread's
        self._recent = Recent(self._me)
        self._shown: dict[str, tuple[Conversation, int]] = {}  # not read yet, as far as is known
        self._asked: dict[int, Request] = {}  # written by the typist, taken by the main thread

    def run(self) -> None:
        """Work until the end of the input or of the connection.

        Raises LinkLost when the connection ends first, ChatError when a line of the input has no
        end, and BrokenPipeError when nobody reads the output any more.
        """
        follow(self._client, self._entry, self._print, self._type, self._ahead)
        self._lines.check()

    def _print(self, batch: list[Event]) -> None:
        for each in batch:
            ignored, event = self._ignored.note(each), self._ignored.without(each)
            asked = None
            if isinstance(event, Reply | Error) and isinstance(event.re, int):
                if self._names_asked.waits_for(event):
                    self._nobody = self._names_asked.answer(event) or self._nobody
                    continue
                asked = self._asked.pop(event.re, None)
                if asked is None:
                    continue  # what was told as read
            if self._ignored.hides(event):
                continue
            self._hear(event, asked)
            if isinstance(event, Error):
                if event.code != LINK_LOST:
                    tell("\n".join(plain_lines(event, self._me)))
            elif isinstance(event, Bye) or (isinstance(event, Presence) and not self._notices):
                continue  # how the link is has been told, or is going to be
            else:
                numbered = asked is not None and asked.numbered
                lines = stamped_lines(event, self._me, numbered=numbered)
                if ignored:
                    lines.append(f"      {ignored}")  # among the other lines of the list
                self._out.writelines(line + "\n" for line in lines)
        self._out.flush()

    def _hear(self, event: Event, asked: Request | None) -> None:
        """Take note of what is going to be shown, and was `asked` for, if it is an answer."""
        self._roster.hear(event)
        self._paging.hear(event)
        match event:
            case Message():
                self._recent.hear(event)
                if (there := conversation_of(event, self._me)) is not None:
                    self._shown[there.key] = there, event.seq
            case Edited() | Deleted() | Reacted():
                self._recent.change(event)
            case HistoryReply(messages=messages):
                for each in messages:
                    self._recent.hear(each)
            case SendReply(seq=seq) | BroadcastReply(seq=seq) if asked is not None:
                said = Outgoing("", asked)
                if said.says_something:
                    self._recent.hear(said.message(self._me, seq))
            case ChangeReply(op="react") if asked is not None:
                self._recent.reacted(asked.fields)

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
        if is_person() and self._entry.commands.find("read") is not None:
            self._tell_read()
        if request.op == LOGOUT:
            return False
        if request.op == TALK.name:
            self._talk(request)
            return True
        if request.op == IGNORE.name:
            self._ignore(request)
            return True
        if request.op == MORE.name:
            self._ahead.wait_for_all()  # the history that it goes on with may be on its way
            try:
                request = self._paging.more(numbered=request.numbered)
            except UsageError as error:
                tell(str(error))
                return True
        try:
            request = self._aimed(request)
        except UsageError as error:
            tell(str(error))
            return True
        number = self._client.number()
        self._paging.ask(number, request)
        self._asked[number] = request
        self._post(number, request)
        return True

    def _ignore(self, request: Request) -> None:
        try:
            tell(self._ignored.change(str(request.fields.get("whom", ""))))
        except UsageError as error:
            tell(str(error))

    def _aimed(self, request: Request) -> Request:
        """Return a request with the message that it means, in the conversation that was chosen; the
        server knows which is the last of all. Raises UsageError."""
        if request.op not in AIMED:
            return request
        self._ahead.wait_for_all()  # what was said last has its number then
        try:
            return aimed(request, self._conversation, self._recent, waiting=False)
        except UsageError:
            if self._conversation is not None:
                raise
            return request

    def _tell_read(self) -> None:
        """Tell the server that what was shown is read: whoever types has had it before them."""
        for key in tuple(self._shown):
            there, upto = self._shown.pop(key)
            self._post(self._client.number(), Request("read", {**there.past, "upto": upto}))

    def _talk(self, request: Request) -> None:
        """Change the conversation, once the server knows the names that are new here."""
        wanted, self._conversation, self._nobody = conversation_in(request), None, None
        known = self._roster.names()
        for question in self._names_asked.questions(wanted, known):
            number = self._client.number()
            name = question.fields.get("with", question.fields.get("room"))
            self._names_asked.ask(number, str(name))
            self._post(number, question)
            self._ahead.wait_for_all()
        if self._nobody is not None and wanted is not None:
            tell(nowhere_called(wanted, self._nobody, known))
            return
        self._conversation = wanted
        tell(announcement(wanted))

    def _post(self, number: int, request: Request) -> None:
        self._ahead.begin()
        self._client.post(request.op, number, **request.fields)
