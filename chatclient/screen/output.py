"""What this client needs of a terminal that the library it is drawn with does not do by itself."""

import os
from collections.abc import Mapping

from prompt_toolkit.application import Application
from prompt_toolkit.layout import Window
from prompt_toolkit.layout.screen import Screen
from prompt_toolkit.output import Output
from prompt_toolkit.output.defaults import create_output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.utils import get_cwidth


def screen_output() -> Output:
    """Return this process's terminal.

    It is never asked where its cursor is. What stands at the bottom would move there only with the
    answer, and back up with each message; and an answer from before the latest message is wrong.

    tmux, for one, takes "erase everything below" in the top left corner for "clear the screen", and
    first moves what is there into its scrollback: the line being typed and all, each time something
    is printed above them. So that is never asked for in the corner, but one column on.
    """
    output = create_output()
    output.get_rows_below_cursor_position = lambda: 0  # type: ignore[method-assign]
    if isinstance(output, Vt100_Output):
        erase_down = output.erase_down

        def erase() -> None:
            output.write_raw(" ")
            erase_down()
            output.write_raw("\r")
            output.erase_end_of_line()

        output.erase_down = erase  # type: ignore[method-assign]
    return output


def follow_reflow(app: "Application[str]") -> None:
    """Have `app` find the first row of what it has drawn after the terminal has become narrower.

    Most terminals break the rows that are too long then, so that the line being typed takes more
    rows than were drawn; those above would stay as copies. The ones that cut rows instead say so.
    """
    renderer = app.renderer
    erase = renderer.erase

    def erase_all(leave_alternate_screen: bool = True) -> None:
        columns = app.output.get_size().columns
        screen = renderer.last_rendered_screen
        if screen is not None and _reflows(os.environ):
            app.output.cursor_up(_rows_added(screen, app.layout.current_window, columns))
        erase(leave_alternate_screen)

    renderer.erase = erase_all  # type: ignore[method-assign]


def _reflows(environ: Mapping[str, str]) -> bool:
    """Tell whether the terminal breaks its rows anew; xterm, screen and the console do not."""
    term = environ.get("TERM", "")
    if "TMUX" in environ:
        return True
    return "XTERM_VERSION" not in environ and not term.startswith(("linux", "screen", "vt"))


def _rows_added(screen: Screen, window: Window, columns: int) -> int:
    """Return by how many rows the cursor is further down, with so many columns."""
    cursor = screen.get_cursor_position(window)
    added = cursor.x // columns
    for y in range(cursor.y):
        row = screen.data_buffer[y]
        filled = [x for x in row if row[x].char != " "]
        width = max(filled) + max(1, row[max(filled)].width) if filled else 0
        added += max(0, -(-width // columns) - 1)
    return added


def cut(text: str, columns: int) -> str:
    """Return as much of a line as fits into `columns`, ending in `…` where something is missing."""
    width = 0
    for at, character in enumerate(text):
        width += get_cwidth(character)
        if width > columns:
            return _ended(text[:at], columns)
    return text


def _ended(text: str, columns: int) -> str:
    while text and get_cwidth(text) >= columns:
        text = text[:-1]
    return f"{text}…"
