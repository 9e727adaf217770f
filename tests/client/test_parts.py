"""A long text in parts."""

import pytest

from chatclient.talk.parts import parts


def test_a_short_text_is_one_and_so_is_any_where_there_is_no_limit() -> None:
    assert parts("hello", 5) == ["hello"]
    assert parts("x" * 10_000, 0) == ["x" * 10_000]


def test_parts_end_between_lines_or_else_between_words() -> None:
    assert parts("one two\n  three four", 12) == ["one two", "  three four"]
    assert parts("one two three four", 8) == ["one two", "three", "four"]
    assert parts("x" * 20, 8) == ["x" * 8, "x" * 8, "x" * 4]


@pytest.mark.parametrize("most", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("text", ["a b\n\n\nc  d" * 20, " " * 50 + "x", "\n".join("abcdefg")])
def test_no_part_is_too_long_or_empty_and_no_word_is_lost(text: str, most: int) -> None:
    found = parts(text, most)
    assert all(0 < len(each) <= most and each.strip() for each in found)
    assert "".join("".join(found).split()) == "".join(text.split())
