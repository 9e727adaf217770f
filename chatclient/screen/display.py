"""The terminal: a line to type on, one below it for how things stand, and what scrolls above.

prompt_toolkit is used here and nowhere above. Everything happens in the asyncio loop.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import is_done
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.layout import ConditionalContainer, FormattedTextControl, HSplit, Window
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style

from chatclient.screen.alerts import Alerts
from chatclient.screen.completion import LineCompleter
from chatclient.screen.emoji import TakenApart, taken_apart
from chatclient.screen.keys import keys
from chatclient.screen.output import cut, follow_reflow, screen_output
from chatclient.screen.suspend import continued
from chatclient.screen.tabcycle import TabCycle
from chatclient.screen.wrap import wrapped
from chatclient.talk.colours import Colours
from chatclient.talk.transcript import Piece

CONTINUATION: Final = ". "
"""What stands before the second line of what is typed, and those after it."""


@dataclass(frozen=True, slots=True)
class Typist:
    """What a display asks whoever knows what is typed, and tells them."""

    prompt: Callable[[], str]
    """What stands before the cursor."""
    on_its_way: Callable[[int], tuple[list[Piece], int]]
    """What has a row each above that, the newest last, at most so many; and how many more."""
    status: Callable[[int], str]
    """What stands below, in so many columns."""
    key: Callable[[], None]
    """The line has changed."""
    words: Callable[[str], None]
    """Something was typed into the line, which reads so now."""
    line: Callable[[str], bool]
    """A line was ended with Enter; True when it is to stay there."""
    go_on: Callable[[], None]
    """The key for the next conversation that waits to be read was pressed."""


class Display:
    """One terminal, from the beginning of `type` to the end of that."""

    def __init__(
        self,
        typist: Typist,
        completer: LineCompleter,
        colours: Colours,
        alerts: Alerts,
        history: History,
    ) -> None:
        """`history` has what was typed before."""
        self._typist = typist
        self._alerts = alerts
        self._colours = colours
        self._style = Style([("bottom-toolbar", f"noreverse {colours.notice}")])
        self._tab = TabCycle(completer)
        self._session: PromptSession[str] = PromptSession(
            self._prompt,
            reserve_space_for_menu=0,
            input_processors=[TakenApart()],
            key_bindings=keys(self._tab, self._go_on),
            style=self._style,
            output=screen_output(),
            history=history,
            color_depth=None if colours.on else ColorDepth.DEPTH_1_BIT,
            prompt_continuation=lambda _width, _line, wraps: "" if wraps else CONTINUATION,
        )
        follow_reflow(self._session.app)
        self._add_status_line()
        self._session.default_buffer.accept_handler = self._accept
        self._session.default_buffer.on_text_changed += self._on_key
        self._session.default_buffer.on_text_insert += self._on_words

    @property
    def columns(self) -> int:
        """How wide the terminal is."""
        return self._session.output.get_size().columns

    @property
    def rows(self) -> int:
        """How many rows the screen has above the status line."""
        return self._session.output.get_size().rows - 1

    async def type(self) -> None:
        """Let the person type until they want to leave.

        It is one prompt from beginning to end. With a new one for each line the terminal would be
        in its normal mode in between, and what was typed just then would be echoed by the system.
        """
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            await self._session.prompt_async()

    def leave(self) -> bool:
        """Have `type` end, as on Ctrl-D; False when it is not running."""
        app = self._session.app
        running = app.is_running and not app.is_done
        if running:
            app.exit(exception=EOFError)
        return running

    async def stop(self, typing: "asyncio.Task[None]") -> None:
        """Take the line away from somebody who may be in the middle of it."""
        if not self.leave():
            typing.cancel()
        await asyncio.wait((typing,))

    def continued(self) -> None:
        """Take the terminal again after somebody else has had it."""
        continued(self._session.app)

    def wipe_row(self) -> None:
        """Wipe what was typed ahead and echoed by the system; it comes again on the line."""
        self._session.output.write_raw("\r")
        self._session.output.erase_end_of_line()

    def bell(self) -> None:
        """Ring."""
        self._session.output.bell()

    def notify(self, title: str, text: str) -> None:
        """Have the desktop show something, where the terminal can."""
        self._write(self._alerts.notification(title, text))

    def title(self, text: str) -> None:
        """Give the window a title."""
        self._write(self._alerts.title(text))

    def restore_title(self) -> None:
        """Give the window the title back that it had."""
        self._write(self._alerts.restore())

    def _write(self, sequence: str) -> None:
        if sequence:
            self._session.output.write_raw(sequence)
            self._session.output.flush()

    def offer(self, line: str) -> bool:
        """Put a line where it can be edited and sent; False when something is being typed there."""
        buffer = self._session.default_buffer
        if buffer.text:
            return False
        buffer.document = Document(line)
        return True

    def exchange(self, line: str) -> str:
        """Put a line where the one is that is being typed; return that."""
        buffer = self._session.default_buffer
        typed = buffer.text
        buffer.document = Document(line)
        return typed

    def print(self, lines: list[list[Piece]]) -> None:
        """Print above the line being typed.

        prompt_toolkit's own patch_stdout would return the terminal to its normal mode for each
        print, and a key pressed in that moment would be echoed by the system into the screen. So
        the prompt is taken off and drawn again here, with the terminal left as it is.
        """
        if not lines:
            return
        app = self._session.app
        if app.is_running:
            app.renderer.erase()
            app.invalidate()
        columns = self.columns
        pieces: StyleAndTextTuples = []
        for line in lines:
            for row in wrapped(line, columns):
                pieces += [*row, ("", "\n")]
        print_formatted_text(
            self._session.output,
            pieces,
            self._style,
            color_depth=self._session.color_depth,
        )

    def redraw(self) -> None:
        """Draw the line and what is around it again, when there is time."""
        if self._session.app.is_running:
            self._session.app.invalidate()

    def _prompt(self) -> StyleAndTextTuples:
        """Return what stands before the cursor: what is on its way, and where the line goes.

        What is on its way has a row each, and a third of the screen, so that the line being typed
        is always to be seen. The server's answer prints it in full, and so does the end.
        """
        prompt = self._typist.prompt()
        if is_done():
            return [("", prompt)]
        size = self._session.output.get_size()
        shown, more = self._typist.on_its_way(max(1, size.rows // 3))
        pieces: StyleAndTextTuples = []
        if more:
            pieces += [(self._colours.notice, f"({more} more)"), ("", "\n")]
        for style, text in shown:
            pieces += [(style, cut(taken_apart(text), size.columns)), ("", "\n")]
        return [*pieces, ("", prompt)]

    def _add_status_line(self) -> None:
        """Put the status line below the line being typed.

        The prompt's own toolbar would vanish with everything that is printed, until the terminal
        has said where its cursor is; and that answer may be about a moment that has passed.
        """
        layout = self._session.app.layout
        bar = Window(FormattedTextControl(self._below), height=1, style="class:bottom-toolbar")
        prompt = layout.current_window
        layout.container = HSplit([layout.container, ConditionalContainer(bar, filter=~is_done)])
        layout.focus(prompt)

    def _below(self) -> StyleAndTextTuples:
        offers = self._tab.offers(self._session.default_buffer, self.columns)
        if offers:
            return [("bold" if chosen else "", f" {offer}") for offer, chosen in offers]
        return [("", self._typist.status(self.columns))]

    def _on_key(self, _buffer: Buffer) -> None:
        self._typist.key()

    def _on_words(self, buffer: Buffer) -> None:
        self._typist.words(buffer.text)

    def _go_on(self) -> None:
        self._typist.go_on()  # before the key has what stands on the screen count as read
        self._typist.key()

    def _accept(self, buffer: Buffer) -> bool:
        return self._typist.line(buffer.text)
