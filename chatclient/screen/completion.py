"""What Tab offers: commands at the start of a line, people and rooms where a command takes them."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, get_args

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from chatclient.talk.commandline import CommandLine
from chatclient.talk.conversation import Conversation
from chatclient.talk.roster import Roster
from chatwire.events import Role
from chatwire.names import fold
from chatwire.replies import CommandHelp, Parameter
from chatwire.rooms import SETTINGS
from chatwire.usage import TAKE_BACK

_REACTIONS: Final = ("👍", "👎", "🎉", "👀", "✅", "🙏", "+1", "-1")
"""Offered to who has no key for them."""


class LineCompleter(Completer):
    """Completes a line from the server's commands and the names heard of."""

    def __init__(
        self,
        commands: CommandLine,
        roster: Roster,
        conversation: Callable[[], Conversation | None],
    ) -> None:
        """`conversation` returns the current one; in one, a line begins with a name or a slash."""
        self._commands = commands
        self._roster = roster
        self._conversation = conversation

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002
    ) -> Iterator[Completion]:
        """Yield what can stand where the cursor is."""
        before = document.text_before_cursor.lstrip()
        first, _, rest = before.partition(" ")
        if self._conversation() is not None and not before.startswith("/"):
            word = before[before.rfind(" ") + 1 :]
            # Whoever is spoken to, at the start of a line: `bob: `.
            yield from self._in_words(word, ": " if word == before else " ")
        elif first == before:
            slash = "/" if first.startswith("/") else ""
            yield from _matching((c.name for c in self._commands), first[len(slash) :])
        else:
            yield from self._arguments(first, rest)

    def _arguments(self, first: str, rest: str) -> Iterator[Completion]:
        command = self._commands.find(first)
        if command is None:
            return
        word = rest[max(map(rest.rfind, " (,")) + 1 :]
        parameter = _parameter_at(command, rest)
        match None if parameter is None else parameter.kind:
            case "name" | "names":
                yield from _matching(self._roster.names(), word)
            case "room":
                yield from _matching(self._roster.rooms(), word)
            case "place":
                rooms = () if rest.startswith("(") else self._roster.rooms()
                yield from _matching((*self._roster.names(), *rooms), word)
            case "settings":
                yield from _matching(SETTINGS, word)
            case "reaction":
                minus = TAKE_BACK if word.startswith(TAKE_BACK) else ""
                yield from _matching((f"{minus}{each}" for each in _REACTIONS), word)
            case "word" if parameter is not None and parameter.name == "role":
                yield from _matching(get_args(Role), word)
            case "word":
                yield from _matching((c.name for c in self._commands), word)
            case "words" if word:
                yield from self._in_words(word)

    def _in_words(self, word: str, end: str = " ") -> Iterator[Completion]:
        if word.startswith("#"):
            yield from _matching(self._roster.rooms(), word)
        else:
            yield from _matching(self._roster.names(), word, end)


def _matching(candidates: Iterable[str], begun: str, end: str = " ") -> Iterator[Completion]:
    for candidate in candidates:
        if fold(candidate).startswith(fold(begun)):
            yield Completion(candidate + end, start_position=-len(begun), display=candidate)


def _parameter_at(command: CommandHelp, rest: str) -> Parameter | None:
    """Return which argument the end of `rest` belongs to; None behind the last one."""
    parameters = command.parameters
    if rest.startswith("(") and parameters and parameters[0].kind in ("names", "place"):
        bracket, closing, after = rest.partition(")")
        if not closing:
            return parameters[0]
        rest = f"{len(bracket) * 'x'}{after}"
    if parameters and parameters[0].kind == "target" and not rest.startswith("^"):
        parameters = parameters[1:]
    at = rest.count(" ")
    if at < len(parameters):
        return parameters[at]
    goes_on = parameters[-1:] and parameters[-1].kind in ("words", "settings")
    return parameters[-1] if goes_on else None
