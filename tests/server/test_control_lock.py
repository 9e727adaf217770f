"""The folder's lock: how commands know whether there is a server, and servers that fail them."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from chatserver.accounts.changes import AccountChanges
from chatserver.accounts.file import Accounts
from chatserver.cli import control as commands
from chatserver.control import SOCKET, AddAccounts, Added, Hello, NewAccount, line
from chatserver.system.folderlock import FolderInUse, lock_for_command, lock_for_server

from .fakes import DEADLINE, begun

ADD_EVE = AddAccounts((NewAccount("eve", "a" * 40),))

TRY_LOCK = """
import fcntl, sys
try:
    fcntl.flock(open(sys.argv[1] + "/chat.lock"), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(1)
"""


def test_commands_share_the_lock_and_keep_servers_out(tmp_path: Path) -> None:
    first, second = lock_for_command(tmp_path), lock_for_command(tmp_path)
    assert first is not None
    assert second is not None
    server = begun(lock_for_server, tmp_path)
    os.close(first)
    with pytest.raises(TimeoutError):  # it waits for the other one
        server.result(0.1)
    os.close(second)
    lock = server.result(DEADLINE)
    assert lock_for_command(tmp_path) is None
    with pytest.raises(FolderInUse):
        lock_for_server(tmp_path)
    os.close(lock)


def test_without_a_server_the_files_are_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks = []
    add = AccountChanges.add

    def watched(self: AccountChanges, request: AddAccounts) -> Added:
        locks.append(subprocess.run([sys.executable, "-c", TRY_LOCK, tmp_path], check=False))
        return add(self, request)

    monkeypatch.setattr(AccountChanges, "add", watched)
    assert commands.change(tmp_path, ADD_EVE, Added).names == ("eve",)
    assert [each.returncode for each in locks] == [1]  # no server could have started meanwhile
    assert [*Accounts(tmp_path / "user_pass.txt").all()] == ["eve"]


HELLO = line(Hello())
SILENT = b""


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        (None, None, "does not answer"),
        (SILENT, None, "does not answer"),
        (b'{"reply":"hello","version":3}\n', None, "another version"),
        (b"220 mail.example ESMTP\r\n", None, "another version"),
        (HELLO, b"", "ended or hung before it answered"),
        (HELLO, b"{}\n", "answered something else"),
    ],
    ids=["nobody", "silent", "other version", "not chat", "killed", "nonsense"],
)
def test_a_server_that_does_not_answer_well_is_named_in_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    first: bytes | None,
    then: bytes | None,
    words: str,
) -> None:
    """`first` is what whoever connects is told, and `then` what follows what it asks."""
    if not first:  # the others answer, whenever a busy machine lets them
        monkeypatch.setattr(commands, "_PATIENCE", 0.3)
    lock = lock_for_server(tmp_path)
    listening = socket.socket(socket.AF_UNIX)
    peers: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            peers.append(listening.accept()[0])
            peers[0].sendall(first or b"")
            if then is not None:
                peers[0].recv(1 << 16)
                peers[0].sendall(then)
            if then == b"":
                peers[0].close()

    if first is not None:
        listening.bind(str(tmp_path / SOCKET))
        listening.listen()
    serving = begun(serve)
    with pytest.raises(SystemExit):
        commands.change(tmp_path, ADD_EVE, Added)
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "user_pass.txt").exists()
    serving.result(DEADLINE)
    for each in (listening, *peers):
        each.close()
    os.close(lock)
