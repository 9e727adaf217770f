"""How a command is typed: its usage lines, and the arguments in what somebody typed.

Both work from the command's declared parameters, so the server's text dialect and a client that
has asked for `help` read a line in exactly the same way.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Literal, get_args

from chatwire.replies import CommandHelp, Parameter, ParameterKind
from chatwire.rooms import SETTINGS, room_name

Value = str | int | bool | list[str]
Form = Literal["one", "several", "room"]
"""What stands in a place: somebody, several people, a room."""

_KINDS: Final = frozenset(get_args(ParameterKind))

TAKE_BACK = "-"
"""In front of a reaction."""

_MAX_DIGITS = 18
"""What fits into 64 bits; whether it makes sense is for the server to say."""


_SHORTEST_SLIP = 3
_LONG_WORD = 5
"""Characters. With another letter in it a shorter word is often a word of its own."""


class UsageError(ValueError):
    """What was typed does not fit the command; the text says how to put it right."""


def usage_lines(name: str, parameters: Sequence[Parameter]) -> list[str]:
    """Return every way to type the command: `send <user> <message>`, with brackets, to a room."""
    kinds = {each.kind for each in parameters}
    forms: list[Form] = ["one"]
    forms += ["several"] if kinds & {"names", "place"} else []
    forms += ["room"] if "place" in kinds else []
    return [" ".join([name, *(_placeholder(each, form) for each in parameters)]) for form in forms]


def parse_arguments(command: CommandHelp, rest: str) -> dict[str, Value]:
    """Return the arguments in `rest`, what was typed after the command's name.

    Raises UsageError. Values are not checked beyond their kind: the server does that, once, for
    both dialects.
    """
    values: dict[str, Value] = {}
    rest = rest.strip()
    for parameter, following in pairwise((*command.parameters, None)):
        assert parameter is not None
        if _skipped(parameter, following, rest):
            continue
        if not rest:
            if parameter.required:
                raise UsageError(f"<{parameter.label}> is missing. {_usage(command)}")
            break
        taken, rest = _take(command, parameter, rest)
        values |= taken
    if rest:
        raise UsageError(f"There is something left over: '{rest[:40]}'. {_usage(command)}")
    return values


def near(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that a slip of the finger makes `word` of, if there is one.

    One letter more, one less, two in the wrong order, or in a long word another one. People slip
    behind the first letter, and what differs more is another word: `hello` is no `help`.
    """
    word = word.lower()
    return next((each for each in candidates if _is_slip(word, each.lower())), None)


def _is_slip(typed: str, meant: str) -> bool:
    if typed == meant or min(len(typed), len(meant)) < _SHORTEST_SLIP:
        return False
    if sorted(typed[:2]) != sorted(meant[:2]) and typed[0] != meant[0]:
        return False
    if abs(len(typed) - len(meant)) == 1:
        shorter, longer = sorted((typed, meant), key=len)
        return any(longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer)))
    if len(typed) != len(meant):
        return False
    wrong = [at for at, (one, other) in enumerate(zip(typed, meant, strict=True)) if one != other]
    if len(wrong) == 1:
        return len(meant) >= _LONG_WORD
    swapped = typed[wrong[0]] + typed[wrong[-1]] == meant[wrong[-1]] + meant[wrong[0]]
    return len(wrong) == 2 and wrong[0] + 1 == wrong[1] and swapped


def _skipped(parameter: Parameter, following: Parameter | None, rest: str) -> bool:
    """Tell whether an optional name was left out before a number: `history 20`."""
    word = (rest.split(maxsplit=1) or [""])[0]
    if parameter.required:
        return False
    if parameter.kind == "target":
        return not (word.startswith("^") and word[1:].isascii() and word[1:].isdigit())
    number_follows = following is not None and following.kind == "number"
    return parameter.kind in {"name", "names", "place"} and number_follows and word.isdigit()


def _take(command: CommandHelp, parameter: Parameter, rest: str) -> tuple[dict[str, Value], str]:
    """Return the fields of one parameter and what is left after it."""
    name = parameter.name
    if parameter.kind not in _KINDS:
        raise UsageError(
            f"How <{parameter.label}> is typed is not known here: update this program to use"
            f" {command.name} with it."
        )
    if parameter.kind == "words":
        return {name: rest}, ""
    if parameter.kind == "reaction":
        taken = rest.removeprefix(TAKE_BACK).strip()
        return ({name: rest} if taken in ("", rest) else {name: taken, "on": False}), ""
    if parameter.kind == "settings":
        return _settings(command, rest), ""
    if parameter.kind in {"names", "place"} and rest.startswith("("):
        inside, closing, after = rest[1:].partition(")")
        names = inside.replace(",", " ").split()
        if not closing or not names:
            raise UsageError(f"Put the names in brackets: (bob carol). {_usage(command)}")
        return {name: names}, after.strip()
    word, *others = rest.split(maxsplit=1)
    after = others[0].strip() if others else ""
    return {_field(parameter, word): _value(command, parameter, word)}, after


def _field(parameter: Parameter, word: str) -> str:
    return "room" if parameter.kind == "place" and room_name(word) else parameter.name


def _value(command: CommandHelp, parameter: Parameter, word: str) -> Value:
    """Return what one word means."""
    if parameter.kind in {"name", "names"} and room_name(word):
        raise UsageError(f"'{word[:40]}' is a room, not somebody. {_usage(command)}")
    if parameter.kind == "names":
        return [word]
    if parameter.kind == "place":
        return room_name(word) or [word]
    if parameter.kind == "room":
        return room_name(word) or word
    if parameter.kind == "target":
        word = word.removeprefix("^")
    if parameter.kind in {"number", "target"}:
        if not (word.isascii() and word.isdigit() and len(word) <= _MAX_DIGITS):
            raise UsageError(
                f"<{parameter.label}> must be a whole number, not '{word[:40]}'. {_usage(command)}"
            )
        return int(word)
    return word


def _settings(command: CommandHelp, rest: str) -> dict[str, Value]:
    """Return the fields that words such as `closed announce` set."""
    values: dict[str, Value] = {}
    for word in rest.lower().split():
        if word not in SETTINGS:
            known = ", ".join(SETTINGS)
            raise UsageError(f"'{word[:40]}' is none of {known}. {_usage(command)}")
        field, value = SETTINGS[word]
        values[field] = value
    return values


def _placeholder(parameter: Parameter, form: Form) -> str:
    text = f"<{parameter.label}>"
    if parameter.kind == "room" or (parameter.kind == "place" and form == "room"):
        text = "#<room>"
    elif parameter.kind == "target":
        text = f"^<{parameter.label}>"
    elif parameter.kind == "reaction":
        text = f"[{TAKE_BACK}]{text}"
    elif parameter.kind in {"names", "place"} and form == "several":
        text = f"({text} {text} …)"
    return text if parameter.required else f"[{text}]"


def _usage(command: CommandHelp) -> str:
    return f"Usage: {' or '.join(usage_lines(command.name, command.parameters))}"
