"""A text that is too long for one message, as several."""

from typing import Final

MOST_PARTS: Final = 10
"""More is a file and not something that somebody says."""


def parts(text: str, most: int) -> list[str]:
    """Return a text in parts of at most so many characters, or as it is where `most` is 0.

    They end at the end of a line where that is not too early, else between words.
    """
    found = []
    while 0 < most < len(text):
        end = _end(text, most)
        found.append(text[:end].rstrip())
        text = text[end:].lstrip("\n") if text[end : end + 1] == "\n" else text[end:].lstrip(" ")
    return [each for each in (*found, text) if each.strip()]


def _end(text: str, most: int) -> int:
    for mark in "\n ":
        end = text.rfind(mark, most // 2, most + 1)
        if end > 0:
            return end
    return most
