"""The client at a terminal: a line to type on, and what happens scrolling by above it.

There is no alternate screen, so scrolling back, copying and screen readers work as everywhere.

Threads: the main thread runs an asyncio loop, and everything on the screen happens there. The
*pump*, a daemon, takes events in batches, waits until the loop has printed each batch, then
acknowledges it: nothing is acknowledged that has not been shown, and a screen that is stopped
(Ctrl-S) stops the reader instead of filling the memory. One *sender* sends what was typed, so that
a server which reads slowly never freezes the keyboard.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, get_app_or_none
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style

from chatclient.colours import Colours
from chatclient.commandline import LOGOUT, Request
from chatclient.completion import LineCompleter
from chatclient.entrance import Entry
from chatclient.errors import LinkLost
from chatclient.resume import ResumingClient
from chatclient.roster import Roster
from chatclient.settings import ClientSettings
from chatclient.transcript import Piece, Transcript
from chatwire.protocol import Bye, Event, Message
from chatwire.usage import UsageError

_PROMPT: Final = "> "
_CONTINUATION: Final = ". "
_CONFIRM_FROM_LINES: Final = 5
_LEAVE_SECONDS: Final = 3.0


class Terminal:
    """One session at a terminal. `run` in the main thread returns when the person has left."""

    def __init__(self, entry: Entry, client: ResumingClient, settings: ClientSettings) -> None:
        """Take over the connection of `entry`, and let `client` keep it."""
        colours = Colours(on=settings.client.colours)
        self._connection = entry.connection
        self._client = client
        self._commands = entry.commands
        self._welcome = entry.welcome
        self._roster = Roster(entry.welcome.name)
        self._transcript = Transcript(
            entry.welcome.name, colours, datetime.now().astimezone().date()
        )
        self._style = Style([])
        depth = None if colours.on else ColorDepth.DEPTH_1_BIT
        self._session: PromptSession[str] = PromptSession(
            _PROMPT,
            completer=LineCompleter(entry.commands, self._roster),
            complete_while_typing=False,
            enable_suspend=True,
            key_bindings=_keys(),
            color_depth=depth,
            prompt_continuation=lambda _width, _line, wraps: "" if wraps else _CONTINUATION,
        )
        self._session.default_buffer.accept_handler = self._accept
        self._to_confirm: str | None = None
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="chat-sender")

    def run(self) -> None:
        """Chat until the person leaves. Raises LinkLost when the connection ends first."""
        try:
            asyncio.run(self._chat())
        finally:
            self._connection.close()  # wakes a sender that is still sending
            self._sender.shutdown()

    async def _chat(self) -> None:
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        self._print(self._lines([self._welcome]))
        pump = threading.Thread(target=self._pump, args=(loop, over), name="chat-pump", daemon=True)
        pump.start()
        ended = asyncio.create_task(over.wait())
        typing = asyncio.create_task(self._type())
        await asyncio.wait((typing, ended), return_when=asyncio.FIRST_COMPLETED)
        if not typing.done():
            await self._stop_typing(typing)
        else:
            typing.result()
            # Behind what was typed before. A server that reads slowly is not waited for longer.
            leaving = loop.run_in_executor(self._sender, self._connection.logout)
            await asyncio.wait((leaving,), timeout=_LEAVE_SECONDS)
            self._connection.close()
        await ended
        loss = self._connection.lost
        if loss is not None and not self._connection.leaving:
            raise loss

    # The keyboard (in the loop)

    async def _type(self) -> None:
        """Let the person type until they want to leave.

        It is one prompt from beginning to end. With a new one for each line the terminal would be
        in its normal mode in between, and what was typed just then would be echoed by the system.
        """
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            await self._session.prompt_async()

    def _accept(self, buffer: Buffer) -> bool:
        """Take the line that was ended with Enter; True when the line is to stay there."""
        line = buffer.text
        count = len(line.strip().splitlines())
        if count >= _CONFIRM_FROM_LINES and line != self._to_confirm:
            self._to_confirm = line
            self._print(self._transcript.notice(f"Press Enter again to send these {count} lines."))
            return True
        self._to_confirm = None
        if line.strip():
            self._print(self._transcript.typed(line, _PROMPT, _CONTINUATION))
            self._carry_out(line)
        return False

    def _carry_out(self, line: str) -> None:
        """Send the request in a line, if there is one, or leave."""
        try:
            request = self._commands.parse(line)
        except UsageError as error:
            self._print(self._transcript.error(str(error)))
            return
        if request is None:
            return
        if request.op == LOGOUT:
            get_app().exit(result="")
        else:
            self._sender.submit(self._send, request)

    def _send(self, request: Request) -> None:
        """Send a request (the sender thread); its answer comes with the events."""
        with contextlib.suppress(LinkLost):  # the pump learns it too
            self._connection.post(request.op, **request.fields)

    @staticmethod
    async def _stop_typing(typing: "asyncio.Task[None]") -> None:
        """Take the line away from somebody who may be in the middle of it."""
        app = get_app_or_none()
        if app is not None and app.is_running and not app.is_done:
            app.exit(exception=EOFError)
        else:
            typing.cancel()
        await asyncio.wait((typing,))

    # The screen (in the loop)

    def _lines(self, events: Iterable[Event]) -> list[list[Piece]]:
        lines = []
        for event in events:
            self._roster.hear(event)
            if not isinstance(event, Bye) or self._connection.leaving:
                lines += self._transcript.lines(event)
        return lines

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

    def _show(self, events: list[Event], shown: "Future[None]") -> None:
        try:
            self._print(self._lines(events))
        finally:
            shown.set_result(None)

    # The pump (its own thread)

    def _pump(self, loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: Ctrl-C while leaving
            try:
                while True:
                    self._pass_on(self._connection.next_events(), loop)
            except LinkLost:
                pass  # `_chat` looks at how it ended
            finally:
                loop.call_soon_threadsafe(over.set)

    def _pass_on(self, events: list[Event], loop: asyncio.AbstractEventLoop) -> None:
        """Have events printed, wait until they are, and acknowledge them."""
        shown: Future[None] = Future()
        loop.call_soon_threadsafe(self._show, events, shown)
        shown.result()
        upto = max((event.seq for event in events if isinstance(event, Message)), default=0)
        if upto:
            with contextlib.suppress(LinkLost):  # next_events says it, in its turn
                self._connection.ack(upto)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("c-c")
    def _clear_or_leave(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt)

    @keys.add("enter")
    def _accept_or_break(event: KeyPressEvent) -> None:
        """Send the line, unless more text is waiting behind it.

        Nobody types that fast: it is a paste into a terminal that does not mark pastes, and its
        line breaks belong to the text.
        """
        waiting = event.key_processor.input_queue
        if any(len(press.data) == 1 and press.data.isprintable() for press in waiting):
            event.current_buffer.insert_text("\n")
        else:
            event.current_buffer.validate_and_handle()

    @keys.add(Keys.BracketedPaste)
    def _paste(event: KeyPressEvent) -> None:
        """Put a paste in as it is, but for the line break at its end, which is not meant."""
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        event.current_buffer.insert_text(text.rstrip("\n"))

    return keys
