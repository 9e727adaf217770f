"""Joined emoji: where they begin and end, and how they are shown on the line that is edited.

A family, a flag or a waving hand with its skin tone is several characters that some terminals draw
as one, in two columns, and others one by one. Nobody can know how wide it will be, and the line is
damaged where the client and the terminal count differently. So the joints are left out there; what
is sent, and what is shown once it has been said, is whole.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final

from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.utils import explode_text_fragments

_JOINER: Final = "\u200d"
_SELECTORS: Final = "\ufe0e\ufe0f\u20e3"
"""Text, emoji, and the key around a digit."""

_TONES: Final = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_FIRST_LETTER: Final = 0x1F1E6
"""The regional indicator A; two of them are a flag."""

_JOINTS: Final = frozenset(_JOINER + _SELECTORS + _TONES)


def taken_apart(text: str) -> str:
    """Return the text as it can be shown in a known number of columns."""
    return "".join(_shown(text, at) for at in range(len(text)))


def clusters(text: str) -> Iterator[str]:
    """Yield what is one character to the eye, one after the other."""
    start = 0
    for at in range(1, len(text)):
        if _is_letter(text[at]):  # by itself: `_continues` looks at all those before
            joined = at - start == 1 and _is_letter(text[start])
        else:
            joined = _continues(text, at)
        if not joined:
            yield text[start:at]
            start = at
    if text:
        yield text[start:]


def end_of_cluster(document: Document) -> int:
    """Return how many characters behind the cursor are one to the eye; 0 at the end of a line."""
    behind = document.current_line_after_cursor
    at = min(1, len(behind))
    line = document.current_line
    start = len(line) - len(behind)
    while at < len(behind) and _continues(line, start + at):
        at += 1
    return at


def start_of_cluster(document: Document) -> int:
    """Return how many characters before the cursor are one to the eye; 0 at the start of a line."""
    before = document.current_line_before_cursor
    at = len(before) - 1
    while at > 0 and _continues(before, at):
        at -= 1
    return max(0, len(before) - max(at, 0)) if before else 0


class TakenApart(Processor):
    """Shows the line that is edited taken apart, with the cursor where it belongs."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Return the line as it is shown, and which place in it is which in the text."""
        fragments = explode_text_fragments(transformation_input.fragments)
        line = "".join(fragment[1] for fragment in fragments)
        if line.isascii():
            return Transformation(fragments)
        shown: StyleAndTextTuples = []
        places = [0]
        for at, fragment in enumerate(fragments):
            text = _shown(line, at)
            if text:
                shown.append((fragment[0], text))
            places.append(places[-1] + len(text))
        last = len(fragments)

        def to_display(source: int) -> int:
            return places[min(source, last)] + max(0, source - last)

        def to_source(display: int) -> int:
            return next((at for at in range(last + 1) if places[at] >= display), last)

        return Transformation(shown, to_display, to_source)


def _shown(text: str, at: int) -> str:
    """Return what stands for one character: itself, a letter of a flag, or nothing."""
    character = text[at]
    if _is_letter(character):
        return chr(ord("A") + ord(character) - _FIRST_LETTER)
    if character in _SELECTORS or (character == _JOINER and at > 0):
        return ""
    if character in _TONES and at > 0 and not text[at - 1].isspace():
        return ""
    return character


def _continues(text: str, at: int) -> bool:
    """Tell whether the character at this place belongs to the one before it."""
    character = text[at]
    if character in _JOINTS or text[at - 1] == _JOINER:
        return character not in _TONES or not text[at - 1].isspace()
    if _is_letter(character):
        before = text[:at]
        return (len(before) - len(before.rstrip(_LETTERS))) % 2 == 1
    return unicodedata.category(character) in ("Mn", "Me")


def _is_letter(character: str) -> bool:
    return _FIRST_LETTER <= ord(character) < _FIRST_LETTER + 26


_LETTERS: Final = "".join(chr(_FIRST_LETTER + number) for number in range(26))
