"""The words of a text, as they are indexed and looked for: one rule, for both sides.

A word is a run of letters and digits, without case, accents and other marks that people leave out:
Straße, STRASSE and strasse are one word, and so are ё and е, שָׁלוֹם and שלום, ﬁ and fi. What
writes without spaces (Chinese, Japanese, Thai and their like; Korean, whose particles cling to the
words) is one word a character, so that any part of a sentence can be looked for as a phrase. So is
each emoji. Whatever else is between words only parts them.

The rule is Unicode's: NFKC and case folding (UAX #15, #44), marks by their combining class. A
letter of its own stays one: й, ї and ў are not и, і and у; but å is a, as it is on keyboards
without it.
"""

import re
import unicodedata
from typing import Final

RULE: Final = f"1/{unicodedata.unidata_version}"
"""Names this rule and Unicode's tables: what was indexed by another has to be indexed anew."""

_ASCII: Final = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}

_BEFORE: Final = {"™": " tm ", "℠": " sm ", "‼": "❗❗", "⁉": "❗❓"}
"""What NFKC would glue to the word before it, and emoji that it takes for punctuation."""

_FLAG: Final = re.compile("[\U0001f1e6-\U0001f1ff]{1,2}")
"""Two regional indicators make a flag, which is one word."""

_LETTERS: Final = {
    # letters that people type as others, though Unicode does not take them apart
    "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ĸ": "k", "ł": "l", "ŧ": "t", "ə": "e",
    "æ": "ae", "œ": "oe", "þ": "th", "ŋ": "n", "ƒ": "f",
    # of one's own: marks that are no accents
    "й": "й", "ї": "ї", "ў": "ў",
    # Arabic and Persian spellings of one letter; the stretched line
    "ى": "ي", "ی": "ي", "ة": "ه", "ک": "ك", "ـ": "",
    # Hebrew letters at the end of a word
    "ך": "כ", "ם": "מ", "ן": "נ", "ף": "פ", "ץ": "צ",
    # a dash that is an emoji, and modifiers that are apostrophes
    "〰": " 〰 ", "ʹ": " ", "ʺ": " ", "ʻ": " ", "ʼ": " ", "ʽ": " ", "ʾ": " ", "ʿ": " ",
}  # fmt: skip

_WITHOUT_SPACES: Final = tuple(
    range(first, last + 1)
    for first, last in (
        (0x0E00, 0x0EFF),  # Thai, Lao
        (0x1000, 0x109F),  # Myanmar
        (0x1100, 0x11FF),  # Hangul
        (0x1780, 0x17FF),  # Khmer
        (0x1950, 0x1AAF),  # Tai
        (0x1B00, 0x1B7F),  # Balinese
        (0x2E80, 0x31FF),  # radicals, kana, bopomofo
        (0x3200, 0x9FFF),  # Han
        (0xA000, 0xA4CF),  # Yi
        (0xA960, 0xA97F),  # Hangul
        (0xA980, 0xA9FF),  # Javanese, Myanmar
        (0xAA60, 0xAADF),  # Myanmar, Tai Viet
        (0xAC00, 0xD7FF),  # Hangul
        (0x1B000, 0x1B16F),  # kana
        (0x20000, 0x3FFFF),  # Han
    )
)
_KEPT_CLASSES: Final = (0, 8, 9, *range(84, 133))
"""Marks that spell (vowel signs, a stop, a voiced kana) and are no accents, points or harakat."""

_SKIN_TONE: Final = re.compile("[\U0001f3fb-\U0001f3ff]")
_VARIATION: Final = re.compile("[\u034f\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""How the character before it is drawn, or that it is joined."""

_MOST_KNOWN: Final = 20_000


class _Folding(dict[int, str]):
    """What each character becomes, worked out when it is met first."""

    def __missing__(self, code: int) -> str:
        folded = _fold(chr(code))
        if len(self) < _MOST_KNOWN:  # somebody may send every character there is
            self[code] = folded
        return folded


_FOLDING: Final = _Folding()


def split(text: str) -> list[str]:
    """Return the words of `text`, folded, in their order."""
    return fold(text).split()


def fold(text: str) -> str:
    """Return the words of `text`, folded, with spaces between them."""
    if text.isascii():
        return text.translate(_ASCII)
    for before, after in _BEFORE.items():
        if before in text:
            text = text.replace(before, after)
    return _FLAG.sub(r" \g<0> ", unicodedata.normalize("NFKC", text)).translate(_FOLDING)


def is_whole(word: str) -> bool:
    """Tell whether a word is a single character that no longer word begins with."""
    return len(word) == 1 and _fold(word).startswith(" ")


def _fold(character: str) -> str:
    """Return what one character is in a word; with spaces around it if it is a word by itself."""
    lower = character.casefold()
    if lower in _LETTERS:
        return _LETTERS[lower]
    if _FLAG.match(character):
        return character  # the spaces are around the flag
    kind = unicodedata.category(character)
    if kind[0] in "LMN" and kind != "Me":
        return _fold_letter(character, kind)
    if kind[0] in "PZ" or kind == "Cc" or character.isascii():
        return " "
    if kind in ("Cf", "Cs") or _SKIN_TONE.match(character):
        return ""  # they make no other word, and a skin tone no other emoji
    # Symbols, keys drawn around a digit, and what this Python's Unicode does not know yet, which is
    # emoji and Han.
    return " " if kind == "Sk" else f" {character} "


def _fold_letter(character: str, kind: str) -> str:
    if kind == "Nd":
        return str(unicodedata.decimal(character))
    if _VARIATION.match(character):
        return ""
    if any(ord(character) in each for each in _WITHOUT_SPACES):
        return f" {character} "
    bare = (
        each
        for each in unicodedata.normalize("NFKD", character)
        if unicodedata.category(each)[0] != "M" or unicodedata.combining(each) in _KEPT_CLASSES
    )
    return "".join(_LETTERS.get(each, each) for each in "".join(bare).casefold())
