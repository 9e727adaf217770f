"""Starting and stopping: no configuration, one clear line when it cannot be, no loose ends."""

import os
import signal
import socket
import sqlite3
import sys
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from .client import PASSWORD, SCALE, JsonClient, at_once, eventually
from .conftest import StartServer
from .process import ServerProcess, chat, environment, port_of


def refusal(*arguments: str | Path, code: int = 1, **settings: object) -> str:
    """Start a server that cannot start; return the one line it says."""
    done = chat("serve", *arguments, env=environment(**settings))
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    (line,) = (each for each in done.stderr.splitlines() if "was open to others" not in each)
    assert line.startswith("chat: ")
    return line


# -- starting --


def test_it_starts_with_nothing_configured_and_keeps_its_data_to_itself(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = {"HOME": str(home), "XDG_DATA_HOME": str(home / "share"), "CHAT_HOST": "127.0.0.1"}
    server = ServerProcess(home / "share" / "chat", env=env, log=tmp_path / "log", prepared=False)
    try:
        server.read_output("adduser NAME\n")
        first, *_, last = server.output.splitlines()
        assert f"listening on 127.0.0.1:{server.place[1]}" in first
        assert str(home / "share" / "chat") in first
        assert f"browsers: http://localhost:{server.place[1]}/\n" in server.output
        assert last.endswith("add one with: chat adduser NAME")
        added = chat("adduser", "bob", "--password-stdin", typed=PASSWORD, env=env)
        assert added.returncode == 0, added.stderr
        with server.json() as client:
            assert client.login("bob")["name"] == "bob"
        for private in (server.data, server.passwords, server.data / "chat.db"):
            assert private.stat().st_mode & 0o077 == 0, private
    finally:
        server.stop()


def test_it_says_how_to_add_an_account_in_the_folder_it_uses(start_server: StartServer) -> None:
    server = start_server()
    assert f"chat adduser --data {server.data} NAME" in server.read_output("NAME")
    assert f"data in {server.data}" in server.output


def test_option_comes_before_variable_before_file(
    tmp_path: Path, start_server: StartServer
) -> None:
    file = tmp_path / "chat.toml"
    file.write_text('[server]\nhost = "203.0.113.1"\n[message]\nmax_characters = 7\n', "utf-8")
    server = start_server("--config", str(file), server_host="127.0.0.2", message_max_characters=5)
    assert server.place[0] == "127.0.0.2"
    with server.json(server.add("bob")) as client:
        client.say("12345")
        assert client.refused("broadcast", text="123456")["code"] == "text_too_long"
    server.stop()
    server = start_server("--config", str(file), "--host", "127.0.0.1", server_host="127.0.0.2")
    assert server.place[0] == "127.0.0.1"
    with server.json("bob") as client:
        client.say("1234567")
        assert client.refused("broadcast", text="12345678")["code"] == "text_too_long"
    server.stop()
    assert "adduser" not in server.output  # there is an account now


def test_ipv6_is_listened_on_and_shown_in_brackets(start_server: StartServer) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    server = start_server("--host", "::1")
    assert f"listening on [::1]:{server.place[1]}" in server.output
    with socket.create_connection(("::1", server.place[1]), 10 * SCALE) as client:
        client.sendall(b'{"op":"ping"}\n')
        assert client.recv(1000).startswith(b'{"event":"hello"')


@pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="no cores to choose from"
)
def test_threads_that_pass_messages_on_share_a_core_and_the_index_does_not(
    start_server: StartServer,
) -> None:
    server = start_server()

    def cores_of_threads() -> list[int]:
        tasks = Path(f"/proc/{server.process.pid}/task").iterdir()
        with suppress(ProcessLookupError):  # one ended meanwhile
            return sorted(len(os.sched_getaffinity(int(each.name))) for each in tasks)
        return []

    with server.json(server.account("alice")):
        # Main, log, flusher, housekeeper, accounts, control, acceptor, alice's; what warms up ends.
        # Of those that nobody waits for there are the index and the pushes.
        everywhere = len(os.sched_getaffinity(0))
        eventually(lambda: cores_of_threads() == [1] * 8 + [everywhere] * 2)


def test_help_names_every_command() -> None:
    done = chat("--help")
    assert done.returncode == 0
    for name in ("serve", "connect", "adduser", "passwd", "deluser", "users"):
        assert f"\n  {name} " in done.stdout


# -- what cannot be --


def test_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        line = refusal("--port", port, "--data", tmp_path / "data")
        assert f"127.0.0.1:{port}" in line
        assert "in use" in line


@pytest.mark.parametrize(
    ("option", "value"), [("--host", "203.0.113.1"), ("--data", "/proc/nothing/here")]
)
def test_host_and_folder_that_cannot_be_had(tmp_path: Path, option: str, value: str) -> None:
    assert value in refusal("--port", "0", "--data", tmp_path / "data", option, value)


def test_file_in_place_of_the_data_folder(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.write_text("a file", "utf-8")
    assert str(place) in refusal("--port", "0", "--data", place)
    assert place.read_text("utf-8") == "a file"


@pytest.mark.parametrize("name", ["user_pass.txt", "chat.db"])
def test_folder_in_place_of_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert name in refusal("--port", "0", "--data", tmp_path)


def test_somebody_elses_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "chat.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE messages (id INTEGER)")
    content = database.read_bytes()
    assert "not a chat database" in refusal("--port", "0", "--data", tmp_path)
    assert database.read_bytes() == content


def test_database_of_a_newer_version_is_refused(start_server: StartServer, tmp_path: Path) -> None:
    start_server(data=tmp_path).stop()
    with closing(sqlite3.connect(tmp_path / "chat.db")) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    assert "newer" in refusal("--port", "0", "--data", tmp_path)


def test_second_server_on_one_folder_is_refused(start_server: StartServer) -> None:
    server = start_server()
    line = refusal("--port", "0", "--data", server.data)
    assert "Another server" in line
    assert str(server.data) in line
    with server.json(server.add("bob")) as client:
        client.say("still here")


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--port", "70000"]])
def test_wrong_option_is_exit_2(tmp_path: Path, arguments: list[str]) -> None:
    done = chat("serve", *arguments, "--data", tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Usage:" in done.stderr


@pytest.mark.parametrize(
    ("settings", "file", "named"),
    [
        ({"server_allow_plaintext": "perhaps"}, "", "CHAT_SERVER_ALLOW_PLAINTEXT"),
        ({"message_max_line_bytes": 1.5}, "", "CHAT_MESSAGE_MAX_LINE_BYTES"),
        ({}, "[server]\nprot = 1", "server.prot"),
        ({}, "[server\nport = 1", "chat.toml"),
        ({}, None, "chat.toml"),
    ],
)
def test_wrong_setting_is_one_line_that_names_it_and_exit_2(
    tmp_path: Path, settings: dict[str, object], file: str | None, named: str
) -> None:
    if file is not None:
        (tmp_path / "chat.toml").write_text(file, "utf-8")
    arguments = ("--data", tmp_path, "--config", tmp_path / "chat.toml")
    assert named in refusal(*arguments, code=2, **settings)


# -- stopping --


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_says_goodbye_to_everybody_and_keeps_every_message(
    start_server: StartServer, number: signal.Signals
) -> None:
    server = start_server()
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with (
        server.json(ann) as sender,
        server.json(bob) as reader,
        server.text(eve) as person,
        server.json() as newcomer,
        server.text() as asked,
    ):
        newcomer.ask("ping")
        asked.send("somebody")
        asked.expect("Password: ")
        sent = [sender.send("broadcast", text=str(count)) for count in range(500)]
        sender.answer(sent[100])
        server.signal(number)
        replies = {each["re"]: each for each in sender.events if "re" in each}
        for client in (sender, reader, newcomer):
            events = client.to_end()
            replies |= {each["re"]: each for each in events if "re" in each and client is sender}
            assert events[-1]["event"] == "bye"
            assert events[-1]["code"] == "shutting_down"
        for client in (person, asked):
            assert client.to_end().endswith("-- The server is shutting down.\n")
    assert server.wait() == 0
    server.check()
    assert not (server.data / "chat.db-wal").exists()
    kept = rows(server.data)
    for each in replies.values():
        if each["event"] == "reply":
            assert kept[each["seq"]].isdigit()
    assert [*kept.values()] == [*map(str, range(len(kept)))]


def test_sighup_ends_nothing(server: ServerProcess) -> None:
    server.signal(signal.SIGHUP)
    with server.json(server.add("hup")) as client:
        client.say("hi")
    assert server.process.poll() is None


def test_stop_right_after_the_start_and_twice_over(start_server: StartServer) -> None:
    server = start_server()
    server.signal(signal.SIGTERM)
    server.signal(signal.SIGINT)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert server.log == ""


def test_client_that_has_said_nothing_yet_does_not_hold_up_the_stop(
    start_server: StartServer,
) -> None:
    server = start_server()
    with server.json(server.add("bob")) as known, JsonClient(server.place):
        known.ask("ping")
        server.signal(signal.SIGTERM)
        assert known.bye() == "shutting_down"
        started = time.monotonic()
        assert server.wait() == 0
        assert time.monotonic() - started < 2.5 * SCALE
    assert "did not go in time" not in server.log


def test_stop_with_300_clients_takes_under_five_seconds(start_server: StartServer) -> None:
    server = start_server()
    names = server.accounts(*["bob"] * 300)
    with ExitStack() as stack:
        clients: list[JsonClient] = []
        for at in range(0, len(names), 20):  # no more at once than wait for a hash
            for name in names[at : at + 20]:
                clients.append(stack.enter_context(server.json()))
                clients[-1].send("login", name=name, password=PASSWORD)
            for client in clients[at:]:
                client.expect(op="login")
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        byes = at_once(
            lambda: {client.bye() for client in clients[:150]},
            lambda: {client.bye() for client in clients[150:]},
        )
        assert server.wait() == 0
        assert time.monotonic() - started < 5 * SCALE
        assert byes == [{"shutting_down"}] * 2
    assert "did not go in time" not in server.log


def test_port_is_free_again_at_once(start_server: StartServer) -> None:
    server = start_server()
    with server.json(server.add("bob")) as client:
        client.say("hi")
        server.signal(signal.SIGTERM)
        client.to_end()
        server.wait()
        again = ServerProcess(server.data, "--data", str(server.data), "--port", port_of(server))
        assert again.place == server.place
        again.stop()


def rows(data: Path) -> dict[int, str]:
    """Return what is on disk, by number."""
    with closing(sqlite3.connect(data / "chat.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return dict(database.execute("SELECT seq, text FROM messages ORDER BY seq"))
