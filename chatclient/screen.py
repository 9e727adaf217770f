"""What this client needs of a terminal that the library it is drawn with does not do by itself."""

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
