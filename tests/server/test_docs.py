"""The pages about the commands are made from the commands."""

from pathlib import Path

from chatserver.commands import all_commands
from chatserver.commands.__main__ import page
from chatserver.commands.context import Context
from chatserver.commands.registry import Key, Names, Registry, Words, command
from chatwire.replies import Reply

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text("utf-8") == page(all_commands()), "run `make docs`"


def test_the_page_names_what_a_command_takes() -> None:
    @command("talk", "Shout.", aliases=("yell",))
    def shout(_: Context, to: Names, text: Words, key: Key = None) -> Reply | None:
        """Say it loudly."""

    text = page(Registry(shout))
    assert "| `shout <user> <message>` or `shout (<user> <user> …) <message>` | `yell` |" in text
    assert "Say it loudly.\n\nAllowed after login.\n" in text
    assert (
        "| `to` | array of 1 to 100 items, each: string (1 or more characters) | required |" in text
    )
    assert "| `text` | string | required |" in text
    assert "| `key` | string (1 to 64 characters) or null | optional |" in text


def test_the_page_marks_what_only_programs_use() -> None:
    @command("upkeep", "", when="always")
    def tick(_: Context) -> Reply | None:
        """Tick."""

    text = page(Registry(tick))
    assert "`tick`" not in text
    assert "## tick\n\nTick.\n\nAllowed at any time. For programs.\n" in text
