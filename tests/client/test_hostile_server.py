"""What a hostile server says steers no screen."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from chatclient.cli.connect import connect
from chatclient.talk.lines import json_line

from .fake import FakeServer, Link, message
from .hostile import STEERS, chats, never_greets, refuses, says_bye, steering_in
from .process import run

FACES = {
    "send": ("send", "-v", "--to", "bob", "hello", "--timeout", "1"),
    "tail": ("tail",),
    "tail --json": ("tail", "--json"),
    "connect --plain": ("connect", "--plain"),
    "connect --json": ("connect", "--json"),
}
TYPED = {
    "connect --plain": "nothing\nlast x\nwho\nlast 5\nstatus\nhide\nhelp\nbroadcast\n"
    "broadcast hi\n",
    "connect --json": '{"op":"who"}\n{"op":"last","minutes":5}\n{"op":"status"}\n'
    '{"op":"history"}\n',
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("script", [never_greets, refuses, says_bye, chats])
def test_nothing_steers_the_screen(face: str, script: Callable[[Link], None]) -> None:
    with FakeServer(script) as server:
        command, *others = FACES[face]
        where = ["127.0.0.1", str(server.port)]
        if command != "connect":
            where = ["--server", ":".join(where)]
        done = run(
            *("chatserver", command, *others, *where, "--user", "alice"),
            typed=TYPED.get(face, ""),
            CHAT_PASSWORD="secret",
        )
    shown = done.stdout + done.stderr
    assert "Traceback" not in shown
    assert steering_in(shown) == []
    assert "Hear" in shown
    if "--json" in face:
        for each in done.stdout.splitlines():
            json.loads(each)
    else:
        assert not any(each.startswith("bob: forged") for each in shown.splitlines())


@pytest.mark.parametrize("text", STEERS.values(), ids=STEERS)
def test_json_for_programs_is_escaped_and_means_the_same(text: str) -> None:
    line = json_line(message(1, text))
    assert steering_in(line.decode()) == []
    assert json.loads(line)["text"] == text
    assert json_line(message(1, "Grüße 👨‍👩‍👧")).decode().count("👨‍👩‍👧") == 1


@pytest.mark.parametrize("key", ["host", "user", "fingerprint"])
@pytest.mark.parametrize("text", STEERS.values(), ids=STEERS)
def test_settings_that_are_shown_steer_nothing(
    text: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may have been sent by somebody else; and what is shown is TOML of the same meaning."""
    settings = tmp_path / "client.toml"
    escaped = "".join(f"\\U{ord(each):08x}" for each in text)
    values = {"host": "127.0.0.1", key: escaped}
    lines = (f'{name} = "{value}"' for name, value in values.items())
    settings.write_text("\n".join([f'[servers."{escaped}"]', *lines]), "utf-8")
    monkeypatch.setenv("CHAT_CLIENT_CONFIG", str(settings))
    done = CliRunner().invoke(connect, [text.replace("\0", ""), "--show-config"])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert steering_in(done.output) == []
    assert done.output
    if done.exit_code == 0:
        assert tomllib.loads(done.stdout)["servers"][text][key] == text
