"""What Tab offers: commands at the start of a line, people's names where a command takes them."""

from collections.abc import Callable, Iterable, Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from chatclient.talk.commandline import CommandLine
from chatclient.talk.conversation import Conversation
from chatclient.talk.roster import Roster
from chatwire.names import fold
from chatwire.protocol import CommandHelp, ParameterKind


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
            yield from _matching(self._roster.names(), word, ": " if word == before else " ")
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
        match _kind_at(command, rest):
            case "name" | "names":
                yield from _matching(self._roster.names(), word)
            case "word":
                yield from _matching((c.name for c in self._commands), word)
            case "words" if word:
                yield from _matching(self._roster.names(), word)


def _matching(candidates: Iterable[str], begun: str, end: str = " ") -> Iterator[Completion]:
    for candidate in candidates:
        if fold(candidate).startswith(fold(begun)):
            yield Completion(candidate + end, start_position=-len(begun), display=candidate)


def _kind_at(command: CommandHelp, rest: str) -> ParameterKind | None:
    """Return what kind of argument the end of `rest` belongs to; None behind the last one."""
    kinds = [parameter.kind for parameter in command.parameters]
    if rest.startswith("(") and kinds[:1] == ["names"]:
        bracket, closing, after = rest.partition(")")
        if not closing:
            return "names"
        rest = f"{len(bracket) * 'x'}{after}"
    at = rest.count(" ")
    if at < len(kinds):
        return kinds[at]
    return "words" if kinds[-1:] == ["words"] else None
