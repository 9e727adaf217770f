"""Arguments that do not fit, said so that people understand it and programmers too."""

import re
from typing import Final

import msgspec

from chatserver.commands.registry import Command
from chatserver.errors import CommandError

_KINDS: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_UNITS: Final = {"str": " characters long", "array": " long", "int": ""}

_OTHER_KIND: Final = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_OUT_OF_RANGE: Final = re.compile(r"Expected `(\w+)[^`]*` (?:of length )?(<=|>=) (-?\d+)")
_FIELD: Final = re.compile(r"Object (missing required|contains unknown) field `([^`]*)`")


def bad_arguments(command: Command, error: msgspec.ValidationError) -> CommandError:
    """Return the refusal for arguments that do not fit what the command declares."""
    numbers = {each.name: each.label for each in command.help.parameters if each.kind == "number"}
    return CommandError("bad_request", f"{command.name}: {misfit(error, numbers)}.")


def misfit(error: msgspec.ValidationError, labels: dict[str, str] | None = None) -> str:
    """Return what is wrong as half a sentence: `count must be at most 500`.

    `labels` has what people call a field where that is not its name on the wire.
    """
    problem, _, path = str(error).partition(" - at `$")
    place = path.strip(".`")
    subject = (labels or {}).get(place, place) or "it"
    if found := _OUT_OF_RANGE.fullmatch(problem):
        kind, bound, number = found.groups()
        if kind != "int" and (bound, number) == (">=", "1"):
            return f"{subject} must not be empty"
        return f"{subject} must be at {'most' if bound == '<=' else 'least'} {number}{_UNITS[kind]}"
    if found := _OTHER_KIND.fullmatch(problem):
        return f"{subject} must be {_kind(found[1])}, not {_kind(found[2])}"
    if found := _FIELD.fullmatch(problem):
        inside = f"{place}: " if place else ""
        name = found[2]
        missing = found[1].startswith("missing")
        return inside + (f"{name} is missing" if missing else f"there is no field '{name}'")
    text = problem.replace("`", "'")
    return f"{place}: {text[0].lower()}{text[1:]}" if place else text


def _kind(names: str) -> str:
    return " or ".join(_KINDS.get(name, name) for name in names.split(" | "))
