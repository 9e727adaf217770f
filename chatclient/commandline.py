"""What a person types, turned into a request. No screen, no connection: text in, values out."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from chatwire.protocol import CommandHelp
from chatwire.text import clean
from chatwire.usage import UsageError, Value, parse_arguments

LOGOUT: Final = "logout"
"""The one command that ends the client as well."""

_IRC: Final = {
    "say": "broadcast",
    "msg": "send",
    "away": "busy",
    "back": "idle",
    "names": "who",
    "quit": LOGOUT,
    "exit": LOGOUT,
}
"""What people's fingers know from elsewhere, where the server has not given the word a meaning."""


@dataclass(frozen=True, slots=True)
class Request:
    """A command ready to be sent: `op` as the server calls it, `fields` as they go on the wire."""

    op: str
    fields: dict[str, Value]


class CommandLine:
    """The commands of one server and how they are typed.

    A command is written bare or after a slash, in any case, by its name or an alias.
    """

    def __init__(self, commands: Iterable[CommandHelp]) -> None:
        """Take the commands as the server declares them in its answer to `help`."""
        self._commands = {command.name.lower(): command for command in commands}
        self._words = dict(self._commands)
        for command in self._commands.values():
            for alias in command.aliases:
                self._words.setdefault(alias.lower(), command)
        for alias, name in _IRC.items():
            if name in self._commands:
                self._words.setdefault(alias, self._commands[name])

    def __iter__(self) -> Iterator[CommandHelp]:
        """Yield the commands, each once, in the server's order."""
        return iter(self._commands.values())

    def find(self, word: str) -> CommandHelp | None:
        """Return the command that `word`, as typed, stands for."""
        return self._words.get(word.removeprefix("/").lower())

    def parse(self, line: str) -> Request | None:
        """Return the request in a typed line, or None for an empty one.

        A line may hold line breaks, when several lines were pasted: they belong to its last
        argument. Raises UsageError with one sentence to show; nothing must be sent then.
        """
        words = clean(line).split(maxsplit=1)
        if not words:
            return None
        word, rest = words[0], "".join(words[1:])
        command = self.find(word)
        if command is None:
            raise UsageError(self._unknown(word))
        return Request(command.name, parse_arguments(command, rest))

    def _unknown(self, word: str) -> str:
        bare = word.removeprefix("/").lower()
        near = difflib.get_close_matches(bare, self._words, n=1)
        hint = f"did you mean {near[0]}?" if near else "type help for the commands."
        return f"There is no command '{word[:40]}': {hint}"
