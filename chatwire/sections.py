"""Settings in sections, checked: what is wrong with one is a sentence that names the key.

Both sides read their settings from TOML in the same way; which settings there are is theirs.
"""

import difflib
import re
import sys
import tomllib
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

_FILES: Final = ("CHAT_CONFIG", "CHAT_DATA", "CHAT_CLIENT_CONFIG")
_OTHER_VARIABLES: Final = (
    *_FILES,
    "CHAT_HOST",
    "CHAT_PORT",
    "CHAT_USER",
    "CHAT_PASSWORD",
    "CHAT_FINGERPRINT",
)
"""Variables that are in no section."""

_OF_BOTH: Final = ("CHAT_CLIENT_", "CHAT_TEST_")
"""What the server leaves to the client, and both to the tests."""


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


def utf8(text: str) -> str:
    """Return an argument or a variable as the UTF-8 that it is, whatever the locale took it for.

    Python keeps what the locale cannot read as lone surrogates. Raises ValueError when the bytes
    are not UTF-8.
    """
    if text.isascii():
        return text
    return text.encode(sys.getfilesystemencoding(), "surrogateescape").decode("utf-8")


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the texts in CHAT_… variables as `utf8` has them.

    Names of files stay as the system wrote them. Raises SettingsError, which names the variable.
    """
    texts = {}
    for name, value in environ.items():
        if name.startswith("CHAT_") and name not in _FILES:
            try:
                texts[name] = utf8(value)
            except ValueError as error:
                raise SettingsError(f"{name}: it is not UTF-8.") from error
    return {**environ, **texts}


def refuse_unknown(
    environ: Mapping[str, str], known: Iterable[str], sections: Collection[str]
) -> None:
    """Raise SettingsError for a variable that must be meant for us and is none of the `known`.

    That is one that begins as one of the `sections` do (`CHAT_SERVER_`), or that differs from a
    known one by a slip. Whatever else begins with CHAT_ may be another program's.
    """
    everything = [*known, *_OTHER_VARIABLES]
    for name in sorted(environ):
        if not name.startswith("CHAT_") or name in everything:
            continue
        if name.startswith(_OF_BOTH) and not name.startswith(tuple(sections)):
            continue  # the other side looks at it
        near = difflib.get_close_matches(name, everything, n=1, cutoff=0.85)
        if near or name.startswith(tuple(sections)):
            hint = f"; did you mean {near[0]}?" if near else "."
            raise SettingsError(f"{name}: there is no such setting{hint}")


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
