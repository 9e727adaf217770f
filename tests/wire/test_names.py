"""Names: which are well formed, and which are the same."""

import pytest

from chatwire.names import MAX_NAME_LENGTH, fold, is_name


@pytest.mark.parametrize(
    "name", ["a", "7", "bob", "Bob", "bob.b", "bob_b", "bob-b", "0.-_", "x" * MAX_NAME_LENGTH]
)
def test_a_name_is_letters_digits_and_three_signs(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".bob",
        "_bob",
        "-bob",
        "bob b",
        "bob\n",
        "\nbob",
        "bob:",
        "bob\0",
        "bøb",
        "b\u0430b",  # a Cyrillic letter
        "\uff42ob",  # a full-width letter
        "bob\u200b",
        "٣",  # a digit, but not of ASCII
        "x" * (MAX_NAME_LENGTH + 1),
    ],
)
def test_anything_else_is_no_name(name: str) -> None:
    assert not is_name(name)


def test_case_makes_no_other_name() -> None:
    assert fold("Bob") == fold("BOB") == fold("bob") == "bob"
