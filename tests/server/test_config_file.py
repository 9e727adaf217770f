"""The operator's `config/chat.toml`: the defaults of the code, each with a comment."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from chatserver.settings import Settings, load_settings

FILE = Path(__file__).parents[2] / "config" / "chat.toml"
LINES = FILE.read_text("utf-8").splitlines()
SETTINGS = [
    (section.name, key.name)
    for section in msgspec.structs.fields(Settings)
    for key in msgspec.structs.fields(section.type)
]


def comment_above(section: str, key: str) -> list[str]:
    """Return the lines of comment that stand directly above a key."""
    at = next(
        number
        for number, line in enumerate(LINES)
        if line.startswith(f"{key} = ") and f"[{section}]" in LINES[:number]
    )
    above = []
    while LINES[at - 1].startswith("# "):
        at -= 1
        above.append(LINES[at])
    return above[::-1]


def test_the_file_has_every_setting_with_its_default() -> None:
    assert tomllib.loads(FILE.read_text("utf-8")) == msgspec.to_builtins(Settings())


def test_the_file_can_be_used_as_it_is() -> None:
    assert load_settings(FILE, {}, {}) == Settings()


def test_the_order_is_that_of_the_code() -> None:
    keys = [line.split(" = ", maxsplit=1)[0] for line in LINES if " = " in line and line[0] != "#"]
    assert keys == [key for _, key in SETTINGS]


@pytest.mark.parametrize(("section", "key"), SETTINGS)
def test_a_comment_says_what_a_setting_does(section: str, key: str) -> None:
    assert 1 <= len(comment_above(section, key)) <= 2


@pytest.mark.parametrize(("section", "key"), SETTINGS)
def test_a_comment_says_what_the_lowest_number_does(section: str, key: str) -> None:
    value = msgspec.to_builtins(Settings())[section][key]
    if isinstance(value, int) and not isinstance(value, bool):
        comment = " ".join(comment_above(section, key))
        assert "0 " in comment or "at least" in comment
