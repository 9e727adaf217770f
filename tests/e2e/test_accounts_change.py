"""Accounts that change hands, logins of clients that have gone, and a crowd, on a real server."""

import contextlib
import socket

import pytest

from chatclient.link.connection import Connection
from chatclient.link.oneshot import Parcel, deliver

from .client import PASSWORD, PATIENCE, Client, TextClient, at_once, eventually, line
from .conftest import StartServer
from .process import ServerProcess, chat

DIALECTS = pytest.mark.parametrize("dialect", ["json", "text"])
EVERY_DIALECT = pytest.mark.parametrize("dialect", ["json", "text", "web"])
WIRES = pytest.mark.parametrize("secure", [False, True], ids=["plaintext", "TLS"])


def words_of(client: Client) -> str:
    """Return all that it is told until the connection ends."""
    if isinstance(client, TextClient):
        return client.to_end()
    return " ".join(f"{each.get('code', '')} {each.get('text', '')}" for each in client.to_end())


def try_to_say(client: Client, text: str) -> None:
    with contextlib.suppress(OSError):  # it may be closed by now
        if isinstance(client, TextClient):
            client.write(f"broadcast {text}\n".encode())
        else:
            client.write(line({"op": "broadcast", "text": text}))


@EVERY_DIALECT
@WIRES
def test_nothing_can_be_said_once_the_command_has_returned(
    server: ServerProcess, dialect: str, secure: bool
) -> None:
    first, removed, changed = server.accounts("first", "removed", "changed")
    new = "another horse\n"
    commands = {
        removed: (("deluser", removed), "", "kicked", "was removed by the operator"),
        changed: (("passwd", changed, "--password-stdin"), new, "password_changed", "was changed"),
    }
    with server.json(first) as other:
        for name, (command, typed, code, words) in commands.items():
            clients = [server.client(dialect, name, secure=secure) for _ in range(2)]
            done = chat(*command, "--data", server.data, typed=typed)
            for client in clients:
                try_to_say(client, "too late")
            assert (done.returncode, done.stderr) == (0, "")
            for client in clients:
                told = words_of(client)
                assert words in told
                assert dialect == "text" or code in told
                client.close()
        assert other.heard() == []
    with server.json() as again:
        for name in (removed, changed):
            refusal = again.refused("login", name=name, password=PASSWORD)
            assert refusal["code"] == "bad_credentials"
        again.login(changed, new.strip())


@EVERY_DIALECT
@WIRES
def test_an_account_that_an_editor_disables_is_logged_out(
    server: ServerProcess, dialect: str, secure: bool
) -> None:
    disabled = server.account("disabled")
    with server.client(dialect, disabled, secure=secure) as client:
        lines = server.passwords.read_text("utf-8").replace(f"{disabled}:$", f"{disabled}:!$")
        server.passwords.write_text(lines, "utf-8")
        assert "disabled by the operator" in words_of(client)
    done = chat(
        "passwd", disabled, "--password-stdin", "--data", server.data, typed="another horse\n"
    )
    assert (done.returncode, "stays so" in done.stdout) == (0, True)
    with server.json() as again:
        refusal = again.refused("login", name=disabled, password="another horse")
        assert refusal["code"] == "bad_credentials"


@EVERY_DIALECT
@WIRES
def test_old_sessions_get_nothing_of_the_new_owner(
    server: ServerProcess, dialect: str, secure: bool
) -> None:
    ann, bob = server.accounts("ann", "bob")
    old = [server.client(dialect, bob, secure=secure) for _ in range(2)]
    with server.json(ann) as other:
        assert chat("deluser", bob, "--data", server.data).returncode == 0
        server.add(bob)
        other.tell(bob, "for the new one")
        with server.json() as new:
            new.login(bob)
            assert new.heard() == ["for the new one"]
        for client in old:
            assert "for the new one" not in words_of(client)
            client.close()


@DIALECTS
@WIRES
def test_script_that_ends_its_side_is_served_to_its_end(
    server: ServerProcess, dialect: str, secure: bool
) -> None:
    ann, bob = server.accounts("ann", "bob")
    text = f"{bob}\n{PASSWORD}\nsend {ann} from a pipe\nlogout\n".encode()
    requests = (
        {"op": "login", "name": bob, "password": PASSWORD},
        {"op": "send", "to": [ann], "text": "from a pipe"},
        {"op": "logout"},
    )
    data = text if dialect == "text" else b"".join(map(line, requests))
    with server.json(ann) as other, server.client(dialect, secure=secure) as script:
        script.write(data)
        socket.socket.shutdown(script.socket, socket.SHUT_WR)
        assert other.texts(1) == ["from a pipe"]
        words_of(script)


@DIALECTS
@WIRES
def test_clients_that_have_gone_are_neither_hashed_nor_announced(
    start_server: StartServer, dialect: str, secure: bool
) -> None:
    server = start_server()
    ann, bob, slow = server.accounts("ann", "bob", "slow")
    login = line({"op": "login", "name": bob, "password": PASSWORD})
    data = login if dialect == "json" else f"{bob}\n{PASSWORD}\n".encode()
    with server.json(ann) as other:
        for at in range(26):
            client = server.client(dialect, secure=secure)
            client.write(data)
            # Over TLS the system answers unread bytes with a reset.
            client.close() if secure or at % 2 else client.reset()
        with server.json(slow):
            other.expect(event="presence", name=slow, state="online")
        eventually(lambda: server.log.count("disconnected: account=-") == 26)
        seen = [each for each in other.fence() if each.get("name") == bob]
    assert seen == []


def test_messages_of_sixty_accounts_at_once_all_get_through(start_server: StartServer) -> None:
    server = start_server(login_address_failures=30, login_logins_per_minute=60)
    ann, *names = server.accounts("ann", *["crowd"] * 60)
    host, port = server.place

    def say(name: str) -> None:
        deliver(
            Parcel(f"from {name}"),
            lambda seconds: Connection.open(host, port, timeout=seconds),
            name,
            PASSWORD,
            PATIENCE * 3,
        )

    with server.json(ann) as reader:
        at_once(*(lambda name=name: say(name) for name in names))
        assert sorted(reader.texts(60)) == sorted(f"from {name}" for name in names)
