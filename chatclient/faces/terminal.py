"""The client at a terminal: a line to type on, how things stand below it, the chat scrolling above.

There is no alternate screen, so scrolling back, copying and screen readers work as everywhere.
What has been typed and is not on the server yet stands in grey above the line; it scrolls up with
the rest once the server has it.

Threads: the main thread runs an asyncio loop, and everything on the screen happens there. The
*pump*, a daemon, takes events in batches, waits until the loop has printed each batch, then
acknowledges it: nothing is acknowledged that has not been shown, and a terminal that does not take
what is written stops the reader instead of filling the memory. One *sender* sends what was typed,
so that a server which reads slowly never freezes the keyboard.
"""

import asyncio
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Final

from msgspec import UNSET
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, get_app_or_none
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import is_done
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout import ConditionalContainer, FormattedTextControl, HSplit, Window
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style

from chatclient.ended import Ended, expected
from chatclient.errors import ChatError
from chatclient.faces.follow import acknowledge
from chatclient.link.keeper import LinkState
from chatclient.link.requests import LINK_LOST
from chatclient.link.resume import ResumingClient
from chatclient.screen.completion import LineCompleter
from chatclient.screen.emoji import TakenApart, taken_apart
from chatclient.screen.keys import keys
from chatclient.screen.output import cut, follow_reflow, screen_output
from chatclient.screen.statusline import StatusLine
from chatclient.screen.suspend import continued
from chatclient.screen.tabcycle import TabCycle
from chatclient.setup.credentials import tell
from chatclient.setup.entrance import Entry
from chatclient.setup.settings import ClientSettings
from chatclient.talk.colours import Colours
from chatclient.talk.commandline import LOGOUT, MORE, TALK, conversation_in
from chatclient.talk.conversation import Conversation, announcement
from chatclient.talk.mention import mentions_in
from chatclient.talk.nobody import NamesAsked, nobody_called
from chatclient.talk.outgoing import BusyTold, Outgoing
from chatclient.talk.paging import Paging
from chatclient.talk.request import Request
from chatclient.talk.roster import Roster
from chatclient.talk.transcript import Piece, Transcript
from chatwire.names import fold
from chatwire.protocol import (
    BroadcastReply,
    Bye,
    Error,
    Event,
    HelpReply,
    LoginReply,
    Message,
    Presence,
    Reply,
    SendReply,
)
from chatwire.usage import UsageError

_CONTINUATION: Final = ". "
_LEAVE_SECONDS: Final = 3.0
_OWN: Final = {TALK.name: TALK, MORE.name: MORE}
_HELD_IS_NEWS_FOR: Final = 10.0
"""While busy, a key asks how much is held, if that was not known for so many seconds."""


class Terminal:
    """One session at a terminal. `run` in the main thread returns when the person has left."""

    def __init__(self, entry: Entry, client: ResumingClient, settings: ClientSettings) -> None:
        """Take over the connection of `entry`, and let `client` keep it."""
        colours = Colours(on=settings.client.colours)
        self._entry = entry
        self._me = entry.welcome.name
        self._client = client
        self._settings = settings.client
        self._commands = entry.commands
        self._roster = Roster(self._me)
        self._status = StatusLine(self._me, entry.connection.place, entry.connection.security)
        self._conversation: Conversation | None = None
        self._transcript = Transcript(self._me, colours, datetime.now().astimezone().date())
        self._outgoing: dict[int, Outgoing] = {}
        self._quiet: set[int] = set()  # what was asked only for the status line
        self._asked_at = 0.0
        self._paging = Paging()
        self._names_asked = NamesAsked(entry.commands)
        self._busy_told = BusyTold()
        self._loss: ChatError | None = None
        self._ended_by: int | None = None
        self._colours = colours
        self._style = Style([("bottom-toolbar", f"noreverse {colours.notice}")])
        self._tab = TabCycle(
            LineCompleter(entry.commands, self._roster, lambda: self._conversation)
        )
        self._session: PromptSession[str] = PromptSession(
            self._prompt,
            reserve_space_for_menu=0,
            input_processors=[TakenApart()],
            key_bindings=keys(self._tab),
            style=self._style,
            output=screen_output(),
            color_depth=None if colours.on else ColorDepth.DEPTH_1_BIT,
            prompt_continuation=lambda _width, _line, wraps: "" if wraps else _CONTINUATION,
        )
        follow_reflow(self._session.app)
        self._add_status_line()
        self._session.default_buffer.accept_handler = self._accept
        self._session.default_buffer.on_text_changed += self._on_key
        self._to_confirm: str | None = None
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="chat-sender")

    def run(self) -> None:
        """Chat until the person leaves.

        Raises the ChatError that ended it, where trying again is no use, and Ended after a signal.
        """
        try:
            asyncio.run(self._chat())
        except OSError:
            if self._ended_by is None:
                raise
        finally:
            self._client.abandon()  # wakes a sender that is still sending
            self._sender.shutdown()
            self._say_what_was_not_sent()
        if self._ended_by is not None:
            raise Ended(self._ended_by)
        if self._loss is not None:
            raise self._loss

    async def _chat(self) -> None:
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        self._hear(self._entry.welcome)
        # What was typed ahead has been echoed by the system; it comes again on the line.
        self._session.output.write_raw("\r")
        self._session.output.erase_end_of_line()
        self._print(self._transcript.lines(self._entry.welcome))

        def watch(link: LinkState) -> None:  # the keeper
            _call(loop, lambda: self._link_changed(link))

        if sys.platform != "win32":
            for number in expected():
                loop.add_signal_handler(number, self._end, number)
            loop.add_signal_handler(signal.SIGCONT, continued, self._session.app)
        self._client.watch = watch
        self._client.start(self._entry.connection, self._entry.welcome)
        pump = threading.Thread(target=self._pump, args=(loop, over), name="chat-pump", daemon=True)
        pump.start()
        clock = asyncio.create_task(self._count_down())
        ended = asyncio.create_task(over.wait())
        typing = asyncio.create_task(self._type())
        await asyncio.wait((typing, ended), return_when=asyncio.FIRST_COMPLETED)
        clock.cancel()
        if not typing.done():
            await self._stop_typing(typing)
        else:
            typing.result()
            # Behind what was typed before. A server that reads slowly is not waited for longer.
            leaving = loop.run_in_executor(self._sender, self._client.close)
            await asyncio.wait((leaving,), timeout=_LEAVE_SECONDS)
            self._client.abandon()
        await ended

    def _end(self, number: int) -> None:
        """Leave because of a signal, as on Ctrl-D; a second one is not waited for."""
        self._ended_by = number
        asyncio.get_running_loop().remove_signal_handler(number)
        app = self._session.app
        if app.is_running and not app.is_done:
            app.exit(exception=EOFError)

    def _say_what_was_not_sent(self) -> None:
        for outgoing in self._outgoing.values():
            if outgoing.says_something:
                text = f"Not sent: {outgoing.line}"
                try:
                    self._print(self._transcript.error(text))
                except OSError:  # the terminal has gone; errors may go elsewhere
                    with contextlib.suppress(OSError):
                        tell(text)

    # The keyboard (in the loop)

    async def _type(self) -> None:
        """Let the person type until they want to leave.

        It is one prompt from beginning to end. With a new one for each line the terminal would be
        in its normal mode in between, and what was typed just then would be echoed by the system.
        """
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            await self._session.prompt_async()

    def _prompt(self) -> StyleAndTextTuples:
        """Return what stands before the cursor: what is on its way, and where the line goes.

        What is on its way has a row each, and a third of the screen, so that the line being typed
        is always to be seen. The server's answer prints it in full, and so does the end.
        """
        if is_done():
            return [("", self._prompt_text)]
        size = self._session.output.get_size()
        waiting = [each for each in self._outgoing.values() if each.says_something]
        shown = waiting[-max(1, size.rows // 3) :]
        pieces: StyleAndTextTuples = []
        if len(shown) < len(waiting):
            count = len(waiting) - len(shown)
            pieces += [(self._colours.notice, f"({count} more)"), ("", "\n")]
        for outgoing in shown:
            style, text = self._transcript.pending(outgoing.message(self._me))
            pieces += [(style, cut(taken_apart(text), size.columns)), ("", "\n")]
        return [*pieces, ("", self._prompt_text)]

    @property
    def _prompt_text(self) -> str:
        return f"{self._conversation.short_title}> " if self._conversation is not None else "> "

    def _add_status_line(self) -> None:
        """Put the status line below the line being typed.

        The prompt's own toolbar would vanish with everything that is printed, until the terminal
        has said where its cursor is; and that answer may be about a moment that has passed.
        """
        layout = self._session.app.layout
        bar = Window(
            FormattedTextControl(self._status_pieces), height=1, style="class:bottom-toolbar"
        )
        prompt = layout.current_window
        layout.container = HSplit([layout.container, ConditionalContainer(bar, filter=~is_done)])
        layout.focus(prompt)

    def _status_pieces(self) -> StyleAndTextTuples:
        columns = self._session.output.get_size().columns
        offers = self._tab.offers(self._session.default_buffer, columns)
        if offers:
            return [("bold" if chosen else "", f" {offer}") for offer, chosen in offers]
        waiting = sum(each.says_something for each in self._outgoing.values())
        here = self._roster.here()
        return [("", self._status.text(self._conversation, here, waiting, columns))]

    def _on_key(self, _buffer: Buffer) -> None:
        self._status.seen()
        if self._status.busy and time.monotonic() > self._asked_at + _HELD_IS_NEWS_FOR:
            self._asked_at = time.monotonic()
            number = self._client.number()
            self._quiet.add(number)
            self._sender.submit(self._client.post, "status", number)

    def _accept(self, buffer: Buffer) -> bool:
        """Take the line that was ended with Enter; True when the line is to stay there."""
        line = buffer.text
        count = len(line.strip().splitlines())
        self._status.seen()
        if 0 < self._settings.confirm_lines <= count and line != self._to_confirm:
            self._to_confirm = line
            self._print(self._transcript.notice(f"Press Enter again to send these {count} lines."))
            return True
        self._to_confirm = None
        if line.strip():
            self._carry_out(line)
        elif not self._status.connected:
            self._client.hurry()
        return False

    def _carry_out(self, line: str) -> None:
        """Send the request in a line, if there is one, or do what it says."""
        try:
            request = self._commands.parse(line, self._conversation)
        except UsageError as error:
            self._echo(line)
            self._print(self._transcript.error(str(error)))
            return
        if request is None:
            return
        if request.op == LOGOUT:
            get_app().exit(result="")
        elif request.op == TALK.name:
            self._talk(request)
        elif request.op == MORE.name:
            self._more(line)
        elif request.op == "help" and request.fields.get("command") in _OWN:
            self._echo(line)
            self._print(
                self._transcript.lines(HelpReply(commands=(_OWN[str(request.fields["command"])],)))
            )
        else:
            self._ask(line, request)

    def _talk(self, request: Request) -> None:
        """Change the conversation at once, because the next line may be here already.

        Where it is with somebody never heard of, the server is asked meanwhile; what is said to
        nobody arrives nowhere.
        """
        self._conversation = conversation_in(request)
        self._print(self._transcript.notice(announcement(self._conversation)))
        for question in self._names_asked.questions(self._conversation, self._roster.names()):
            number = self._client.number()
            self._names_asked.ask(number, str(question.fields["with"]))
            self._sender.submit(self._client.post, question.op, number, **question.fields)

    def _nobody(self, name: str) -> list[list[Piece]]:
        """Take back a conversation with somebody whom the server does not know."""
        if self._conversation is None or name not in self._conversation.to:
            return []
        self._conversation = None
        return self._transcript.error(nobody_called(name, self._roster.names()))

    def _more(self, line: str) -> None:
        try:
            self._ask(line, self._paging.more())
        except UsageError as error:
            self._echo(line)
            self._print(self._transcript.error(str(error)))

    def _ask(self, line: str, request: Request) -> None:
        outgoing = Outgoing(line, request)
        number = self._client.number()
        self._outgoing[number] = outgoing
        self._paging.ask(number, request)
        if not outgoing.says_something:
            self._echo(line)
        self._sender.submit(self._client.post, request.op, number, **request.fields)

    def _echo(self, line: str) -> None:
        self._print(self._transcript.typed(line, self._prompt_text, _CONTINUATION))

    @staticmethod
    async def _stop_typing(typing: "asyncio.Task[None]") -> None:
        """Take the line away from somebody who may be in the middle of it."""
        app = get_app_or_none()
        if app is not None and app.is_running and not app.is_done:
            app.exit(exception=EOFError)
        else:
            typing.cancel()
        await asyncio.wait((typing,))

    # The link (in the loop)

    def _link_changed(self, link: LinkState) -> None:
        was_connected = self._status.connected
        self._status.link_changed(link)
        if was_connected and link.state == "waiting":
            self._print(self._transcript.error(link.reason))
        self._redraw()

    async def _count_down(self) -> None:
        """Have seconds seen to go by: until the next try, or without an answer."""
        while True:
            await asyncio.sleep(1.0)
            was_silent = self._status.silent
            self._status.unanswered_seconds = self._client.unanswered_seconds
            if not self._status.connected or self._status.silent or was_silent:
                self._redraw()

    # The screen (in the loop)

    def _lines(self, events: Iterable[Event]) -> list[list[Piece]]:
        lines = []
        for event in events:
            self._hear(event)
            lines += self._event_lines(event)
        return lines

    def _hear(self, event: Event) -> None:
        self._roster.hear(event)
        self._status.hear(event)
        if isinstance(event, Message) and event.replay is not True and self._rings(event):
            self._session.output.bell()

    def _event_lines(self, event: Event) -> list[list[Piece]]:
        match event:
            case Reply(re=int(number)) | Error(re=int(number)) if number in self._quiet:
                self._quiet.discard(number)
                return []
            case Reply() | Error() if self._names_asked.waits_for(event):
                nobody = self._names_asked.answer(event)
                return [] if nobody is None else self._nobody(nobody)
            case Reply(re=int(number)) | Error(re=int(number)) if number in self._outgoing:
                return self._answer(self._outgoing.pop(number), event)
            case LoginReply():
                return [
                    *self._transcript.notice("Connected again."),
                    *self._transcript.lines(event)[1:],
                ]
            case Bye():
                # Where the client comes back, the reason is said with the loss of the link.
                return self._transcript.lines(event) if self._client.closing else []
            case Presence() if not self._settings.notices:
                return []
        return self._transcript.lines(event)

    def _columns(self) -> int:
        return self._session.output.get_size().columns

    def _answer(self, outgoing: Outgoing, answer: Event) -> list[list[Piece]]:
        """Return an answer as lines: a message takes its place among the others now."""
        if isinstance(answer, BroadcastReply | SendReply):
            message = outgoing.message(self._me, answer.seq)
            return self._transcript.own(message, self._busy_told.outcome(answer))
        if isinstance(answer, Error) and outgoing.says_something:
            return self._offer_again(outgoing, answer)
        self._paging.hear(answer)
        return self._transcript.lines(answer, self._columns())

    def _offer_again(self, outgoing: Outgoing, error: Error) -> list[list[Piece]]:
        """Put a message that failed back on the line, or say where it is."""
        buffer = self._session.default_buffer
        if error.code == LINK_LOST:
            self._outgoing[0 if error.re is UNSET else error.re] = outgoing  # said at the end
            return []
        if not buffer.text:
            buffer.document = Document(outgoing.line)
            self._status.refusal = error.text
            hint = "it is on the line again"
        else:
            hint = "the up arrow has it"
        return self._transcript.error(f"Not sent: {error.text} ({hint})")

    def _rings(self, message: Message) -> bool:
        if fold(message.sender) == fold(self._me):
            return False
        mentioned = bool(mentions_in(message.text, self._me))
        match self._settings.bell:
            case "all":
                return True
            case "mention":
                return mentioned
            case "private":
                return mentioned or message.to is not UNSET
        return False

    def _print(self, lines: list[list[Piece]]) -> None:
        """Print above the line being typed.

        prompt_toolkit's own patch_stdout would return the terminal to its normal mode for each
        print, and a key pressed in that moment would be echoed by the system into the screen. So
        the prompt is taken off and drawn again here, with the terminal left as it is.
        """
        if not lines:
            return
        app = get_app_or_none()
        if app is not None and app.is_running:
            app.renderer.erase()
            app.invalidate()
        pieces: StyleAndTextTuples = []
        for line in lines:
            pieces += [*line, ("", "\n")]
        print_formatted_text(
            self._session.output,
            pieces,
            self._style,
            color_depth=self._session.color_depth,
        )

    @staticmethod
    def _redraw() -> None:
        app = get_app_or_none()
        if app is not None and app.is_running:
            app.invalidate()

    def _show(self, events: list[Event], shown: "Future[None]") -> None:
        try:
            self._print(self._lines(events))
            self._redraw()
        finally:
            shown.set_result(None)

    # The pump (its own thread)

    def _pump(self, loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
        try:
            while True:
                events = self._client.next_events(1.0)
                if events:
                    self._pass_on(events, loop)
                elif self._client.closing:
                    break
        except ChatError as error:
            self._loss = error
        finally:
            _call(loop, over.set)

    def _pass_on(self, events: list[Event], loop: asyncio.AbstractEventLoop) -> None:
        """Have events printed, wait until they are, and acknowledge them."""
        shown: Future[None] = Future()
        if not _call(loop, lambda: self._show(events, shown)):
            return
        shown.result()
        acknowledge(self._client, events)


def _call(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> bool:
    """Have something done in the loop; False when it is over (Ctrl-C while leaving)."""
    try:
        loop.call_soon_threadsafe(action)
    except RuntimeError:
        return False
    return True
