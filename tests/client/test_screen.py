"""What fits into a row."""

import pytest

from chatclient.screen.output import cut


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("hello", 5, "hello"),
        ("hello!", 5, "hell…"),
        ("世界世界", 8, "世界世界"),
        ("世界世界", 7, "世界世…"),
        ("世界世界", 6, "世界…"),
        ("e\u0301e\u0301", 2, "e\u0301e\u0301"),
        ("hello", 1, "…"),
        ("", 0, ""),
    ],
)
def test_a_line_is_cut_where_the_row_ends(text: str, columns: int, shown: str) -> None:
    assert cut(text, columns) == shown
