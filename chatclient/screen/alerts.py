"""What reaches somebody who looks elsewhere: a notification of the desktop, and the window's title.

Both are sequences that a terminal takes, and one that does not know them may print them. So they
are written only where that is known.
"""

from collections.abc import Mapping
from typing import Final

from chatclient.screen.output import cut
from chatclient.setup.settings import Notify
from chatwire.text import one_line

_END: Final = "\x1b\\"
"""Not BEL, which also ends these: a terminal that does not know them would ring."""

_COLUMNS: Final = 200

_BY_PROGRAM: Final[dict[str, Notify]] = {"iTerm.app": "osc9", "WezTerm": "osc9", "ghostty": "osc9"}
_BY_TERM: Final[dict[str, Notify]] = {
    "xterm-kitty": "osc9",
    "xterm-ghostty": "osc9",
    "wezterm": "osc9",
    "foot": "osc777",
    "rxvt-unicode": "osc777",
}
_WITH_TITLE: Final = ("xterm", "rxvt", "tmux", "foot", "alacritty", "wezterm", "konsole", "st-")
_SAVE_TITLE: Final = "\x1b[22;2t"
_RESTORE_TITLE: Final = "\x1b[23;2t"


def how_to_notify(wanted: Notify, environ: Mapping[str, str]) -> Notify:
    """Return which sequence to write, `off` where none is known to be taken.

    Within tmux or screen the terminal is theirs, whatever the environment has inherited.
    """
    if wanted != "auto":
        return wanted
    if environ.get("TMUX") or environ.get("STY"):
        return "off"
    term = environ.get("TERM", "")
    known = [how for begin, how in _BY_TERM.items() if term.startswith(begin)]
    return _BY_PROGRAM.get(environ.get("TERM_PROGRAM", ""), *known[:1] or ["off"])


class Alerts:
    """What is to be written to one terminal."""

    def __init__(self, notify: Notify, environ: Mapping[str, str], *, title: bool) -> None:
        """As the person wants it, and as far as the terminal that `environ` tells of is known."""
        self._how = how_to_notify(notify, environ)
        self._titled = title and environ.get("TERM", "").startswith(_WITH_TITLE)
        self._shown = ""

    def notification(self, title: str, text: str) -> str:
        """Return the sequence for a notification of the desktop, or nothing."""
        title, text = one_line(title).replace(";", ","), one_line(text)
        match self._how:
            case "osc9":
                return f"\x1b]9;{cut(f'{title}: {text}', _COLUMNS)}{_END}"
            case "osc777":
                return f"\x1b]777;notify;{cut(title, _COLUMNS)};{cut(text, _COLUMNS)}{_END}"
        return ""

    def title(self, text: str) -> str:
        """Return the sequence for a title, or nothing when that is the title already."""
        text = cut(one_line(text), _COLUMNS)
        if not self._titled or text == self._shown:
            return ""
        save = "" if self._shown else _SAVE_TITLE
        self._shown = text
        return f"{save}\x1b]2;{text}{_END}"

    def restore(self) -> str:
        """Return the sequence that brings back the title from before."""
        return _RESTORE_TITLE if self._shown else ""
