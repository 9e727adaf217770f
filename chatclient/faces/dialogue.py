"""What a person at a terminal types, and what becomes of it: requests, and their answers.

Everything happens in the asyncio loop of `terminal`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from chatclient.faces.upkeep import Upkeep
from chatclient.link.connection import KEYED
from chatclient.link.requests import LINK_LOST
from chatclient.screen.display import CONTINUATION, Display
from chatclient.screen.keys import KEYS
from chatclient.screen.statusline import StatusLine
from chatclient.talk.aim import aimed, to_correct
from chatclient.talk.commandline import (
    LOGOUT,
    MORE,
    NEXT,
    TALK,
    VIEW,
    CommandLine,
    conversation_in,
)
from chatclient.talk.conversation import Conversation, announcement, conversation_of, room_left
from chatclient.talk.ignored import IGNORE, Ignored
from chatclient.talk.nobody import nobody_called
from chatclient.talk.outgoing import BusyTold, Outgoing
from chatclient.talk.paging import Paging
from chatclient.talk.parts import parts
from chatclient.talk.recent import Recent
from chatclient.talk.request import Request
from chatclient.talk.roster import Roster
from chatclient.talk.transcript import Piece, Transcript
from chatclient.talk.unread import Unread
from chatwire.events import Error, Event, RoomChanged
from chatwire.replies import (
    BroadcastReply,
    ChangeReply,
    CommandHelp,
    HelpReply,
    HistoryReply,
    ReadReply,
    Reply,
    RoomReply,
    SendReply,
)
from chatwire.usage import UsageError
from chatwire.wording import table

_OWN: Final = {each.name: each for each in (TALK, MORE, NEXT, VIEW, IGNORE)}
_SAID: Final = ("broadcast", "send", "reply", "answer")
_LAST_LINES: Final = 10
_MOST_LINES: Final = 50
"""Messages shown to who begins to talk somewhere, and how many at most where many are new."""

_NOWHERE: Final = ("no_such_user", "no_such_room", "not_a_member")

Post = Callable[[Request], int]
"""Sends a request behind those before it, without waiting; returns the number of its answer."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the client knows of people and of what was said."""

    roster: Roster
    recent: Recent
    unread: Unread
    ignored: Ignored


class Dialogue:
    """Whom one talks to, what has been asked, and what is not on the server yet."""

    def __init__(
        self,
        me: str,
        commands: CommandLine,
        knowledge: Knowledge,
        transcript: Transcript,
        status: StatusLine,
        display: Display,
        upkeep: Upkeep,
        post: Post,
        *,
        all_in_view: bool,
        most_characters: int = 0,
    ) -> None:
        """`most_characters` may be in one message; 0: as many as there are."""
        self.conversation: Conversation | None = None
        self._me = me
        self._commands = commands
        self._roster = knowledge.roster
        self._recent = knowledge.recent
        self._unread = knowledge.unread
        self._ignored = knowledge.ignored
        self._transcript = transcript
        self._status = status
        self._display = display
        self._upkeep = upkeep
        self._post = post
        self._all_in_view = all_in_view
        self._most_characters = most_characters
        self._outgoing: dict[int, Outgoing] = {}
        self._opened: dict[int, tuple[Conversation, int | None]] = {}  # and how far it was read
        self._drafts: dict[str, str] = {}
        self._slash_known = False
        self._paging = Paging(me)
        self._busy_told = BusyTold()
        commands.add(*_OWN.values())

    @property
    def prompt(self) -> str:
        """What stands before the line: where it goes."""
        return f"{self.conversation.short_title}> " if self.conversation is not None else "> "

    @property
    def unsent(self) -> list[Outgoing]:
        """What is kept until the server has it, and is not there yet."""
        return [each for each in self._outgoing.values() if each.request.op in KEYED]

    @property
    def drafts(self) -> list[str]:
        """The lines that were begun in other conversations."""
        return list(self._drafts.values())

    def is_in_view(self, event: Event) -> bool:
        """Tell whether an event is to be shown: what happens elsewhere may wait."""
        if self._all_in_view or self.conversation is None:
            return True
        there = conversation_of(event, self._me)
        return there is None or there.key == self.conversation.key

    # What is typed

    def parts(self, line: str) -> int:
        """Return in how many messages what is said in a line will be sent; 0 where it is none."""
        try:
            request = self._commands.parse(line, self.conversation)
        except UsageError:
            return 0
        if request is None or request.op not in _SAID:
            return 0
        return len(parts(str(request.fields["text"]), self._most_characters))

    def said_in(self, line: str) -> Conversation | None:
        """Return where a line that is being typed would be said; None where it is a command, or
        nothing yet."""
        words = line.strip()
        is_command = words.startswith("/") and not words.startswith("//")
        return self.conversation if words and not is_command else None

    def carry_out(self, line: str) -> None:
        """Send the request in a line, if there is one, or do what it says."""
        try:
            correction = to_correct(line, self.conversation, self._recent)
            if correction is not None:
                _soon(lambda: self._display.offer(correction))
                return
            request = self._commands.parse(line, self.conversation)
            if request is not None and request.op == MORE.name:
                request = self._paging.more(numbered=request.numbered)
            if request is not None:
                request = aimed(
                    request, self.conversation, self._recent, waiting=self._says_something_here()
                )
        except UsageError as error:
            self._echo(line)
            self._display.print(self._transcript.error(str(error)))
            return
        if request is not None:
            self._do(line, request)

    def go_on(self) -> None:
        """Talk in the next conversation that waits; what is being typed waits in this one."""
        there = self._unread.next(self.conversation)
        if there is None:
            self._display.print(self._transcript.notice("Nothing else waits to be read."))
            return
        left = "" if self.conversation is None else self.conversation.key
        line = self._display.exchange("")
        if line.strip():
            self._drafts[left] = line
        self._go(there)

    def _do(self, line: str, request: Request) -> None:
        if request.op == LOGOUT:
            self._display.leave()
        elif request.op == TALK.name:
            self._go(conversation_in(request))
        elif request.op == NEXT.name:
            self.go_on()
        elif request.op == VIEW.name:
            self._echo(line)
            self._display.print(self._transcript.notice(self._view(request)))
        elif request.op == IGNORE.name:
            self._echo(line)
            self._display.print(self._ignore(str(request.fields.get("whom", ""))))
        elif request.op == "help" and request.fields.get("command") in _OWN:
            self._echo(line)
            command = _OWN[str(request.fields["command"])]
            self._display.print(self._transcript.lines(HelpReply(commands=(command,))))
        elif request.op in _SAID:
            self._say(line, request)
        else:
            self._ask(line, request)

    def _say(self, line: str, request: Request) -> None:
        """Send a message, in parts where it is too long for one."""
        text = str(request.fields["text"])
        several = parts(text, self._most_characters)
        if len(several) < 2:
            self._ask(line, request)
            return
        before = line.strip().removesuffix(text)
        for part in several:
            fields = request.fields | {"text": part}
            self._ask(before + part, Request(request.op, fields, request.numbered))

    def _ignore(self, whom: str) -> list[list[Piece]]:
        try:
            return self._transcript.notice(self._ignored.change(whom))
        except UsageError as error:
            return self._transcript.error(str(error))

    def _view(self, request: Request) -> str:
        """Choose what is shown; return how it is then."""
        words = str(request.fields.get("what", "")).lower().split()
        for word in words:
            if word in ("all", "one"):
                self._all_in_view = word == "all"
            elif word in ("numbers", "-n"):
                self._transcript.numbers = not self._transcript.numbers
            else:
                return f"There is no view '{word[:40]}': type view all, one or numbers."
        what = "All conversations are" if self._all_in_view else "Only where you talk is"
        if self._transcript.numbers:
            return f"{what} shown, with numbers."
        return f"{what} shown, without numbers." if "numbers" in words else f"{what} shown."

    def _go(self, there: Conversation | None) -> None:
        """Change the conversation at once, because the next line may be here already.

        Its last lines are asked for meanwhile, which also tells whether there is anybody; what is
        said to nobody arrives nowhere.
        """
        self.conversation = there
        self._display.print(self._transcript.notice(announcement(there, known=self._slash_known)))
        self._slash_known = self._slash_known or there is not None
        draft = self._drafts.pop("" if there is None else there.key, None)
        if draft is not None:
            _soon(lambda: self._display.offer(draft))
        if there is not None and self._commands.find("history") is not None:
            lines = min(max(_LAST_LINES, self._unread.count(there) + 3), _MOST_LINES)
            position = self._unread.position(there)
            number = self._post(Request("history", {**there.past, "limit": lines}))
            self._opened[number] = there, position

    def _ask(self, line: str, request: Request) -> None:
        outgoing = Outgoing(line, request, self.prompt)
        if request.op not in KEYED:
            self._echo(line)
        if request.op in ("unread", "rooms"):
            self._upkeep.flush()  # or it would list what has just been read
        number = self._post(request)  # its answer is heard in this loop, so not before the next
        self._outgoing[number] = outgoing
        self._paging.ask(number, request)

    def _echo(self, line: str) -> None:
        self._display.print(self._transcript.typed(line, self.prompt, CONTINUATION))

    def _says_something_here(self) -> bool:
        here = self.conversation
        return any(
            here is None or each.conversation.key == here.key
            for each in self._outgoing.values()
            if each.says_something
        )

    def without(self, event: RoomChanged) -> list[list[Piece]]:
        """Talk no longer in a room that one has left elsewhere or was removed from; say so."""
        room = room_left(event, self._me)
        if room is None or self.conversation is None or room.key != self.conversation.key:
            return []
        self.conversation = None
        return self._transcript.notice(announcement(None))

    # What is answered

    def answer(self, event: Reply | Error) -> list[list[Piece]] | None:
        """Return an answer as lines, where it is one to something here: a message takes its place
        among the others now."""
        number = 0 if event.re is UNSET else event.re
        ignored, event = self._ignored.note(event), self._ignored.without(event)
        if number in self._opened:
            return self._open(*self._opened.pop(number), event)
        outgoing = self._outgoing.pop(number, None)
        if outgoing is None:
            return None
        if isinstance(event, Error) and outgoing.request.op in KEYED:
            return self._refused(outgoing, event)
        if isinstance(event, BroadcastReply | SendReply) and outgoing.says_something:
            message = outgoing.message(self._me, event.seq)
            self._recent.hear(message)
            return self._transcript.own(message, self._busy_told.outcome(event))
        self._paging.hear(event)
        lines = self._answer_lines(outgoing.request, event)
        if ignored:
            lines = [*lines, *self._transcript.notice(ignored)]
        if outgoing.request.op in KEYED:
            return [*self._transcript.typed(outgoing.line, outgoing.prompt, CONTINUATION), *lines]
        return lines

    def _help(self, commands: tuple[CommandHelp, ...]) -> list[list[Piece]]:
        """Return all commands, the client's own among them, and the keys."""
        columns = self._display.columns
        lines = ["Keys:", *table(KEYS, columns - 1)]
        return [
            *self._transcript.lines(HelpReply(commands=commands), columns),
            *(piece for each in lines for piece in self._transcript.notice(each)),
        ]

    def _answer_lines(self, request: Request, event: Reply | Error) -> list[list[Piece]]:
        match event:
            case HistoryReply():
                for message in event.messages:
                    self._recent.hear(message)
            case HelpReply(commands=commands) if len(commands) > 1:
                return self._help(tuple(self._commands))
            case ChangeReply(op="edit" | "delete" | "react" | "leave"):
                return self._changed(request, event)
            case RoomReply(room=room) if room is not UNSET:
                slash = "" if self.conversation is None else "/"
                hint = f"Type {slash}talk #{room.name} to talk there."
                return [*self._transcript.lines(event), *self._transcript.notice(hint)]
            case ReadReply(upto=upto):
                self._upkeep.read(_place_in(request), upto)
        columns = self._display.columns
        return self._transcript.lines(event, columns, numbered=request.numbered)

    def _changed(self, request: Request, event: ChangeReply) -> list[list[Piece]]:
        if event.op == "leave":
            room = Conversation(room=str(request.fields["room"]))
            self._unread.forget(room)
            lines = self._transcript.notice(f"You have left {room.title}.")
            if self.conversation is None or self.conversation.key != room.key:
                return lines
            self.conversation = None
            return [*lines, *self._transcript.notice(announcement(None))]
        target, text = request.fields.get("target"), request.fields.get("text")
        if not isinstance(target, int):
            return self._transcript.lines(event)
        if event.op == "edit":
            self._recent.correct(target, str(text))
            return self._transcript.lines(event)
        lines = self._transcript.about(event, target)  # as it was: it may be the wrong one
        if event.op == "delete":
            self._recent.correct(target, None)
        else:
            self._recent.reacted(request.fields)
        return lines

    def _open(
        self, there: Conversation, read: int | None, event: Reply | Error
    ) -> list[list[Piece]]:
        """Show the last lines of a conversation that somebody still talks in; or take it back,
        where the server knows nobody of the name."""
        if self.conversation is None or self.conversation.key != there.key:
            return []
        if isinstance(event, Error) and event.code in _NOWHERE:
            self.conversation = None
            return self._transcript.error(self._nowhere(there, event))
        if not isinstance(event, HistoryReply):
            return []
        for message in event.messages:
            self._recent.hear(message)
            if (place := conversation_of(message, self._me)) and place.key == there.key:
                self._upkeep.opened(there, message.seq)
        return self._transcript.page(event.messages, read)

    def _nowhere(self, there: Conversation, error: Error) -> str:
        if error.code == "no_such_user" and len(there.to) == 1:
            return nobody_called(there.to[0], self._roster.names())
        return f"{error.text} What you type goes to nobody; use commands."

    def _refused(self, outgoing: Outgoing, error: Error) -> list[list[Piece]]:
        """Put words that failed back on the line, or say where they are."""
        if error.code == LINK_LOST:
            self._outgoing[0 if error.re is UNSET else error.re] = outgoing  # said at the end
            return []
        if not outgoing.words:
            typed = self._transcript.typed(outgoing.line, outgoing.prompt, CONTINUATION)
            return [*typed, *self._transcript.lines(error)]
        if self._display.offer(outgoing.line):
            self._status.urgent = f"Not sent: {error.text}"
            hint = "it is on the line again"
        else:
            hint = "the up arrow has it"
        return self._transcript.error(f"Not sent: {error.text} ({hint})")


def _place_in(request: Request) -> Conversation | None:
    """Return the conversation that a request to mark as read names; None: all of them."""
    room, names = request.fields.get("room"), request.fields.get("with")
    if isinstance(room, str):
        return Conversation(room=room)
    return Conversation(tuple(names)) if isinstance(names, list) else None


def _soon(action: Callable[[], object]) -> None:
    """Have something done when the line that was ended has been taken off."""
    asyncio.get_running_loop().call_soon(action)
