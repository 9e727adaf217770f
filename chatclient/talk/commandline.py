"""What a person types, turned into requests.

The commands are the server's own: it describes them in its answer to `help`. Here are only what
belongs to a person's side, such as `talk`, and the words that people's fingers know from elsewhere.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import structs

from chatclient.talk.conversation import Conversation
from chatclient.talk.request import Request
from chatwire.names import LOBBY, fold
from chatwire.replies import CommandHelp, Parameter
from chatwire.rooms import room_name
from chatwire.text import clean
from chatwire.usage import UsageError, Value, near, parse_arguments

LOGOUT: Final = "logout"
"""The one command that ends the client as well."""

TALK: Final = CommandHelp(
    name="talk",
    aliases=("query", "join"),
    group="talk",
    summary=f"Choose where what you type goes: people, a room, or {LOBBY}; alone: nobody.",
    parameters=(Parameter(name="to", label="user", kind="place", required=False),),
)
"""Chooses a conversation, on this side."""

MORE: Final = CommandHelp(
    name="more",
    aliases=(),
    group="past",
    summary="Go on with the last history, further back.",
    parameters=(),
)
"""Asks for the page of history before the one that was shown last."""

NEXT: Final = CommandHelp(
    name="next",
    aliases=(),
    group="talk",
    summary="Talk in the next conversation that waits to be read, as Alt-A does.",
    parameters=(),
)
"""Goes to a conversation with something unread, at a screen."""

VIEW: Final = CommandHelp(
    name="view",
    aliases=(),
    group="talk",
    summary="See all conversations, or only the one you talk in; numbers: with each message's own.",
    parameters=(Parameter(name="what", label="all|one|numbers", kind="words", required=False),),
)
"""Chooses what a screen shows."""

NUMBERED: Final = "-n"
"""Behind a command that reads the past: show the numbers, to be typed as `^12`."""

_ALWAYS_NUMBERED: Final = ("around", "search")
"""What they show is there to be picked by its number."""

_NUMBERED: Final = frozenset({"history", "around", "search", MORE.name})

_OF_ROOMS_ELSEWHERE: Final = ("create", "join")
"""What one does with other rooms than that in view."""

_ALIASES: Final = {
    "say": "broadcast",
    "msg": "send",
    "away": "busy",
    "back": "idle",
    "names": "who",
    "quit": LOGOUT,
    "exit": LOGOUT,
}
"""What people's fingers know from elsewhere, where the server has not given the word a meaning."""


class CommandLine:
    """The commands of one server, and `talk`, and how they are typed.

    A command is written bare or after a slash, in any case, by its name or an alias. In a
    conversation it needs the slash, because words without one are said there.
    """

    def __init__(self, commands: Iterable[CommandHelp]) -> None:
        """Take the commands as the server declares them in its answer to `help`."""
        self._commands = {command.name.lower(): command for command in commands}
        self._commands.setdefault(TALK.name, TALK)
        if "history" in self._commands:
            self._commands.setdefault(MORE.name, MORE)
        self._words = dict(self._commands)
        for command in self._commands.values():
            for alias in command.aliases:
                self._words.setdefault(alias.lower(), command)
        for alias, name in _ALIASES.items():
            if name in self._commands:
                self._words.setdefault(alias, self._commands[name])

    def add(self, *own: CommandHelp) -> None:
        """Take commands of the client's own, where the server has none of the name."""
        for command in own:
            self._commands.setdefault(command.name, command)
            self._words.setdefault(command.name, command)

    def __iter__(self) -> Iterator[CommandHelp]:
        """Yield the commands, each once, in the server's order."""
        return iter(self._commands.values())

    def find(self, word: str) -> CommandHelp | None:
        """Return the command that `word`, as typed, stands for."""
        return self._words.get(word.removeprefix("/").lower())

    def parse(self, line: str, conversation: Conversation | None = None) -> Request | None:
        """Return the request in a typed line, or None for an empty one.

        A line may hold line breaks, when several lines were pasted: they belong to its last
        argument. Raises UsageError with one sentence to show; nothing must be sent then.
        """
        text = clean(line).strip()
        if not text:
            return None
        if conversation is not None and not text.startswith("/"):
            return conversation.request(text)
        if text.startswith("//"):
            if conversation is None:
                raise UsageError("Nobody is chosen to say that to: first type talk and a name.")
            return conversation.request(text[1:])
        word, *rest = text.split(maxsplit=1)
        command = self.find(word)
        if command is None:
            raise UsageError(self._unknown(word, "".join(rest), conversation is not None))
        typed, numbered = "".join(rest), False
        if command.name in _NUMBERED:
            typed, numbered = _without_flag(typed, anywhere=command.name != "search")
        arguments = _arguments(command, typed, conversation)
        numbered = numbered or command.name in _ALWAYS_NUMBERED
        if command.name == "history":
            arguments = _past_of(conversation, arguments)
        return Request(command.name, arguments, numbered)

    def _unknown(self, word: str, rest: str, talking: bool) -> str:
        close = near(word.removeprefix("/"), self._words)
        if close is not None and not self._takes(close, rest):
            close = None  # a sentence, that happens to begin like a command
        slash = "/" if talking else ""
        if close is None and not talking and not word.startswith("/"):
            return (
                f"There is no command '{word[:40]}'. To say something, type say and what it is,"
                f" or talk {LOBBY} and then just type; help shows the commands."
            )
        hint = f"did you mean {slash}{close}?" if close else f"type {slash}help for the commands."
        literal = " Begin with // to say a slash." if talking else ""
        return f"There is no command '{word[:40]}': {hint}{literal}"

    def _takes(self, word: str, rest: str) -> bool:
        """Tell whether this could be what follows the command; nothing always could."""
        try:
            parse_arguments(self._words[word], rest)
        except UsageError:
            return not rest.strip()
        return True


def _without_flag(rest: str, *, anywhere: bool) -> tuple[str, bool]:
    """Return what was typed without `-n`, and whether that was there: first, or `anywhere`."""
    words = rest.split()
    if NUMBERED not in (words if anywhere else words[:1]):
        return rest, False
    if not anywhere:
        return rest.strip().removeprefix(NUMBERED), True
    return " ".join(word for word in words if word != NUMBERED), True


def _arguments(
    command: CommandHelp, rest: str, conversation: Conversation | None
) -> dict[str, Value]:
    """Return the arguments of a command. The room may be left out where one talks in it.

    Raises UsageError.
    """
    kinds = [each.kind for each in command.parameters]
    here = None if conversation is None or conversation.to else conversation.room
    if here is not None and "room" in kinds and command.name not in _OF_ROOMS_ELSEWHERE:
        at = kinds.index("room")
        if not any(map(room_name, rest.split()[at : at + 1])):
            others = command.parameters[:at] + command.parameters[at + 1 :]
            shorter = structs.replace(command, parameters=others)
            try:
                return {"room": here} | parse_arguments(shorter, rest)
            except UsageError as error:
                with contextlib.suppress(UsageError):  # a room may be there without its mark
                    return parse_arguments(command, rest)
                raise error from None
    return parse_arguments(command, rest)


def _past_of(conversation: Conversation | None, arguments: dict[str, Value]) -> dict[str, Value]:
    """Return the arguments of `history` with the conversation in view, if none is named."""
    if conversation is None or conversation.is_lobby or arguments.keys() & {"with", "room"}:
        return arguments
    return conversation.past | arguments


def conversation_in(request: Request) -> Conversation | None:
    """Return the conversation that `talk` asks for, or None for none."""
    room, to = request.fields.get("room"), request.fields.get("to")
    if isinstance(room, str):
        return Conversation(room=LOBBY if fold(room) == LOBBY else room)
    if not isinstance(to, list):
        return None
    if [fold(name) for name in to] == [LOBBY]:
        return Conversation()
    return Conversation(tuple(dict.fromkeys(to)))
