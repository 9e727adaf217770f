"""Lines broken into the rows of a screen: between words, with what goes on indented.

A terminal breaks what is too long wherever the row ends, in the middle of a word, and goes on in
the first column, where a text could pass for somebody else's message. An address is left to it all
the same: only what the terminal has broken itself is one piece to whoever clicks or copies it.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from prompt_toolkit.utils import get_cwidth

from chatclient.screen.emoji import clusters
from chatclient.talk.transcript import Piece

_INDENT: Final = 4
_TAB: Final = " " * 4
_CLOCK: Final = re.compile(r"(?:\d\d:\d\d|--:--) ")
_WORD: Final = re.compile(r" +|[^ ]+")
_EMOJI_SIGN: Final = "\ufe0f"

_Cell = tuple[str, str, int]
"""A style, what is one character to the eye, and how many columns that may take."""


def wrapped(line: Sequence[Piece], columns: int) -> list[list[Piece]]:
    """Return the rows of a line on a screen of so many columns.

    What goes on stands under the text of a message, or a little further in than the line begins.
    Only a word that is longer than a row is broken, and a joined emoji never.
    """
    text = "".join(piece for _, piece in line)
    if "\n" in text:
        return [row for each in _broken(line) for row in wrapped(each, columns)]
    line = [(style, piece.replace("\t", _TAB)) for style, piece in line]
    text = text.replace("\t", _TAB)
    if text.isascii() and len(text) <= columns:
        return [line]
    columns = max(1, columns)
    indent = min(_hanging(text), columns // 3)
    rows = _Rows(columns, indent)
    for word in _words(line, text):
        if word[0][1] == " ":
            rows.add_blanks(word)
        elif _width(word) > columns - indent and _is_address(word):
            rows.add_whole(word)
        else:
            rows.add(word)
    return [_pieces(row) for row in rows.cells]


class _Rows:
    """Rows as they fill up."""

    def __init__(self, columns: int, indent: int) -> None:
        self.cells: list[list[_Cell]] = [[]]
        self._indent = indent
        self._long = columns - indent
        self._room = columns

    def add(self, word: list[_Cell]) -> None:
        """Add a word, on the next row if need be; broken only where no row has room for it."""
        width = _width(word)
        if self._room < width <= self._long:
            self._next()
        for cell in word:
            if cell[2] > self._room and self._is_begun:
                self._next()
            self.cells[-1].append(cell)
            self._room -= cell[2]

    def add_blanks(self, blanks: list[_Cell]) -> None:
        """Add what is between two words, unless the row ends there."""
        if len(blanks) <= self._room:
            self.cells[-1] += blanks
        self._room -= len(blanks)

    def add_whole(self, word: list[_Cell]) -> None:
        """Add a word that the terminal is to break."""
        if self._is_begun:
            self._next()
        self.cells[-1] += word
        self._room = 0

    @property
    def _is_begun(self) -> bool:
        return any(text != " " for _, text, _ in self.cells[-1])

    def _next(self) -> None:
        while self.cells[-1] and self.cells[-1][-1][1] == " ":
            self.cells[-1].pop()
        self.cells.append([("", " ", 1)] * self._indent)
        self._room = self._long


def _broken(line: Sequence[Piece]) -> list[list[Piece]]:
    """Return what stands between the line feeds in a line."""
    lines: list[list[Piece]] = [[]]
    for style, text in line:
        first, *others = text.split("\n")
        lines[-1].append((style, first))
        lines += [[(style, other)] for other in others]
    return lines


def _hanging(text: str) -> int:
    """Return in which column what goes on begins."""
    clock = _CLOCK.match(text)
    if clock is not None:
        return clock.end() + _INDENT
    return max(_INDENT, len(text) - len(text.lstrip(" ")))


def _is_address(word: list[_Cell]) -> bool:
    """Tell whether this is one; nothing in it can look like a blank."""
    text = "".join(each for _, each, _ in word)
    return "://" in text and text.isascii()


def _words(line: Sequence[Piece], text: str) -> Iterator[list[_Cell]]:
    """Yield words and the blanks between them, whatever styles they have; a wide character is a
    word of its own."""
    styles = [style for style, piece in line for _ in piece]
    for found in _WORD.finditer(text):
        at = found.start()
        word: list[_Cell] = []
        for cluster in clusters(found.group()):
            cell = (styles[at], cluster, _most_columns(cluster))
            at += len(cluster)
            if word and (cell[2] > 1 or word[-1][2] > 1):
                yield word
                word = []
            word.append(cell)
        yield word


def _most_columns(cluster: str) -> int:
    """Return how many columns a cluster takes where a terminal draws its characters one by one."""
    width: int = sum(map(get_cwidth, cluster))
    return max(2, width) if _EMOJI_SIGN in cluster else width


def _width(word: list[_Cell]) -> int:
    return sum(width for _, _, width in word)


def _pieces(row: list[_Cell]) -> list[Piece]:
    pieces: list[Piece] = []
    for style, text, _ in row:
        if pieces and pieces[-1][0] == style:
            pieces[-1] = (style, pieces[-1][1] + text)
        else:
            pieces.append((style, text))
    return pieces
