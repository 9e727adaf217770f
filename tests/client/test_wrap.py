"""Rows: broken between words, indented, with addresses and joined emoji whole, at any width."""

import pytest
from prompt_toolkit.utils import get_cwidth

from chatclient.screen.wrap import wrapped

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
FLAG = "\U0001f1e9\U0001f1ea"
ADDRESS = "https://example.org/" + "way/" * 20


def rows(text: str, columns: int) -> list[str]:
    return ["".join(piece for _, piece in row) for row in wrapped([("", text)], columns)]


def test_a_message_goes_on_under_its_text() -> None:
    assert rows("15:24 bob: back soon, I am in a meeting", 30) == [
        "15:24 bob: back soon, I am in",
        "          a meeting",
    ]


def test_what_is_no_message_goes_on_a_little_further_in() -> None:
    assert rows("--- bob is in a meeting", 20) == ["--- bob is in a", "    meeting"]
    assert rows("          a deep line", 18) == ["          a deep", "      line"]


def test_what_has_line_feeds_is_several_lines() -> None:
    assert rows("one two three\n    four five six", 10) == [
        "one two",
        "   three",
        "    four",
        "   five",
        "   six",
    ]


def test_an_address_is_left_to_the_terminal_and_stands_alone() -> None:
    assert rows(f"15:24 bob: see ({ADDRESS} now", 40) == [
        "15:24 bob: see",
        f"          ({ADDRESS}",
        "          now",
    ]


def test_a_word_that_only_looks_like_an_address_passes_for_nobody_elses_line() -> None:
    forged = "http://" + "x" * 33 + "\u00a015:24\u00a0bob:\u00a0hi"
    assert all(row.startswith("    ") for row in rows(forged, 40)[1:])


@pytest.mark.parametrize("columns", [1, 2, 3, 7, 20, 40, 79, 80, 1000])
@pytest.mark.parametrize(
    "text",
    [
        "15:24 bob: one two three, four-five and a word" + "y" * 90,
        "15:24 bob: 你好，世界。你好，世界。 and so on 你好",
        f"15:24 bob: {FAMILY * 9} {FLAG * 9} \u2764\ufe0f\u2764\ufe0f e\u0301e\u0301",
        "a\tb  c" * 9,
        "",
    ],
)
def test_no_row_is_too_long_and_nothing_is_lost(text: str, columns: int) -> None:
    broken = rows(text, columns)
    assert "".join("".join(broken).split()) == "".join(text.split())
    # A joined emoji that has no room stands alone, and what it is cut to is the terminal's choice.
    assert all(
        get_cwidth(row) <= columns or row.strip() in (FAMILY, FLAG, row[-1:]) for row in broken
    )
    for whole in (FAMILY, FLAG, "e\u0301"):
        assert sum(row.count(whole) for row in broken) == text.count(whole)


def test_colours_stay_where_they_were() -> None:
    line = [("grey", "15:24 "), ("red", "bob"), ("", ": hello there"), ("bold", " alice")]
    assert wrapped(line, 24) == [
        [("grey", "15:24 "), ("red", "bob"), ("", ": hello there")],
        [("", "        "), ("bold", "alice")],
    ]
