"""Commands beside a running server, and servers that come and go beside commands."""

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from .client import PASSWORD, at_once
from .conftest import StartServer
from .process import ServerProcess, chat


def test_accounts_by_the_dozen_beside_a_server(server: ServerProcess, tmp_path: Path) -> None:
    (taken,) = server.accounts("taken")
    done = chat("adduser", "--generate", "gen1", "gen2", "--data", server.data)
    assert done.returncode == 0, done.stderr
    passphrase = done.stdout.split()[-1]
    old = tmp_path / "old.txt"
    sha = hashlib.sha256(PASSWORD.encode()).hexdigest()
    old.write_text(f"{taken}:{sha}\n" + "".join(f"old{n}:{sha}\n" for n in range(6000)))
    done = chat("adduser", "--import", old, "--data", server.data)
    assert (done.returncode, done.stdout) == (1, "Imported 6000 accounts.\n")
    assert done.stderr == f"chat: {taken} is refused: there is such an account already.\n"
    with server.json() as one, server.json("old0"), server.json("old5999"):
        one.login("gen2", passphrase)
    names = [f"old{n}" for n in range(3)]
    assert chat("deluser", *names, "--data", server.data).returncode == 0
    assert "nobody" in chat("deluser", "old3", "nobody", "--data", server.data).stderr
    with server.json() as gone, server.json("old3"):
        gone.refused("login", name="old2", password=PASSWORD)


def test_the_socket_comes_and_goes_with_the_server(
    start_server: StartServer, tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(deep)
    control = deep / "control"
    server = start_server(data=link)
    assert control.stat().st_mode & 0o777 == 0o600
    server.kill()
    assert control.is_socket()  # nobody listens: the command is not taken in by it
    for data, name in ((link, "ann"), (deep, "bob")):
        added = chat("adduser", name, "--password-stdin", "--data", data, typed=PASSWORD)
        assert (added.returncode, added.stderr) == (0, "")
    server = start_server(data=deep)
    with server.json("ann") as ann, server.json("bob"):
        assert chat("deluser", "bob", "--data", link).returncode == 0
        assert ann.refused("send", to=["bob"], text="hi")["code"] == "no_such_user"
    server.stop()
    assert not control.exists()


def test_commands_while_servers_start_and_stop(start_server: StartServer) -> None:
    server = start_server()
    names = [f"n{number}" for number in range(6)]

    def restart() -> None:
        server.stop()
        start_server()

    def add(name: str) -> None:
        done = chat("adduser", name, "--password-stdin", "--data", server.data, typed=PASSWORD)
        assert (done.returncode, done.stderr) == (0, "")

    at_once(restart, *(lambda name=name: add(name) for name in names))
    assert {line.split(":")[0] for line in server.passwords.read_text().split()} == {*names}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_another_user_is_told_so() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        data = Path(place, "data")
        server = ServerProcess(data, "--data", str(data), prepared=False)
        ask = (
            "import os, socket, sys; s = socket.socket(socket.AF_UNIX); os.setgroups([]);"
            " os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3); s.connect(sys.argv[1]);"
            " print(s.makefile().read())"
        )

        def asked() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-c", ask, data / "control"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip

        try:
            assert "PermissionError" in asked().stderr
            data.chmod(0o755)
            (data / "control").chmod(0o666)
            assert '"refused"' in asked().stdout
            with socket.socket(socket.AF_UNIX) as own:
                own.connect(str(data / "control"))
                assert b"hello" in own.recv(100)
        finally:
            server.stop()
