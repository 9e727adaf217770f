"""Which colours, and whether there are any."""

import zlib
from collections.abc import Iterable, Mapping
from typing import Final

from chatwire.names import fold

NAMES: Final = (
    *("#d75f5f", "#af5f00", "#008700", "#008787", "#0087d7", "#875fd7", "#d700d7"),
    *("#d75f00", "#878700", "#5f8700", "#00875f", "#0087af", "#af5fd7", "#d70087"),
)
"""Colours that every 256-colour terminal has, each with a contrast of at least 3.6 : 1 to black and
to white (WCAG 2 asks for 3 : 1 of large text and signs), so none is dark blue or pale yellow. The
first half can be told apart at a glance, and is given first."""

_FIRST: Final = len(NAMES) // 2


class Colours:
    """Styles for the parts of a line, in prompt_toolkit's notation; empty when colours are off.

    Sentences have a contrast of at least 4.5 : 1 to black and to white. People who are here have
    different colours, as long as there are enough. Used by one thread at a time.
    """

    def __init__(self, *, on: bool) -> None:
        self.on = on
        self.error = "#af5f5f" if on else ""
        self.notice = "#767676" if on else ""
        self.mention = "bold"  # a weight is no colour: NO_COLOR leaves it
        self._here: dict[str, int] = {}
        self._others: dict[str, int] = {}  # with a colour to themselves; the latest last

    def here(self, names: Iterable[str]) -> None:
        """Take note of who is here: they keep their colours, and others make room for them."""
        here = dict.fromkeys(map(fold, names))
        for left in [key for key in self._here if key not in here]:
            self._others[left] = self._here.pop(left)
        for key in here:
            if key not in self._here:
                self._here[key] = self._free(key)
                self._others.pop(key, None)

    def name(self, name: str) -> str:
        """Return the style of a name."""
        if not self.on:
            return ""
        key = fold(name)
        number = self._here.get(key)
        if number is None:
            number = self._free(key)
            self._others.pop(key, None)
            if number not in self._here.values():
                self._others[key] = number
        return NAMES[number]

    def _free(self, key: str) -> int:
        """Return a colour that nobody here has, or the one that somebody had while away.

        The first choice goes by the name, so that it is mostly the same every day. Whoever is not
        here and has not spoken for the longest time loses a colour to whoever needs one.
        """
        if key in self._others:
            return self._others[key]
        first = zlib.crc32(key.encode()) % _FIRST
        choices = [(first + step) % _FIRST for step in range(_FIRST)]
        choices += [_FIRST + each for each in choices]
        taken = {*self._here.values(), *self._others.values()}
        for choice in choices:
            if choice not in taken:
                return choice
        for other, number in self._others.items():
            if number not in self._here.values():
                del self._others[other]
                return number
        return first


def colours_wanted(environ: Mapping[str, str]) -> bool:
    """Tell whether a terminal with this environment should get colours.

    NO_COLOR with any value switches them off (no-color.org); a dumb terminal has none.
    """
    return not environ.get("NO_COLOR") and not is_dumb(environ)


def is_dumb(environ: Mapping[str, str]) -> bool:
    """Tell whether the terminal cannot move its cursor."""
    return environ.get("TERM", "").lower() in ("dumb", "unknown")
