"""Where to connect to, as whom, and how: one answer for every command and every bot.

Each part comes from the command line, else from a variable, else from the settings of a named
server, else it is the default.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from chatclient.link.connection import Connection
from chatclient.link.trust import Ask, Say, Trust, known_servers, normal_fingerprint
from chatclient.setup.settings import ClientSettings, NamedServer
from chatwire.names import NAME_RULE, is_name
from chatwire.sections import SettingsError

DEFAULT_HOST: Final = "127.0.0.1"
CONNECT_SECONDS: Final = 10.0

_WITH_PORT: Final = re.compile(r"\[([^\]]+)\](?::(\d{1,5}))?|([^:]+):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Destination:
    """One server and how to get in. `keyring`: the password is in the system's keyring."""

    host: str
    port: int
    user: str | None = None
    fingerprint: str | None = None
    plaintext: bool = False
    keyring: bool = False

    def open(
        self,
        ask: Ask | None = None,
        timeout: float = CONNECT_SECONDS,
        *,
        say: Say | None = None,
    ) -> Connection:
        """Connect, within `timeout` seconds for each step; `ask` is asked about unknown keys.

        `say` shows what else a person should know. Raises ConnectFailed.
        """
        trust = Trust(known_servers(), ask, self.fingerprint, say=say)
        return Connection.open(
            self.host, self.port, timeout=timeout, trust=trust, plaintext=self.plaintext
        )

    def opener(self, ask: Ask | None = None, *, say: Say | None = None) -> Callable[[], Connection]:
        """Return what makes a new connection whenever it is called, as `open` does."""
        return lambda: self.open(ask, say=say)


def find_destination(
    settings: ClientSettings,
    environ: Mapping[str, str],
    *,
    server: str | None = None,
    port: int | None = None,
    user: str | None = None,
    fingerprint: str | None = None,
    plaintext: bool = False,
) -> Destination:
    """Return where to connect to; None is what the command line leaves open.

    `server` is a name in the settings, or else a host, also as HOST:PORT or [ADDRESS]:PORT; so is
    CHAT_HOST. Raises SettingsError.
    """
    place = server or environ.get("CHAT_HOST") or DEFAULT_HOST
    named = settings.servers.get(place)
    known, own_port = (named, None) if named is not None else _split(place)
    return Destination(
        host=known.host,
        port=port or own_port or _port(environ.get("CHAT_PORT"), "CHAT_PORT") or known.port,
        user=_name(user, "--user") or _name(environ.get("CHAT_USER"), "CHAT_USER") or known.user,
        fingerprint=_fingerprint(fingerprint, "--fingerprint")
        or _fingerprint(environ.get("CHAT_FINGERPRINT"), "CHAT_FINGERPRINT")
        or known.fingerprint,
        plaintext=plaintext or known.plaintext,
        keyring=known.password == "keyring",  # noqa: S105 - where it is from
    )


def _split(place: str) -> tuple[NamedServer, int | None]:
    """Take a place that has no name of its own apart."""
    found = _WITH_PORT.fullmatch(place)
    if found is None:
        return NamedServer(host=place), None
    return NamedServer(host=found[1] or found[3]), _port(found[2] or found[4], place)


def _port(text: str | None, source: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= 65535:
        raise SettingsError(f"{source}: '{text[:20]}' is not a port: choose one from 1 to 65535.")
    return int(text)


def _name(user: str | None, source: str) -> str | None:
    if user and not is_name(user):
        raise SettingsError(f"{source}: '{user[:40]}' cannot be a name: {NAME_RULE}.")
    return user


def _fingerprint(text: str | None, source: str) -> str | None:
    try:
        return normal_fingerprint(text) if text else None
    except ValueError as error:
        raise SettingsError(f"{source}: '{text}' is not one: {error}") from error
