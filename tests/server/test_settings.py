"""Settings: defaults, where values come from, and errors that name the key."""

import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from chatserver.accounts.passwords import Passwords
from chatserver.settings import Settings, load_settings
from chatwire.sections import SettingsError


def written(folder: Path, text: str) -> Path:
    file = folder / "chat.toml"
    file.write_text(text, "utf-8")
    return file


def test_nothing_given_is_all_defaults_and_variables_of_other_programs_are_left_alone(
    tmp_path: Path,
) -> None:
    assert load_settings(None, {}, {}) == Settings()
    assert load_settings(written(tmp_path, ""), {}, {}) == Settings()
    assert load_settings(None, {"CHAT_COLOUR": "red", "PORT": "x"}, {}) == Settings()


def test_the_defaults_are_safe() -> None:
    settings = Settings()
    assert settings.server.host == ""  # every address, but plaintext from this machine alone
    assert not settings.server.allow_plaintext
    assert (settings.login.attempts, settings.login.block_seconds) == (3, 60)
    assert settings.history.synchronous == "full"
    assert settings.passwords.memory_kib == 65536


def test_a_file_sets_what_it_names(tmp_path: Path) -> None:
    file = written(tmp_path, '[server]\nhost = "::"\n[login]\nblock_seconds = 2.5\n')
    settings = load_settings(file, {}, {})
    assert settings.server.host == "::"
    assert settings.server.port == 4119
    assert settings.login.block_seconds == 2.5


@pytest.mark.parametrize(
    ("variable", "value", "section", "key", "meant"),
    [
        ("CHAT_SERVER_HOST", "0.0.0.0", "server", "host", "0.0.0.0"),
        ("CHAT_SERVER_PORT", "0", "server", "port", 0),
        ("CHAT_SERVER_ALLOW_PLAINTEXT", "true", "server", "allow_plaintext", True),
        ("CHAT_SERVER_ALLOW_PLAINTEXT", "0", "server", "allow_plaintext", False),
        ("CHAT_LOGIN_BLOCK_SECONDS", "1.5", "login", "block_seconds", 1.5),
        ("CHAT_SESSION_IDLE_TIMEOUT", "0", "session", "idle_timeout", 0),
        ("CHAT_HISTORY_SYNCHRONOUS", "normal", "history", "synchronous", "normal"),
        ("CHAT_PASSWORDS_MIN_LENGTH", "12", "passwords", "min_length", 12),
        ("CHAT_MESSAGE_MAX_CHARACTERS", "100", "message", "max_characters", 100),
    ],
)
def test_every_setting_has_a_variable(
    variable: str, value: str, section: str, key: str, meant: object
) -> None:
    settings = load_settings(None, {variable: value}, {})
    assert getattr(getattr(settings, section), key) == meant


def test_an_option_goes_before_a_variable_and_that_before_a_file(tmp_path: Path) -> None:
    file = written(tmp_path, "[server]\nport = 1\nmax_clients = 1\nmax_clients_per_address = 1\n")
    environ = {"CHAT_SERVER_PORT": "2", "CHAT_SERVER_MAX_CLIENTS": "2"}
    server = load_settings(file, environ, {"server": {"port": 3}}).server
    assert (server.port, server.max_clients, server.max_clients_per_address) == (3, 2, 1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[server]\nprot = 1", "server.prot: there is no such setting."),
        ("[sever]\nport = 1", "sever: there is no such setting."),
        ("port = 1", "port must stand in a section such as [server]."),
        ('[server]\nport = "x"', "server.port: expected int, got str."),
        ("[server]\nport = 65536", "server.port: expected int <= 65535."),
        ("[server]\nport = -1", "server.port: expected int >= 0."),
        ("[server]\nallow_plaintext = 1", "server.allow_plaintext: expected bool, got int."),
        ("[server]\nhost = true", "server.host: expected str, got bool."),
        ("[login]\nattempts = 0", "login.attempts: expected int >= 1."),
        ("[login]\nblock_seconds = inf", "login.block_seconds: expected float <= 315360000.0."),
        ("[login]\nblock_seconds = nan", "login.block_seconds: expected float >= 0.0."),
        ("[session]\noutbox_bytes = 131071", "session.outbox_bytes: expected int >= 131072."),
        ("[message]\nmax_line_bytes = 0", "message.max_line_bytes: expected int >= 256."),
        ('[history]\nsynchronous = "off"', "history.synchronous: expected full or normal."),
    ],
)
def test_a_wrong_file_is_one_line_that_names_the_key(
    tmp_path: Path, text: str, problem: str
) -> None:
    file = written(tmp_path, text)
    with pytest.raises(SettingsError) as raised:
        load_settings(file, {}, {})
    assert str(raised.value) == f"{file}: {problem}"


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("CHAT_SERVER_PORT", "many", "expected int, got str."),
        ("CHAT_SERVER_PORT", "70000", "expected int <= 65535."),
        ("CHAT_SERVER_ALLOW_PLAINTEXT", "maybe", "expected bool, got str."),
        ("CHAT_LOGIN_BLOCK_SECONDS", "-1", "expected float >= 0.0."),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, problem: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(None, {variable: value}, {})
    assert str(raised.value) == f"{variable}: {problem}"


def test_a_wrong_option_is_named() -> None:
    with pytest.raises(SettingsError, match=re.escape("server.port: expected int <= 65535.")):
        load_settings(None, {}, {"server": {"port": 70000}})


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "none.toml"
    with pytest.raises(SettingsError) as raised:
        load_settings(file, {}, {})
    assert str(raised.value) == f"Cannot read {file}: No such file or directory."


@pytest.mark.parametrize("content", [b"[server", b"port = = 1", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "chat.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="is not TOML") as raised:
        load_settings(file, {}, {})
    assert "\n" not in str(raised.value)


def test_password_costs_that_are_let_in_can_be_used(tmp_path: Path) -> None:
    try:
        settings = load_settings(written(tmp_path, "[passwords]\nmemory_kib = 16\n"), {}, {})
    except SettingsError:
        return
    Passwords(settings.passwords).hash("correct horse")


# -- the operator's `config/chat.toml`: the defaults of the code, each with a comment --

FILE = Path(__file__).parents[2] / "config" / "chat.toml"
LINES = FILE.read_text("utf-8").splitlines()
SETTINGS = [
    (section.name, key.name)
    for section in msgspec.structs.fields(Settings)
    for key in msgspec.structs.fields(section.type)
]


def comment_above(section: str, key: str) -> list[str]:
    """Return the lines of comment that stand directly above a key."""
    at = next(
        number
        for number, line in enumerate(LINES)
        if line.startswith(f"{key} = ") and f"[{section}]" in LINES[:number]
    )
    above = []
    while LINES[at - 1].startswith("# "):
        at -= 1
        above.append(LINES[at])
    return above[::-1]


def test_the_file_has_every_setting_with_its_default_in_the_order_of_the_code() -> None:
    defaults = json.loads(msgspec.json.encode(Settings()))  # with lists, as TOML has them
    assert tomllib.loads(FILE.read_text("utf-8")) == defaults
    assert load_settings(FILE, {}, {}) == Settings()
    keys = [line.split(" = ", maxsplit=1)[0] for line in LINES if " = " in line and line[0] != "#"]
    assert keys == [key for _, key in SETTINGS]


@pytest.mark.parametrize(("section", "key"), SETTINGS)
def test_a_comment_says_what_a_setting_and_its_lowest_number_do(section: str, key: str) -> None:
    comment = comment_above(section, key)
    assert 1 <= len(comment) <= 2
    value = msgspec.to_builtins(Settings())[section][key]
    if isinstance(value, int) and not isinstance(value, bool):
        assert "0 " in " ".join(comment) or "at least" in " ".join(comment)
