"""Every setting, with its default and its range: option, then CHAT_… variable, then file.

The classes are the single place where a default is written; `config/chat.toml` repeats them for
the operator and a test holds the two together. 0 switches a limit or a time-out off.
"""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from chatwire.protocol import DEFAULT_PORT
from chatwire.sections import (
    Section,
    SettingsError,
    convert,
    parse_sections,
    refuse_unknown,
)

Count = Annotated[int, Meta(ge=0)]
AtLeastOne = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0, le=315_360_000)]  # ten years; infinity is written 0
Port = Annotated[int, Meta(ge=0, le=65535)]
OutboxBytes = Annotated[int, Meta(ge=131072)]


class ServerSettings(Section, frozen=True, kw_only=True):
    """Where to listen and whom to let connect."""

    host: str = ""
    port: Port = DEFAULT_PORT
    max_clients: Count = 10000
    max_clients_per_address: Count = 200
    allow_plaintext: bool = False


class LoginSettings(Section, frozen=True, kw_only=True):
    """How often and how long somebody may try."""

    attempts: AtLeastOne = 3
    block_seconds: Seconds = 60
    deadline_seconds: Seconds = 30
    address_failures: Count = 30
    address_block_seconds: Seconds = 600
    logins_per_minute: Count = 60


class TlsSettings(Section, frozen=True, kw_only=True):
    """The operator's own certificate; without one the server makes its own."""

    certificate: str = ""
    key: str = ""


class SessionSettings(Section, frozen=True, kw_only=True):
    """What a connection may cost."""

    idle_timeout: Seconds = 43200
    ping_seconds: Seconds = 60
    outbox_bytes: OutboxBytes = 1048576
    rate_per_second: Annotated[float, Meta(ge=0, le=1_000_000_000)] = 10
    rate_burst: AtLeastOne = 30
    max_sessions_per_account: Count = 32
    presence_notices_up_to: Count = 100


class MessageSettings(Section, frozen=True, kw_only=True):
    """How long a message and a line may be."""

    max_characters: Count = 4000
    max_line_bytes: Annotated[int, Meta(ge=256)] = 65536
    edit_seconds: Seconds = 86400
    max_reactions: Count = 20


class RoomSettings(Section, frozen=True, kw_only=True):
    """Who may make rooms, how many, and how large."""

    lobby: bool = True
    create: Literal["everyone", "admins"] = "everyone"
    max_per_account: Count = 50
    max_members: Count = 5000
    max_topic: Count = 250


class PasswordSettings(Section, frozen=True, kw_only=True):
    """argon2id, as in RFC 9106's second recommended choice."""

    min_length: AtLeastOne = 8
    time_cost: AtLeastOne = 3
    memory_kib: Annotated[int, Meta(ge=8)] = 65536
    parallelism: AtLeastOne = 4


class HistorySettings(Section, frozen=True, kw_only=True):
    """What is kept, how surely, and how much of it a login shows."""

    retention_days: Count = 365
    replay_limit: Count = 500
    synchronous: Literal["full", "normal"] = "full"


class WebSettings(Section, frozen=True, kw_only=True):
    """The page for browsers, on the same port."""

    enabled: bool = True
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    push: bool = True
    push_text: bool = True
    push_to_private: bool = False


class Settings(Section, frozen=True, kw_only=True):
    """All settings of one server. Immutable: a change takes a restart."""

    server: ServerSettings = field(default_factory=ServerSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    login: LoginSettings = field(default_factory=LoginSettings)
    session: SessionSettings = field(default_factory=SessionSettings)
    message: MessageSettings = field(default_factory=MessageSettings)
    rooms: RoomSettings = field(default_factory=RoomSettings)
    passwords: PasswordSettings = field(default_factory=PasswordSettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    web: WebSettings = field(default_factory=WebSettings)


def load_settings(
    file: Path | None, environ: Mapping[str, str], options: Mapping[str, Mapping[str, object]]
) -> Settings:
    """Return the settings from `file`, overridden by `environ`, overridden by `options`.

    A variable is `CHAT_` and the section and key: `CHAT_LOGIN_ATTEMPTS=5`. `options` maps
    section to key to value. Raises SettingsError for an unknown key, a wrong type, a value out of
    range or a file that cannot be read.
    """
    values: dict[str, dict[str, object]] = _read(file) if file is not None else {}
    known = _variables()
    refuse_unknown(
        environ,
        [name for name, *_ in known],
        {f"CHAT_{section}_".upper() for _, section, *_ in known},
    )
    for name, section, key, kind in known:
        if name in environ:
            given: object = environ[name]
            if kind == tuple[str, ...]:
                given = [each.strip() for each in environ[name].split(",") if each.strip()]
            values.setdefault(section, {})[key] = convert(name, given, kind, strict=False)
    for section, pairs in options.items():
        values.setdefault(section, {}).update(pairs)
    source = str(file) if file else "the settings"
    settings: Settings = convert(source, values, Settings)
    passwords = settings.passwords
    for each in settings.web.trusted_proxies:
        try:
            ip_network(each)
        except ValueError as error:
            raise SettingsError(f"{source}: web.trusted_proxies: {error}.") from error
    if passwords.memory_kib < 8 * passwords.parallelism:
        raise SettingsError(f"{source}: passwords.memory_kib: expected at least 8 x parallelism.")
    return settings


def _read(file: Path) -> dict[str, dict[str, object]]:
    try:
        return parse_sections(str(file), file.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"Cannot read {file}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not TOML: {error}.") from error


def _variables() -> list[tuple[str, str, str, Any]]:
    """Every variable there is: its name, and the section, key and type that it sets."""
    return [
        (f"CHAT_{section.name}_{key.name}".upper(), section.name, key.name, key.type)
        for section in msgspec.structs.fields(Settings)
        for key in msgspec.structs.fields(section.type)
    ]
