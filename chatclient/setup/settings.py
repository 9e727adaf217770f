"""What a person has set for their client, and the servers they have given a name to.

The classes are the single place where a default is written. A variable `CHAT_CLIENT_…` comes
before the file; where to connect to is put together in `destination`.
"""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, field

from chatclient.home import config_folder
from chatclient.link.trust import normal_fingerprint
from chatclient.talk.colours import colours_wanted
from chatwire.names import NAME_RULE, is_name
from chatwire.protocol import DEFAULT_PORT
from chatwire.sections import (
    Section,
    SettingsError,
    convert,
    parse_sections,
    refuse_unknown,
)
from chatwire.text import clean

FILE_VARIABLE: Final = "CHAT_CLIENT_CONFIG"
"""Names another file than the platform's own place for it."""

Bell: TypeAlias = Literal["private", "off", "mention", "all"]
View: TypeAlias = Literal["all", "one"]
Notify: TypeAlias = Literal["auto", "off", "osc9", "osc777"]
PasswordSource: TypeAlias = Literal["ask", "keyring"]
Port = Annotated[int, Meta(ge=1, le=65535)]


class ScreenSettings(Section, frozen=True, kw_only=True):
    """How the client behaves. `bell` is for private messages and mentions by default.

    0 `confirm_lines` sends a paste of any length at once; `notices` are who came and went; `hook`
    is a command, as in a shell but run without one; `notify`, by which sequence the desktop is
    told; `remember` keeps what is typed for the next session; `title` has a count of what is new;
    `typing` shows who is writing, and tells others that the person here is; `view` says whether a
    screen shows all conversations or only the one that somebody talks in.
    """

    bell: Bell = "private"
    colours: bool = True
    confirm_lines: Annotated[int, Meta(ge=0)] = 5
    hook: str = ""
    notices: bool = True
    notify: Notify = "auto"
    remember: bool = False
    title: bool = True
    typing: bool = True
    view: View = "all"

    @property
    def hook_command(self) -> list[str]:
        """The words of `hook`. Raises ValueError where a quotation has no end."""
        return shlex.split(self.hook)


class NamedServer(Section, frozen=True, kw_only=True):
    """A server under a name of its own: `chat connect NAME`."""

    host: str
    port: Port = DEFAULT_PORT
    user: str | None = None
    fingerprint: str | None = None
    plaintext: bool = False
    password: PasswordSource = "ask"  # noqa: S105 - where it is from


class ClientSettings(Section, frozen=True, kw_only=True):
    """All settings of one person. Immutable."""

    client: ScreenSettings = field(default_factory=ScreenSettings)
    servers: dict[str, NamedServer] = field(default_factory=dict)


def settings_file(environ: Mapping[str, str]) -> Path:
    """Return where the settings are: the platform's place, unless a variable names another."""
    if environ.get(FILE_VARIABLE):
        return Path(environ[FILE_VARIABLE])
    return config_folder() / "client.toml"


def load_settings(environ: Mapping[str, str]) -> ClientSettings:
    """Return the settings from the file, if there is one, overridden by `environ`.

    NO_COLOR counts too. Raises SettingsError, which names the key that is wrong.
    """
    file = settings_file(environ)
    content = parse_sections(str(file), _read(file, required=bool(environ.get(FILE_VARIABLE))))
    named = content.pop("servers", {})
    screen = content.setdefault("client", {})
    known = [f"CHAT_CLIENT_{each.name}".upper() for each in msgspec.structs.fields(ScreenSettings)]
    refuse_unknown(environ, [FILE_VARIABLE, *known], ["CHAT_CLIENT_"])
    for key in msgspec.structs.fields(ScreenSettings):
        variable = f"CHAT_CLIENT_{key.name}".upper()
        if variable in environ:
            screen[key.name] = convert(variable, environ[variable], key.type, strict=False)
    settings: ClientSettings = convert(str(file), content, ClientSettings)
    try:
        settings.client.hook_command  # noqa: B018 - it is only to be possible
    except ValueError as error:
        raise SettingsError(f"{file}: client.hook: {error}.") from error
    if not colours_wanted(environ):
        plain = msgspec.structs.replace(settings.client, colours=False)
        settings = msgspec.structs.replace(settings, client=plain)
    servers = {name: _server(file, name, value) for name, value in named.items()}
    return msgspec.structs.replace(settings, servers=servers)


def as_toml(settings: ClientSettings) -> str:
    """Return settings as a file that has them; what is not set is left out."""
    sections = {"client": settings.client} | {
        f"servers.{_key(name)}": server for name, server in settings.servers.items()
    }
    return "\n".join(
        f"[{name}]\n"
        + "".join(
            f"{key} = {_value(value)}\n"
            for key, value in msgspec.structs.asdict(section).items()
            if value is not None
        )
        for name, section in sections.items()
    )


def _read(file: Path, *, required: bool) -> str:
    try:
        return file.read_text("utf-8-sig")  # an editor may have put a byte order mark first
    except FileNotFoundError as error:
        if not required:
            return ""
        raise SettingsError(f"There is no file {file}: see {FILE_VARIABLE}.") from error
    except (OSError, ValueError) as error:  # UnicodeDecodeError; a NUL in the name
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError(f"Cannot read {file}: {reason}.") from error


def _server(file: Path, name: str, value: object) -> NamedServer:
    place = f"servers.{_key(name)}"
    if not isinstance(value, dict):
        raise SettingsError(f"{file}: {place} must be a section, such as [servers.home].")
    server: NamedServer = convert(str(file), value, NamedServer, place=place)
    if server.user is not None and not is_name(server.user):
        raise SettingsError(f"{file}: {place}.user: {NAME_RULE}.")
    if server.fingerprint is not None:
        try:
            same = normal_fingerprint(server.fingerprint)
        except ValueError as error:
            raise SettingsError(f"{file}: {place}.fingerprint: {error}") from error
        server = msgspec.structs.replace(server, fingerprint=same)
    return server


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: object) -> str:
    """Return a text, a number or a truth value as TOML writes it, which is as JSON does."""
    text = json.dumps(value, ensure_ascii=False)
    # Not as two halves, which TOML does not take.
    return "".join(each if clean(each) or each == "\n" else f"\\U{ord(each):08x}" for each in text)
