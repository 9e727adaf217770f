"""What a message may carry, and how to show what somebody else wrote without obeying it.

The server *drops* what is not text (see `clean`) instead of refusing the message: somebody who
pastes a coloured log wants it said, not corrected. A client cleans what it is sent once more,
because it must not depend on the server's honesty for what happens on its own screen.
"""

import re
import unicodedata
from typing import Final

_PICTOGRAPH: Final = "\u2190-\u2bff\U0001f000-\U0001faff"
"""Arrows to emoji and skin tones; the first half of a joined emoji may end in a selector."""

_NOT_TEXT: Final = re.compile(
    # A zero width joiner that makes one emoji of two (a family, say) is the only one that stays.
    f"(?<![{_PICTOGRAPH}\ufe0f])\u200d|\u200d(?![{_PICTOGRAPH}])|["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 (but tab and line feed), DEL, C1: ESC and CSI among them
    "\u00ad\u061c\u180e"  # soft hyphen, Arabic letter mark, Mongolian vowel separator
    "\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # zero width, bidi
    "\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # annotations, invisible formats
    "\U000e0000-\U000e007f"  # tags: text that nobody sees
    "\ud800-\udfff"  # halves of surrogate pairs, which no UTF-8 can carry
    "]"
)


_MOST_REACTION: Final = 16
_PILE: Final = "mmm"
"""Marks on one character: with two of them many a word is written, and a key's emoji."""


def clean(text: str) -> str:
    """Return `text` without anything that would steer a screen; tabs and line feeds stay."""
    if text.isprintable():
        return text
    return _NOT_TEXT.sub("", text.replace("\r\n", "\n"))


def escaped(text: str) -> str:
    """Return JSON with everything that would steer a screen as `\\uXXXX`: it means the same.

    For programs whose output ends up on a screen all the same.
    """
    return text if text.isprintable() else _NOT_TEXT.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    halves = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{halves[at : at + 2].hex()}" for at in range(0, len(halves), 2))


def one_line(text: str) -> str:
    """Return `text` cleaned, with every run of white space a single space: for busy replies."""
    return " ".join(clean(text).split())


def piles(text: str) -> bool:
    """Tell whether more marks stand on a character of `text` than any writing puts there."""
    marks = "".join("m" if unicodedata.category(each)[0] == "M" else "." for each in text)
    return marks[:1] == "m" or _PILE in marks


def is_reaction(text: str) -> bool:
    """Tell whether `text` is short enough to stand behind a message, and nothing but that: a word
    or an emoji of up to 16 characters, without a space, and with no pile of marks on any of them.
    """
    if not 0 < len(text) <= _MOST_REACTION or " " in text or text != one_line(text):
        return False
    return not piles(text)


def for_log(text: str, limit: int = 80) -> str:
    """Return `text` in printable ASCII, escaped and cut, so that nobody can forge a log line."""
    escaped = text[:limit].encode("unicode_escape").decode("ascii")
    return escaped if len(text) <= limit else escaped + "..."
