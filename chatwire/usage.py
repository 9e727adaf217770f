"""How a command is typed: its usage lines, and the arguments in what somebody typed.

Both work from the command's declared parameters, so the server's text dialect and a client that
has asked for `help` read a line in exactly the same way.
"""

from collections.abc import Sequence
from itertools import pairwise

from chatwire.protocol import CommandHelp, Parameter

Value = str | int | list[str]

_MAX_DIGITS = 9


class UsageError(ValueError):
    """What was typed does not fit the command; the text says how to put it right."""


def usage_lines(name: str, parameters: Sequence[Parameter]) -> list[str]:
    """Return every way to type the command: `send <user> <message>` and the one in brackets."""
    lines = [" ".join([name, *(_placeholder(each, several=False) for each in parameters)])]
    if any(each.kind == "names" for each in parameters):
        lines.append(" ".join([name, *(_placeholder(each, several=True) for each in parameters)]))
    return lines


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
        values[parameter.name], rest = _take(command, parameter, rest)
    if rest:
        raise UsageError(f"There is something left over: '{rest[:40]}'. {_usage(command)}")
    return values


def _skipped(parameter: Parameter, following: Parameter | None, rest: str) -> bool:
    """Tell whether an optional name was left out before a number: `history 20`."""
    number_follows = following is not None and following.kind == "number"
    return parameter.kind == "name" and not parameter.required and number_follows and rest.isdigit()


def _take(command: CommandHelp, parameter: Parameter, rest: str) -> tuple[Value, str]:
    """Return the value of one parameter and what is left after it."""
    if parameter.kind == "words":
        return rest, ""
    if parameter.kind == "names" and rest.startswith("("):
        inside, closing, after = rest[1:].partition(")")
        names = inside.replace(",", " ").split()
        if not closing or not names:
            raise UsageError(f"Put the names in brackets: (bob carol). {_usage(command)}")
        return names, after.strip()
    word, *others = rest.split(maxsplit=1)
    after = others[0] if others else ""
    if parameter.kind == "names":
        return [word], after.strip()
    if parameter.kind == "number":
        if not (word.isascii() and word.isdigit() and len(word) <= _MAX_DIGITS):
            raise UsageError(
                f"<{parameter.label}> must be a whole number, not '{word[:40]}'. {_usage(command)}"
            )
        return int(word), after.strip()
    return word, after.strip()


def _placeholder(parameter: Parameter, *, several: bool) -> str:
    text = f"<{parameter.label}>"
    if parameter.kind == "names" and several:
        text = f"({text} {text} …)"
    return text if parameter.required else f"[{text}]"


def _usage(command: CommandHelp) -> str:
    return f"Usage: {' or '.join(usage_lines(command.name, command.parameters))}"
