"""Settings in sections, checked: what is wrong with one is a sentence that names the key.

Both sides read their settings from TOML in the same way; which settings there are is theirs.
"""

import re
import tomllib
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct


class SettingsError(ValueError):
    """A setting cannot be used; the text is one line that names it."""


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A group of settings; a subclass has one field each, with its default."""


def parse_sections(source: str, text: str) -> dict[str, dict[str, object]]:
    """Return the sections in TOML; `source` says in errors where it is from.

    Raises SettingsError.
    """
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{source} is not TOML: {error}.") from error
    for name, section in content.items():
        if not isinstance(section, dict):
            raise SettingsError(f"{source}: {name} must stand in a section such as [server].")
    return content


def convert(source: str, value: object, kind: Any, *, place: str = "", strict: bool = True) -> Any:
    """Return `value`, which stands at `place`, as a `kind`. Raises SettingsError.

    Where it is not `strict`, a text may stand for a number or a truth value, as in a variable.
    """
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{source}: {_sentence(str(error), kind, place)}") from error


def _sentence(problem: str, kind: Any, place: str) -> str:
    """Turn "Expected `int`, got `str` - at `$.server.port`" into a sentence that opens with the
    key."""
    text, _, inside = problem.partition(" - at `$.")
    keys = [key for key in inside.rstrip("`").split(".") if key]
    where = ".".join([place, *keys] if place else keys)
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", text)
    if unknown:
        key = f"{where}.{unknown[1]}" if where else unknown[1]
        return f"{key}: there is no such setting."
    choices = _choices(kind, keys)
    if choices and text.startswith("Invalid enum value"):
        text = f"expected {', '.join(choices[:-1])} or {choices[-1]}"
    text = text[0].lower() + text[1:].replace("`", "")
    return f"{where}: {text}." if where else f"{text}."


def _choices(kind: Any, keys: list[str]) -> tuple[str, ...]:
    """Return the values that the setting at `keys` may have, if they can be counted."""
    for key in keys:
        if not (isinstance(kind, type) and issubclass(kind, Struct)):
            return ()
        kind = next((each.type for each in msgspec.structs.fields(kind) if each.name == key), None)
    return tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()
