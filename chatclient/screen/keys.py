"""What keys do at the prompt, where it is not what they do in every program with Emacs keys."""

from collections.abc import Callable
from typing import Final

from prompt_toolkit.application import get_app
from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from chatclient.screen.emoji import end_of_cluster, start_of_cluster
from chatclient.screen.suspend import suspend
from chatclient.screen.tabcycle import TabCycle

KEYS: Final = (
    ("  Tab, Shift-Tab", "The next and the last command or name that fits."),
    ("  Up, Down, Ctrl-R", "What you typed before; search in it."),
    ("  Ctrl-A, Ctrl-E, Alt-B …", "As in Emacs and in the shell."),
    ("  Alt-A", "Go to the next conversation that waits to be read."),
    ("  Ctrl-C", "Clear the line; on an empty one leave."),
    ("  Ctrl-D", "Leave, on an empty line."),
    ("  Ctrl-L, Ctrl-Z", "Clear the screen; suspend."),
)
"""What keys do, for whoever asks for help."""


def keys(tab: TabCycle, go_on: Callable[[], None]) -> KeyBindings:
    """Return the bindings; `go_on` goes to the next conversation that waits to be read.

    While Ctrl-R looks for a line, keys do what they do there elsewhere.
    """
    bindings = KeyBindings()
    typing = ~is_searching
    has_text = Condition(lambda: bool(get_app().current_buffer.text))

    @bindings.add("c-c", filter=typing)
    def _clear_or_leave(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt)

    @bindings.add("tab", filter=typing)
    def _next(event: KeyPressEvent) -> None:
        tab.turn(event.current_buffer)

    @bindings.add("s-tab", filter=typing)
    def _previous(event: KeyPressEvent) -> None:
        tab.turn(event.current_buffer, -1)

    @bindings.add("escape", "a", filter=typing)
    def _go_on(_event: KeyPressEvent) -> None:
        go_on()

    @bindings.add("enter", filter=typing)
    def _accept(event: KeyPressEvent) -> None:
        """Send the line, whatever comes behind it and however fast.

        A link that stood still delivers many lines in one read; whoever typed them ended each. Only
        a paste that the terminal marks as one may hold line breaks.
        """
        event.current_buffer.validate_and_handle()

    @bindings.add("c-j", filter=typing)
    def _line_feed(event: KeyPressEvent) -> None:
        """Send the line; but behind Enter a line feed is the second half of the same key.

        Enter comes as a line feed alone where it was pressed before the prompt was there, with the
        terminal in its normal mode.
        """
        if [press.data for press in event.previous_key_sequence] != ["\r"]:
            event.current_buffer.validate_and_handle()

    @bindings.add("left", filter=typing)
    @bindings.add("c-b", filter=typing)
    def _left(event: KeyPressEvent) -> None:
        event.current_buffer.cursor_left(start_of_cluster(event.current_buffer.document))

    @bindings.add("right", filter=typing)
    @bindings.add("c-f", filter=typing)
    def _right(event: KeyPressEvent) -> None:
        event.current_buffer.cursor_right(end_of_cluster(event.current_buffer.document))

    @bindings.add("backspace", filter=typing)
    def _delete_before(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        buffer.delete_before_cursor(start_of_cluster(buffer.document) or 1)

    @bindings.add("delete", filter=typing)
    @bindings.add("c-d", filter=typing & has_text)
    def _delete_behind(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        buffer.delete(end_of_cluster(buffer.document) or 1)

    @bindings.add("c-z", filter=typing)
    def _suspend(event: KeyPressEvent) -> None:
        suspend(event.app)

    @bindings.add(Keys.BracketedPaste)
    def _paste(event: KeyPressEvent) -> None:
        """Put a paste in as it is, but for the line break at its end, which is not meant."""
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        event.current_buffer.insert_text(text.rstrip("\n"))

    return bindings
