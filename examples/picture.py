"""`make picture`: a conversation between real clients of a real server, as the SVG in the README.

One of the clients runs in a pseudo-terminal; what its screen holds in the end is drawn.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import pexpect
import pyte

from chatclient.link.connection import Connection
from examples.throwaway import CHAT, running_server

_COLUMNS: Final = 86
_ROWS: Final = 28
_WAIT_SECONDS: Final = 15.0
_CELL: Final = (8.4, 18)
_MARGIN: Final = 16
_BAR: Final = 30
_BACKGROUND: Final = "#16181d"
_INK: Final = "#d8dee9"
_BOLD_INK: Final = "#ffffff"


class Screen:
    """A terminal with a client in it."""

    def __init__(self, host: str, port: int, name: str, password: str) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("CHAT_", "NO_COLOR"))}
        self._child = pexpect.spawn(
            CHAT[0],
            [*CHAT[1:], "connect", host, str(port), "--user", name],
            dimensions=(_ROWS, _COLUMNS),
            env=environ
            | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
            | {"CHAT_PASSWORD": password, "PYTHONUTF8": "1"},
        )
        self._screen = pyte.Screen(_COLUMNS, _ROWS)
        # The client asks where the cursor is; pyte has this as a method that does nothing.
        setattr(self._screen, "write_process_input", self._child.send)  # noqa: B010
        self._stream = pyte.ByteStream(self._screen)

    def see(self, text: str) -> None:
        """Read until `text` is on the screen."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while text not in "\n".join(self._screen.display):
            if time.monotonic() > deadline:
                sys.exit(f"picture: '{text}' did not come up")
            self._read(0.2)

    def type(self, keys: str, seen: str) -> None:
        """Type `keys` and wait until `seen` is on the screen."""
        self._child.send(keys)
        self.see(seen)

    def rows(self) -> list[list[Any]]:
        """Return the cells of every row once nothing more comes."""
        while self._read(0.5):
            pass
        return [
            [self._screen.buffer[row][column] for column in range(_COLUMNS)] for row in range(_ROWS)
        ]

    def close(self) -> None:
        """End the client."""
        self._child.close(force=True)

    def _read(self, seconds: float) -> bool:
        try:
            self._stream.feed(self._child.read_nonblocking(65536, seconds))
        except (pexpect.TIMEOUT, pexpect.EOF):
            return False
        return True


def main(file: str) -> None:
    """Play the conversation and write the picture to `file`."""
    with tempfile.TemporaryDirectory(prefix="chat-picture-") as folder:
        names = ("alice", "bob", "carol", "dave")
        with (
            running_server(Path(folder), names) as (place, passwords),
            _screen(*place, "alice", passwords["alice"]) as screen,
        ):
            Path(file).write_text(svg(_play(screen, place, passwords)), "utf-8")


def _play(screen: Screen, place: tuple[str, int], passwords: dict[str, str]) -> list[list[Any]]:
    screen.see("Welcome, alice.")
    with Connection.open(*place) as bob, Connection.open(*place) as carol:
        bob.login("bob", passwords["bob"])
        carol.login("carol", passwords["carol"])
        screen.see("carol came online.")
        bob.broadcast("Good morning! The new build is on staging.")
        screen.type("talk lobby\r", "What you type goes to")
        screen.type("Morning, bob. All green?\r", "All green?")
        carol.broadcast("Two tests are slow, none is red. alice, can you have a look?")
        screen.see("have a look?")
        screen.type("On it.\r", "On it")
        bob.send("alice", "by the way: lunch at noon?")
        screen.see("lunch at noon?")
        screen.type("/send bob yes, and bring carol\r", "and bring carol")
        carol.request("busy", reply="in a meeting")
        screen.see("carol is busy.")
        screen.type("/send (carol dave) review at three?\r", "review at three?")
        bob.request("create", room="release")
        screen.type("/join #release\r", "You are in #release")
        bob.request("send", room="release", text="Tagging at noon, alice?")
        screen.see("Tagging at noon")
        bob.request("edit", text="Tagging at one, alice?")
        screen.see("Tagging at one")
        screen.type("/send #release yes, after lunch\r", "yes, after lunch")
        screen.type("half a line, and it stays wh", "stays wh")
        bob.broadcast("alice: thank you!")
        screen.see("thank you!")
        return screen.rows()


@contextmanager
def _screen(host: str, port: int, name: str, password: str) -> Iterator[Screen]:
    screen = Screen(host, port, name, password)
    try:
        yield screen
    finally:
        screen.close()


def svg(rows: list[list[Any]]) -> str:
    """Return the rows of a screen, but for empty ones below the last, as an SVG document."""
    while rows and not "".join(cell.data for cell in rows[-1]).strip():
        rows = rows[:-1]
    width = round(_COLUMNS * _CELL[0] + 2 * _MARGIN)
    height = round(len(rows) * _CELL[1] + 2 * _MARGIN + _BAR)
    dots = "".join(
        f'<circle cx="{_MARGIN + 8 + 20 * at}" cy="17" r="6" fill="{colour}"/>'
        for at, colour in enumerate(("#e06c75", "#e5c07b", "#98c379"))
    )
    lines = [line for at, row in enumerate(rows) for line in _row(at, row)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        ' font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace"'
        ' font-size="14">\n'
        "<title>A conversation in chat connect</title>\n"
        f'<rect width="{width}" height="{height}" rx="10" fill="{_BACKGROUND}"/>\n{dots}\n'
        + "\n".join(lines)
        + "\n</svg>\n"
    )


def _row(number: int, row: list[Any]) -> Iterator[str]:
    """Yield the stretches of one row that look the same, each at its own column."""
    y = _BAR + _MARGIN + (number + 1) * _CELL[1] - 5
    column = 0
    for (colour, bold), cells in groupby(row, key=lambda cell: (cell.fg, cell.bold)):
        stretch = list(cells)
        text = "".join(cell.data for cell in stretch)
        if text.strip():
            ink = _BOLD_INK if bold and colour == "default" else _ink(colour)
            indent = len(text) - len(text.lstrip())
            x = _MARGIN + (column + indent) * _CELL[0]
            shown = text.strip()
            length = len(stretch) - indent - (len(text) - len(text.rstrip()))
            weight = ' font-weight="bold"' if bold else ""
            yield (
                f'<text x="{x:.1f}" y="{y:.1f}" fill="{ink}"{weight} xml:space="preserve"'
                f' textLength="{length * _CELL[0]:.1f}">{escape(shown)}</text>'
            )
        column += len(stretch)


def _ink(colour: str) -> str:
    return _INK if colour == "default" else f"#{colour}"


if __name__ == "__main__":
    main(sys.argv[1])
