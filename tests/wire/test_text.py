"""Text: what `clean` lets through, over all of Unicode, and what goes into a log line."""

import sys
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatwire.text import clean, for_log, is_reaction, one_line

BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
MARKS = "\u200e\u200f\u061c"  # left to right, right to left, Arabic letter mark
ZERO_WIDTH = "\u00ad\u180e\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff"
TAGS = range(0xE0000, 0xE0080)  # text that nobody sees


def everything() -> Iterator[str]:
    return map(chr, range(sys.maxunicode + 1))


def steers(character: str) -> bool:
    """Tell whether a screen would obey the character instead of showing it."""
    if character in "\n\t":
        return False
    return (
        unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(character) in BIDI
        or character in MARKS
        or character in ZERO_WIDTH
        or ord(character) in TAGS
    )


def visible(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LNPSM" or category == "Zs"


def test_what_steers_a_screen_goes_and_what_can_be_seen_stays() -> None:
    wrong = [
        hex(ord(each))
        for each in everything()
        if ((kept := clean(each)) and steers(each)) or (kept != each and visible(each))
    ]
    assert wrong == []


def test_visible_characters_survive_beside_what_is_dropped() -> None:
    seen = [each for each in everything() if visible(each)]
    assert clean("\x1b".join(seen)) == "".join(seen)


def test_what_is_dropped_does_not_depend_on_the_rest_of_the_text() -> None:
    differing = [
        hex(ord(each))
        for each in everything()
        if each.isprintable() and (clean(each) != each or clean(f"{each}\t") != f"{each}\t")
    ]
    assert differing == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("hello", "hello"),
        ("two\nlines", "two\nlines"),
        ("a\tb", "a\tb"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x9b31mred", "31mred"),
        ("one\r\ntwo", "one\ntwo"),
        ("over\rwritten", "overwritten"),
        ("a\r\r\nb", "a\nb"),
        ("bell\a, NUL\0, DEL\x7f", "bell, NUL, DEL"),
        ("evil\u202egpj.exe", "evilgpj.exe"),
        ("page\fbreak\vtab", "pagebreaktab"),
        ("next\u0085line\u2028and\u2029", "nextlineand"),
        ("half \ud83d a pair", "half  a pair"),
        ("\U000e0068\U000e0069", ""),
        ("\u0600 is seen", "\u0600 is seen"),  # an Arabic sign of category Cf
    ],
)
def test_clean_drops_what_is_not_text(given: str, kept: str) -> None:
    assert clean(given) == kept


@pytest.mark.parametrize("emoji", ["👩\u200d👩\u200d👧", "❤\ufe0f\u200d🔥", "👩🏽\u200d🚀"])
def test_a_joiner_between_two_emoji_stays(emoji: str) -> None:
    assert clean(emoji) == emoji
    assert clean(f"{emoji}\n") == f"{emoji}\n"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a\u200db", "ab"),
        ("👩\u200d", "👩"),
        ("\u200d👩", "👩"),
        ("👩\u200db", "👩b"),
        ("b\u200d👩", "b👩"),
        ("👩\u200d\u200d👩", "👩👩"),
        ("👩\u200d\u200b👩", "👩👩"),
        ("👩\u200b\u200d👩", "👩👩"),
        ("b\ufe0f\u200d\ufe0fob", "b\ufe0f\ufe0fob"),
    ],
)
def test_no_other_joiner_stays(given: str, kept: str) -> None:
    assert clean(given) == kept


@given(st.text(st.characters(codec=None) | st.sampled_from("👩\u200d\u200b\r\n\x1b")))
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(st.characters(codec=None) | st.sampled_from("👩\u200d\u200b\r\n\x1b")))
def test_no_combination_lets_anything_through(text: str) -> None:
    assert not [each for each in clean(text) if steers(each) and each != "\u200d"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("in a meeting", "in a meeting"),
        ("  in\n a\t\r\nmeeting ", "in a meeting"),
        ("back\x1b[2J soon", "back[2J soon"),
        (" \n\t", ""),
        ("wide\u3000space", "wide space"),
    ],
)
def test_one_line_is_one_line(given: str, kept: str) -> None:
    assert one_line(given) == kept


@pytest.mark.parametrize(
    "reaction",
    [
        *(
            "👍",
            "👍🏽",
            "❤\ufe0f",
            "👩\u200d👩\u200d👧",
            "1\ufe0f\u20e3",
            "🇨🇭",
            "+1",
            "ok",
            "x" * 16,
        ),
        *("déjà", "de\u0301ja\u0300", "शुक्रिया", "ขอบคุณ", "謝謝"),
    ],
)
def test_a_word_or_an_emoji_is_a_reaction(reaction: str) -> None:
    assert is_reaction(reaction)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "two words", "ok ", "a\tb", "a\nb", "a\u00a0b", "x" * 17, "👍" * 17),
        *("a\u0300\u0301\u0302", "a" + 15 * "\u0489", "x👍\u20dd\u20dd\u20dd", "\u0301", "\ufe0f"),
        *("\x1b[2J", "a\u202eb", "\u200d", "\U0001f3f4\U000e0067\U000e007f"),
    ],
)
def test_nothing_else_is(text: str) -> None:
    assert not is_reaction(text)


@given(st.text(st.characters(codec=None) | st.sampled_from("👩\u200d\u0301\u0489 \n"), max_size=20))
def test_a_reaction_takes_the_room_of_a_word(text: str) -> None:
    if is_reaction(text):
        assert text == one_line(text)
        assert len(text.split()) == 1
        at = "".join(unicodedata.category(each)[0] for each in text)
        assert len(text) <= 16
        assert not at.startswith("M")
        assert "MMM" not in at


@pytest.mark.parametrize(
    ("given", "logged"),
    [
        ("bob", "bob"),
        ("bob\nlogin failed: name=eve", r"bob\nlogin failed: name=eve"),
        ("\x1b[2J", r"\x1b[2J"),
        ("b\\n", r"b\\n"),
        ("bøb", r"b\xf8b"),
        ("\ud800", r"\ud800"),
    ],
)
def test_a_log_line_gets_printable_ascii(given: str, logged: str) -> None:
    assert for_log(given) == logged


def test_a_log_line_gets_no_more_than_the_limit() -> None:
    assert for_log("x" * 80) == "x" * 80
    assert for_log("x" * 81) == "x" * 80 + "..."
    assert for_log("abc", limit=2) == "ab..."


@given(st.text(st.characters(codec=None)))
def test_nothing_can_break_a_log_line(text: str) -> None:
    logged = for_log(text)
    assert logged.isascii()
    assert logged.isprintable()
