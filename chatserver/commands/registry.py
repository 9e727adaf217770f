"""Commands as decorated functions, and where they are found by name.

A function's typed signature is the declaration: usage, help, the parsing of typed lines, the check
of JSON fields and the client's completion all come from it.

    @command("talk", "Send a private message.", aliases=("msg",))
    def send(context: Context, to: Names, text: Words, key: Key = None) -> Reply | None: ...

A parameter is `Annotated[type, Shown(kind, label)]`; one without `Shown` exists on the wire only.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    Protocol,
    TypeAlias,
    Union,
    get_args,
    get_type_hints,
)

import msgspec
from msgspec import Meta, Struct

from chatserver.speech import Asked
from chatwire.events import Access, Past, Speaking
from chatwire.protocol import MAX_KEY_LENGTH
from chatwire.replies import CommandHelp, Parameter, ParameterKind, Reply
from chatwire.usage import near

When: TypeAlias = Literal["before login", "after login", "always"]
Group: TypeAlias = Literal[
    "people", "talk", "rooms", "changes", "past", "standing", "access", "upkeep"
]


@dataclass(frozen=True)
class Shown:
    """How a parameter is typed and what it is called in a usage line."""

    kind: ParameterKind
    label: str
    required: bool = False
    """Whether a person has to type it, though a program may say it otherwise."""


_HOW_TO_TALK: Final = " To say something, type say and what it is; type help to see the commands."
"""Most of what is no command and close to none was meant to be said."""

_MOST_SIMILAR: Final = 32
"""Longer words are not compared with the names of commands."""

NEVER: Final = 2**62
"""Beyond every number of a message, and not beyond those that SQLite takes, nor is the next one."""

_ONE: Final = Meta(min_length=1)
Name = Annotated[str, _ONE, Shown("name", "user")]
Names = Annotated[
    tuple[Annotated[str, _ONE], ...], Meta(min_length=1, max_length=100), Shown("names", "user")
]
Words = Annotated[str, Shown("words", "message")]
ReplyWords = Annotated[str | None, Shown("words", "reply")]
Minutes = Annotated[int, Meta(ge=1, le=5_256_000), Shown("number", "minutes")]
DeviceNumber = Annotated[int, Meta(ge=1, le=1 << 53), Shown("number", "device")]
CommandWord = Annotated[str | None, Shown("word", "command")]
TypedWords = Annotated[str, Shown("words", "message", required=True)]
Reaction = Annotated[str, Meta(max_length=64), Shown("reaction", "emoji", required=True)]
ReasonWords = Annotated[str | None, Shown("words", "reason")]
TopicWords = Annotated[str, Shown("words", "topic")]
RoleWord = Annotated[str, Shown("word", "role")]
Minutes0 = Annotated[int, Meta(ge=0, le=5_256_000), Shown("number", "minutes")]
Setup = Annotated[Access, Shown("settings", "settings")]
AccessWord = Annotated[Access | None, Shown("settings", "settings", required=True)]
OptionalSpeaking = Speaking | None
PastWord = Past | None
Key = Annotated[str, Meta(min_length=1, max_length=MAX_KEY_LENGTH)] | None
Seq = Annotated[int, Meta(ge=0, le=NEVER)]
OptionalSeq = Seq | None
Before = Annotated[Seq | None, Shown("number", "before")]
Place = Annotated[
    Annotated[tuple[Annotated[str, _ONE], ...], Meta(min_length=1, max_length=100)] | None,
    Shown("place", "user", required=True),
]
OptionalPlace = Annotated[
    Annotated[str, _ONE]
    | Annotated[tuple[Annotated[str, _ONE], ...], Meta(min_length=1, max_length=100)]
    | None,
    Shown("place", "user"),
]
RoomName = Annotated[str, _ONE, Shown("room", "room")]
NoRoom = Annotated[str, _ONE] | None
Target = Annotated[Seq | None, Shown("target", "number")]
AroundTarget = Annotated[Seq, Shown("target", "number")]
Count = Annotated[int, Meta(ge=1, le=500), Shown("number", "count")]
Limit = Annotated[int, Meta(ge=1, le=500)]
SearchWords = Annotated[str, Shown("words", "words")]
Secret = Annotated[str, "secret"]

Handler: TypeAlias = Callable[..., Reply | None]


@dataclass(frozen=True)
class Command:
    """One command: what it is called, who may call it when, what it costs and what it takes."""

    name: str
    aliases: tuple[str, ...]
    group: Group
    summary: str
    when: When
    cost: float
    activity: bool
    handler: Handler
    help: CommandHelp
    arguments: type[Struct]
    names: tuple[str, ...]
    """Of the arguments, in the order of the handler's parameters."""
    decoder: msgspec.json.Decoder[Any]

    def values(self, arguments: Struct) -> list[object]:
        """Return the arguments in the order of the handler's parameters."""
        return [getattr(arguments, name) for name in self.names]


class Request(Asked, Protocol):
    """What a dialect makes of what comes: a command's name, and its arguments once it is known."""

    def find(self, registry: "Registry") -> Command | None:
        """Return the command that is meant. Raises CommandError when it cannot be one."""
        ...

    def arguments(self, command: Command) -> Struct:
        """Return the checked arguments. Raises CommandError (bad_request, invalid_utf8)."""
        ...


def command(
    group: Group,
    summary: str,
    *,
    aliases: tuple[str, ...] = (),
    when: When = "after login",
    cost: float = 1.0,
    activity: bool = True,
) -> Callable[[Handler], Command]:
    """Make a command of the decorated function; its name is the command's.

    `cost` is what it takes out of the client's rate; `activity` says whether it keeps the session
    from being idle. Without a `summary` it is not shown to people.
    """

    def decorate(handler: Handler) -> Command:
        name = handler.__name__
        hints = get_type_hints(handler, include_extras=True)
        parameters = list(inspect.signature(handler).parameters.values())[1:]
        fields = [
            (_wire_name(each.name), hints[each.name])
            if each.default is each.empty
            else (_wire_name(each.name), hints[each.name], each.default)
            for each in parameters
        ]
        arguments = msgspec.defstruct(
            f"{name.title()}Arguments",
            [("id", int | None, None), *fields],
            tag_field="op",
            tag=name,
            kw_only=True,
            forbid_unknown_fields=True,
            frozen=True,
        )
        shown = tuple(
            Parameter(
                name=_wire_name(each.name),
                label=detail.label,
                kind=detail.kind,
                required=detail.required or each.default is each.empty,
            )
            for each in parameters
            for detail in get_args(hints[each.name])
            if isinstance(detail, Shown)
        )
        return Command(
            name=name,
            aliases=aliases,
            group=group,
            summary=summary,
            when=when,
            cost=cost,
            activity=activity,
            handler=handler,
            help=CommandHelp(
                name=name, aliases=aliases, group=group, summary=summary, parameters=shown
            ),
            arguments=arguments,
            names=arguments.__struct_fields__[1:],
            decoder=msgspec.json.Decoder(arguments),
        )

    return decorate


class Registry:
    """The commands by name. Raises ValueError for a name that is taken."""

    def __init__(self, *commands: Command) -> None:
        self._commands: dict[str, Command] = {}
        self._words: dict[str, Command] = {}
        for each in commands:
            for word in (each.name, *each.aliases):
                if word in self._words:
                    raise ValueError(f"the command {word} is registered twice")
                self._words[word] = each
            self._commands[each.name] = each
        self.names = tuple(self._commands)
        """Of all commands, as the wire has them."""
        kinds = tuple(each.arguments for each in commands)
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Union[kinds or None])  # noqa: UP007
        """Of any command's arguments: `op` tells whose they are."""

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands.values())

    def get(self, op: str) -> Command | None:
        """Return the command with exactly this name, as the wire has it."""
        return self._commands.get(op)

    def typed(self, word: str) -> Command | None:
        """Return the command that a person means who types `word`: aliases count, case does not."""
        return self._words.get(word.lower())

    def suggestion(self, word: str) -> str:
        """Return a sentence about the command that `word` was probably meant to be."""
        if len(word) > _MOST_SIMILAR:  # comparing costs by length, and no command is like it
            return _HOW_TO_TALK
        shown = [name for name, each in self._words.items() if each.summary]
        close = near(word, shown)
        return f" Did you mean {close}?" if close else _HOW_TO_TALK


def _wire_name(parameter: str) -> str:
    """Return a parameter's name on the wire: `with`, which Python keeps for itself, is `with_`."""
    return parameter.removesuffix("_")
