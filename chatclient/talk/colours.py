"""Which colours, and whether there are any."""

import zlib
from collections.abc import Mapping
from typing import Final

from chatwire.names import fold

_NAMES: Final = (
    "#d75f5f",
    "#d75f00",
    "#af5f00",
    "#878700",
    "#5f8700",
    "#008700",
    "#00875f",
    "#008787",
    "#0087af",
    "#0087d7",
    "#875fd7",
    "#af5fd7",
    "#d700d7",
    "#d70087",
)
"""Colours that every 256-colour terminal has, each with a contrast of at least 3.6 : 1 to black and
to white (WCAG 2 asks for 3 : 1 of large text and signs), so none is dark blue or pale yellow."""


class Colours:
    """Styles for the parts of a line, in prompt_toolkit's notation; empty when colours are off."""

    def __init__(self, *, on: bool) -> None:
        self.on = on
        self.error = "#d70000" if on else ""
        self.notice = "#767676" if on else ""
        self.mention = "bold"  # a weight is no colour: NO_COLOR leaves it

    def name(self, name: str) -> str:
        """Return the style of a name: the same one everywhere and every day."""
        if not self.on:
            return ""
        return _NAMES[zlib.crc32(fold(name).encode()) % len(_NAMES)]


def colours_wanted(environ: Mapping[str, str]) -> bool:
    """Tell whether a terminal with this environment should get colours.

    NO_COLOR with any value switches them off (no-color.org); a dumb terminal has none.
    """
    return not environ.get("NO_COLOR") and not is_dumb(environ)


def is_dumb(environ: Mapping[str, str]) -> bool:
    """Tell whether the terminal cannot move its cursor."""
    return environ.get("TERM", "").lower() in ("dumb", "unknown")
