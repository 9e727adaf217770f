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
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Final

from chatclient.ended import Ended, expected
from chatclient.errors import ChatError
from chatclient.faces.dialogue import Dialogue, Knowledge
from chatclient.faces.follow import acknowledge
from chatclient.faces.hook import Hook
from chatclient.faces.summons import Summons
from chatclient.faces.upkeep import Upkeep
from chatclient.home import config_folder
from chatclient.link.keeper import LinkState
from chatclient.link.resume import ResumingClient
from chatclient.screen.alerts import Alerts
from chatclient.screen.completion import LineCompleter
from chatclient.screen.display import Display, Typist
from chatclient.screen.inputhistory import input_history
from chatclient.screen.statusline import StatusLine
from chatclient.setup.credentials import tell
from chatclient.setup.entrance import Entry
from chatclient.setup.settings import ClientSettings
from chatclient.talk.colours import Colours
from chatclient.talk.conversation import conversation_of
from chatclient.talk.ignored import Ignored
from chatclient.talk.outgoing import Outgoing
from chatclient.talk.parts import MOST_PARTS
from chatclient.talk.recent import Recent
from chatclient.talk.request import Request
from chatclient.talk.roster import Roster
from chatclient.talk.transcript import Piece, Transcript
from chatclient.talk.unread import Unread
from chatclient.talk.writers import Writers
from chatwire.events import (
    Bye,
    Deleted,
    Edited,
    Error,
    Event,
    Message,
    Presence,
    Reacted,
    RoomChanged,
)
from chatwire.replies import ConversationsReply, LoginReply, Reply, WhoReply
from chatwire.wording import table

_LEAVE_SECONDS: Final = 3.0
_FIRST_STEPS: Final = (
    ("  talk lobby", "to speak to everybody"),
    ("  talk <user>", "to speak to one person"),
    ("  rooms", "to see which rooms there are"),
)


class Terminal:
    """One session at a terminal. `run` in the main thread returns when the person has left."""

    def __init__(self, entry: Entry, client: ResumingClient, settings: ClientSettings) -> None:
        """Take over the connection of `entry`, and let `client` keep it."""
        colours = Colours(on=settings.client.colours)
        self._entry = entry
        self._me = entry.welcome.name
        self._client = client
        self._settings = settings.client
        self._roster = Roster(self._me)
        self._colours = colours
        self._recent = Recent(self._me)
        self._ignored = Ignored(self._me, entry.connection.place, config_folder() / "ignored")
        self._unread = Unread(self._me, self._ignored.ignores)
        self._status = StatusLine(entry.connection.place, entry.connection.security)
        today = datetime.now().astimezone().date()
        self._transcript = Transcript(self._me, colours, today, self._recent)
        hello = entry.connection.hello
        can = frozenset(() if hello is None else hello.can)
        self._writers = Writers(self._me)
        self._upkeep = Upkeep(self._me, can, self._unread, self._post, self._tell)
        self._loss: ChatError | None = None
        self._ended_by: int | None = None
        self._to_confirm: str | None = None
        self._telling: Future[None] | None = None
        self._typing = ""  # what the status line says of it
        self._is_settled = False  # whether it is known if this is a newcomer
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="chat-sender")
        typist = Typist(
            lambda: self._dialogue.prompt,
            self._on_its_way,
            self._status_text,
            self._on_key,
            self._on_words,
            self._accept,
            self._go_on,
        )
        completer = LineCompleter(entry.commands, self._roster, lambda: self._dialogue.conversation)
        kept_in = config_folder() / "input_history" if self._settings.remember else None
        typed_before = input_history(kept_in, tell)
        alerts = Alerts(self._settings.notify, os.environ, title=self._settings.title)
        self._display = Display(typist, completer, colours, alerts, typed_before)
        self._summons = Summons(
            self._me,
            entry.connection.place,
            self._settings,
            self._display,
            Hook(self._settings.hook_command, self._complain),
        )
        self._dialogue = Dialogue(
            self._me,
            entry.commands,
            Knowledge(self._roster, self._recent, self._unread, self._ignored),
            self._transcript,
            self._status,
            self._display,
            self._upkeep,
            self._post,
            all_in_view=self._settings.view == "all",
            most_characters=0
            if hello is None or not hello.most_characters
            else hello.most_characters,
        )

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
        self._display.wipe_row()
        self._display.print(self._transcript.lines(self._entry.welcome))

        def watch(link: LinkState) -> None:  # the keeper
            _call(loop, lambda: self._link_changed(link))

        if sys.platform != "win32":
            for number in expected():
                loop.add_signal_handler(number, self._end, number)
            loop.add_signal_handler(signal.SIGCONT, self._display.continued)
        self._client.watch = watch
        self._client.start(self._entry.connection, self._entry.welcome)
        self._upkeep.begin()
        pump = threading.Thread(target=self._pump, args=(loop, over), name="chat-pump", daemon=True)
        pump.start()
        clock = asyncio.create_task(self._count_down())
        ended = asyncio.create_task(over.wait())
        typing = asyncio.create_task(self._display.type())
        await asyncio.wait((typing, ended), return_when=asyncio.FIRST_COMPLETED)
        clock.cancel()
        if not typing.done():
            await self._display.stop(typing)
        else:
            typing.result()
            self._upkeep.flush()
            # Behind what was typed before. A server that reads slowly is not waited for longer.
            leaving = loop.run_in_executor(self._sender, self._client.close)
            await asyncio.wait((leaving,), timeout=_LEAVE_SECONDS)
            self._client.abandon()
        await ended
        await self._summons.end()

    def _end(self, number: int) -> None:
        """Leave because of a signal, as on Ctrl-D; a second one is not waited for."""
        self._ended_by = number
        asyncio.get_running_loop().remove_signal_handler(number)
        self._display.leave()

    def _say_what_was_not_sent(self) -> None:
        for line in (*(each.line for each in self._dialogue.unsent), *self._dialogue.drafts):
            text = f"Not sent: {line}"
            try:
                self._display.print(self._transcript.error(text))
            except OSError:  # the terminal has gone; errors may go elsewhere
                with contextlib.suppress(OSError):
                    tell(text)

    # The keyboard (in the loop)

    def _on_its_way(self, most: int) -> tuple[list[Piece], int]:
        """Return the last messages that are not on the server, and how many more there are."""
        unsent = self._dialogue.unsent
        shown = unsent[-most:]
        return list(map(self._pending, shown)), len(unsent) - len(shown)

    def _pending(self, outgoing: Outgoing) -> Piece:
        if outgoing.says_something:
            return self._transcript.pending(outgoing.message(self._me))
        return self._transcript.kept(outgoing.line)

    def _status_text(self, columns: int) -> str:
        here, waiting = self._roster.here(), len(self._dialogue.unsent)
        there, unread = self._dialogue.conversation, tuple(self._unread.parts())
        self._typing = self._writers.text(there, time.monotonic())
        return self._status.text(there, here, waiting, columns, unread, self._typing)

    def _on_key(self) -> None:
        self._status.seen()
        self._upkeep.key(self._dialogue.conversation, self._display.rows, busy=self._status.busy)
        self._summons.waiting(self._unread.total)

    def _on_words(self, line: str) -> None:
        there = self._dialogue.said_in(line)
        if there is not None and self._settings.typing and not self._status.hidden:
            self._upkeep.wrote(there)

    def _go_on(self) -> None:
        self._dialogue.go_on()

    def _accept(self, line: str) -> bool:
        """Take the line that was ended with Enter; True when the line is to stay there."""
        self._on_key()
        question = self._question(line)
        if question:
            self._to_confirm = line
            self._status.urgent = question
            self._display.redraw()
            return True
        self._to_confirm = None
        if line.strip():
            self._dialogue.carry_out(line)
            self._summons.waiting(self._unread.total)  # what is ignored now counts no longer
        elif not self._status.connected:
            self._client.hurry()
        return False

    def _question(self, line: str) -> str:
        """Return what to ask, or say, before a line is sent; nothing where it can be."""
        lines, several = len(line.strip().splitlines()), self._dialogue.parts(line)
        if several > MOST_PARTS:
            return f"That is too long, even for {MOST_PARTS} messages: make it shorter."
        if line == self._to_confirm:
            return ""
        if several > 1:
            return f"That is too long for one message: press Enter again to send {several} parts."
        if 0 < self._settings.confirm_lines <= lines:
            return f"Press Enter again to send these {lines} lines."
        return ""

    def _complain(self, text: str) -> None:
        self._display.print(self._transcript.error(text))

    def _post(self, request: Request) -> int:
        """Have a request sent behind those before it; return the number its answer will carry."""
        number = self._client.number()
        self._sender.submit(self._client.post, request.op, number, **request.fields)
        return number

    def _tell(self, request: Request) -> None:
        """Have something sent that is of use now or not at all: not behind a line that waits."""
        if self._telling is None or self._telling.done():
            self._telling = self._sender.submit(self._client.tell, request.op, **request.fields)

    # The link (in the loop)

    def _link_changed(self, link: LinkState) -> None:
        was_connected = self._status.connected
        self._status.link_changed(link)
        if was_connected and link.state == "waiting":
            self._display.print(self._transcript.error(link.reason))
        self._display.redraw()

    async def _count_down(self) -> None:
        """Have seconds seen to go by: until the next try, or without an answer."""
        while True:
            await asyncio.sleep(1.0)
            was_silent = self._status.silent
            self._status.unanswered_seconds = self._client.unanswered_seconds
            if self._status.connected:
                self._upkeep.tick()
            if (
                not self._status.connected
                or self._status.silent
                or was_silent
                or self._typing  # it may be over
            ):
                self._display.redraw()

    # The screen (in the loop)

    def _lines(self, events: Iterable[Event]) -> list[list[Piece]]:
        lines = []
        for event in events:
            self._hear(event)
            if self._ignored.hides(event):
                continue
            if self._dialogue.is_in_view(event):
                shown = self._event_lines(event)
                self._upkeep.shown(event, len(shown))
                lines += shown
        return lines

    def _hear(self, event: Event) -> None:
        self._roster.hear(event)
        self._status.hear(event)
        if self._ignored.hides(event):
            return
        self._upkeep.hear(event)
        if self._settings.typing:
            self._writers.hear(event, time.monotonic())
        if isinstance(event, Message):
            self._recent.hear(event)
        elif isinstance(event, Edited | Deleted | Reacted):
            self._recent.change(event)
        if isinstance(event, LoginReply | Presence | WhoReply):
            self._colours.here((self._me, *self._roster.here()))
        if isinstance(event, Message) and not self._status.busy:
            self._summons.hear(event)

    def _first_steps(self, event: Event) -> list[list[Piece]]:
        """Return what to type, for whoever learns that there is only the lobby for him yet."""
        if not isinstance(event, ConversationsReply) or self._is_settled:
            return []
        self._is_settled = True
        places = (conversation_of(each, self._me) for each in event.conversations)
        if any(each is not None and not each.is_lobby for each in places):
            return []
        lines = ["To begin, type", *table(_FIRST_STEPS, self._display.columns - 1)]
        return [piece for each in lines for piece in self._transcript.notice(each)]

    def _event_lines(self, event: Event) -> list[list[Piece]]:
        match event:
            case Reply() | Error() if self._upkeep.answers(event):
                return self._first_steps(event)
            case Reply() | Error() if (lines := self._dialogue.answer(event)) is not None:
                return lines
            case LoginReply():
                self._upkeep.begin()
                return [
                    *self._transcript.notice("Connected again."),
                    *self._transcript.lines(event)[1:],
                ]
            case Bye():
                # Where the client comes back, the reason is said with the loss of the link.
                return self._transcript.lines(event) if self._client.closing else []
            case Presence() if not self._settings.notices:
                return []
            case RoomChanged():
                return [*self._transcript.lines(event), *self._dialogue.without(event)]
        return self._transcript.lines(event)

    def _show(self, events: list[Event], shown: "Future[None]") -> None:
        try:
            self._display.print(self._lines(events))
            self._summons.waiting(self._unread.total)
            self._display.redraw()
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
