"""`python -m chatserver.commands` prints the page about the commands: `docs/commands.md`."""

import inspect
import sys
from typing import Final

import msgspec.inspect as types

from chatserver.commands import all_commands
from chatserver.commands.registry import Command, Registry
from chatwire.usage import usage_lines

_OPENING: Final = """\
# Commands

Made by `python -m chatserver.commands` from what each command declares; change it there.

People type the first column, bare or after a slash, in any case; `[…]` may be left out. Programs
send the fields named below, next to `op` (the name of the command) and `id` (a number of their own
that comes back in the answer).
"""

_NO_LIMIT: Final = "any"


def page(registry: Registry) -> str:
    """Return the whole page as Markdown."""
    parts = [_OPENING, _table(registry), *map(_section, registry)]
    return "\n".join(parts)


def _table(registry: Registry) -> str:
    rows = ["| to type | or | |", "| --- | --- | --- |"]
    for command in registry:
        if command.summary:
            usages = " or ".join(f"`{usage}`" for usage in _usages(command))
            aliases = ", ".join(f"`{alias}`" for alias in command.aliases)
            rows.append(f"| {usages} | {aliases} | {command.summary} |")
    return "".join(f"{row}\n" for row in rows)


def _section(command: Command) -> str:
    lines = [f"## {command.name}", "", inspect.getdoc(command.handler) or "", ""]
    lines.append(f"Allowed {command.when}." if command.when != "always" else "Allowed at any time.")
    if not command.summary:
        lines[-1] += " For programs."
    fields = _fields(command)
    if fields:
        lines += ["", "| field | type | |", "| --- | --- | --- |"]
        lines += map(_row, fields)
    return "".join(f"{line}\n" for line in lines)


def _row(field: types.Field) -> str:
    needed = "required" if field.required else "optional"
    return f"| `{field.name}` | {_type(field.type)} | {needed} |"


def _usages(command: Command) -> list[str]:
    return usage_lines(command.name, command.help.parameters)


def _fields(command: Command) -> tuple[types.Field, ...]:
    """Return what the command takes on the wire beside `op` and `id`."""
    described = types.type_info(command.arguments)
    assert isinstance(described, types.StructType)
    return tuple(each for each in described.fields if each.name not in {"op", "id"})


def _type(kind: types.Type) -> str:
    """Return a field's type in words."""
    match kind:
        case types.UnionType(types=several):
            return " or ".join(_type(each) for each in several)
        case types.VarTupleType(item_type=item, min_length=least, max_length=most):
            return f"array of {_range(least, most)} items, each: {_type(item)}"
        case types.StrType(min_length=least, max_length=most):
            return "string" + _limits(least, most, " characters")
        case types.IntType(ge=least, le=most):
            return "integer" + _limits(least, most, "")
        case types.NoneType():
            return "null"
        case types.BoolType():
            return "true or false"
        case types.LiteralType(values=values):
            return " or ".join(f"`{value}`" for value in values)
        case types.Metadata(type=inner):
            return _type(inner)
    raise TypeError(f"there are no words for {kind}")


def _limits(least: int | None, most: int | None, unit: str) -> str:
    limits = _range(least, most)
    return "" if limits == _NO_LIMIT else f" ({limits}{unit})"


def _range(least: int | None, most: int | None) -> str:
    if most is not None:
        return f"{least or 0} to {most}"
    return _NO_LIMIT if least is None else f"{least} or more"


if __name__ == "__main__":
    sys.stdout.write(page(all_commands()))
