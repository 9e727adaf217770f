"""A person's settings: the file, the variables, and where they lead."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatclient.setup.destination import Destination, find_destination
from chatclient.setup.settings import (
    FILE_VARIABLE,
    ClientSettings,
    NamedServer,
    as_toml,
    load_settings,
    settings_file,
)
from chatwire.sections import SettingsError

from .process import run

FINGERPRINT = ":".join(["AB"] * 32)
HOME = f"""
[client]
bell = "mention"
colours = false
confirm_lines = 0
notices = false

[servers.home]
host = "chat.example.org"
port = 4200
user = "ann"
fingerprint = "{FINGERPRINT.lower()}"
plaintext = true
password = "keyring"

[servers."10.0.0.1"]
host = "10.0.0.2"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "client.toml"


def load(file: Path, text: str | bytes, **environ: str) -> ClientSettings:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_settings({FILE_VARIABLE: str(file)} | environ)


def test_without_a_file_all_is_as_the_classes_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: tmp_path)
    assert load_settings({}) == ClientSettings()
    assert settings_file({}) == tmp_path / "client.toml"
    with pytest.raises(SettingsError, match="There is no file"):
        load_settings({FILE_VARIABLE: str(tmp_path / "missing.toml")})


def test_everything_in_the_file_counts(file: Path) -> None:
    settings = load(file, b"\xef\xbb\xbf" + HOME.encode())
    screen = settings.client
    assert (screen.bell, screen.colours, screen.confirm_lines, screen.notices) == (
        ("mention", False, 0, False)
    )
    assert settings.servers["home"] == NamedServer(
        host="chat.example.org",
        port=4200,
        user="ann",
        fingerprint=FINGERPRINT,
        plaintext=True,
        password="keyring",
    )
    assert load(file, as_toml(settings)) == settings


def test_awkward_names_and_texts_are_written_as_they_were_read(file: Path) -> None:
    text = '[servers."a.b \\"\\u007f"]\nhost = "\\\\ü\\n"\n'
    settings = load(file, text)
    assert load(file, as_toml(settings)) == settings
    assert tomllib.loads(as_toml(settings))["servers"]['a.b "\x7f'] == {
        "host": "\\ü\n",
        "port": 4119,
        "plaintext": False,
        "password": "ask",
    }


def test_variables_come_before_the_file(file: Path) -> None:
    settings = load(file, HOME, CHAT_CLIENT_BELL="off", CHAT_CLIENT_COLOURS="true")
    assert (settings.client.bell, settings.client.colours) == ("off", True)
    assert not load(file, "", NO_COLOR="1").client.colours
    with pytest.raises(SettingsError, match=r"CHAT_CLIENT_NOTICES: .*bool"):
        load(file, "", CHAT_CLIENT_NOTICES="perhaps")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[client]\nbell = "loud"', "client.bell: expected private, off, mention or all."),
        ("[client]\ncolours = 1", "client.colours: expected bool, got int."),
        ("[client]\nconfirm_lines = -1", "client.confirm_lines: expected int >= 0."),
        ("[client]\ncolors = true", "client.colors: there is no such setting."),
        ("[clients]", "clients: there is no such setting."),
        ("bell = 1", "bell must stand in a section such as [server]."),
        ("[servers]\nhome = 1", "servers.home must be a section, such as [servers.home]."),
        ("[servers.home]", "servers.home: object missing required field host."),
        ('[servers."a b"]\nhost = 1', 'servers."a b".host: expected str, got int.'),
        ('[servers.x]\nhost = "h"\nport = 0', "servers.x.port: expected int >= 1."),
        ('[servers.x]\nhost = "h"\nuser = "a b"', "servers.x.user: a name has 1 to 32"),
        ('[servers.x]\nhost = "h"\nfingerprint = "AB"', "servers.x.fingerprint: A SHA-256"),
        (
            '[servers.x]\nhost = "h"\npassword = "secret"',
            "servers.x.password: expected ask or keyring.",
        ),
        ("[client", "is not TOML"),
        (b"\xff", "it is not UTF-8"),
        ("x = " + "[" * 5000, "is not TOML"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_the_key(
    file: Path, text: str | bytes, problem: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        load(file, text)
    said = str(raised.value)
    assert str(file) in said
    assert problem in said
    assert "\n" not in said
    assert "secret" not in said.removeprefix(str(file))


def test_a_place_that_cannot_be_read(tmp_path: Path) -> None:
    for place in (str(tmp_path), "a\0b"):
        with pytest.raises(SettingsError, match="Cannot read"):
            load_settings({FILE_VARIABLE: place})


NAMED = ClientSettings(
    servers={
        "home": NamedServer(host="h.example", port=4200, user="ann", password="keyring"),
        "10.0.0.1": NamedServer(host="10.0.0.2"),
    }
)
HERE = Destination("127.0.0.1", 4119)
THERE = Destination("h.example", 4200, "ann", keyring=True)


@pytest.mark.parametrize(
    ("given", "environ", "expected"),
    [
        ({}, {}, HERE),
        ({"server": "x.example"}, {}, Destination("x.example", 4119)),
        ({"server": "x.example:1"}, {}, Destination("x.example", 1)),
        ({"server": "x.example:1", "port": 2}, {}, Destination("x.example", 2)),
        ({"server": "[::1]:5"}, {}, Destination("::1", 5)),
        ({"server": "[::1]"}, {}, Destination("::1", 4119)),
        ({"server": "::1"}, {}, Destination("::1", 4119)),
        ({"server": "home"}, {}, THERE),
        ({"server": "10.0.0.1"}, {}, Destination("10.0.0.2", 4119)),  # a name wins over a host
        ({}, {"CHAT_HOST": "home"}, THERE),
        ({"server": "home"}, {"CHAT_HOST": "x"}, THERE),
        (
            {"server": "home"},
            {"CHAT_PORT": "9", "CHAT_USER": "bob"},
            replace(THERE, port=9, user="bob"),
        ),
        (
            {"server": "home", "port": 8, "user": "carol", "plaintext": True},
            {"CHAT_PORT": "9", "CHAT_USER": "bob"},
            replace(THERE, port=8, user="carol", plaintext=True),
        ),
        ({}, {"CHAT_HOST": "", "CHAT_PORT": "", "CHAT_USER": ""}, HERE),
        (
            {"fingerprint": FINGERPRINT.lower().replace(":", "")},
            {"CHAT_FINGERPRINT": "CD" * 32},
            replace(HERE, fingerprint=FINGERPRINT),
        ),
    ],
)
def test_where_to_connect_to(
    given: dict[str, Any], environ: dict[str, str], expected: Destination
) -> None:
    assert find_destination(NAMED, environ, **given) == expected


@pytest.mark.parametrize(
    ("given", "environ", "problem"),
    [
        ({}, {"CHAT_PORT": "x"}, "CHAT_PORT: 'x' is not a port"),
        ({}, {"CHAT_PORT": "²"}, "is not a port"),
        ({}, {"CHAT_PORT": "9" * 5000}, "is not a port"),
        ({"server": "h:0"}, {}, "h:0: '0' is not a port"),
        ({"server": "h:99999"}, {}, "is not a port"),
        ({"user": "a b"}, {}, "--user: 'a b' cannot be a name"),
        ({}, {"CHAT_USER": "ü"}, "CHAT_USER: 'ü' cannot be a name"),
        ({"fingerprint": "AB"}, {}, "--fingerprint: 'AB' is not one: A SHA-256"),
    ],
)
def test_where_nobody_can_connect_to(
    given: dict[str, Any], environ: dict[str, str], problem: str
) -> None:
    with pytest.raises(SettingsError, match=problem):
        find_destination(NAMED, environ, **given)


def test_the_settings_are_shown_as_a_file_that_has_them(file: Path) -> None:
    file.write_text(HOME)
    done = run("chatclient", "home", "--show-config", CHAT_CLIENT_CONFIG=str(file), CHAT_USER="bob")
    first, second, rest = done.stdout.split("\n", 2)
    assert (first, done.stderr) == (f"# {file}", "")
    assert second == "# connects to chat.example.org port 4200 as bob"
    assert load(file, rest) == load(file, HOME)


def test_wrong_settings_are_the_end_with_code_2(file: Path) -> None:
    file.write_text('[client]\nbell = "loud"')
    done = run("chatclient", CHAT_CLIENT_CONFIG=str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{file}: client.bell: expected private, off, mention or all.\n"


def test_a_hook_is_a_command_and_its_words(file: Path) -> None:
    settings = load(file, "", CHAT_CLIENT_HOOK="notify-send -a chat 'for you'")
    assert settings.client.hook_command == ["notify-send", "-a", "chat", "for you"]
    with pytest.raises(SettingsError, match=r"client\.hook: No closing quotation"):
        load(file, '[client]\nhook = "say \'hi"\n')


def test_the_file_in_the_guide_has_every_setting_with_its_default(file: Path) -> None:
    guide = Path(__file__).parent.parent.parent / "docs" / "client.md"
    found = re.search(r"```toml\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)
    assert found is not None
    settings = load(file, found[1].replace("5F:8A:…", "AB" * 32))
    assert settings.client == ClientSettings().client
    defaults = {each.name: each.default for each in msgspec.structs.fields(NamedServer)}
    home = msgspec.structs.asdict(settings.servers["home"])
    assert set(home) == set(defaults)
    for key in ("port", "plaintext", "password"):
        assert home[key] == defaults[key]
    for section in (ClientSettings().client, settings.servers["home"]):
        assert all(f"\n{key} = " in found[1] for key in msgspec.structs.asdict(section))
