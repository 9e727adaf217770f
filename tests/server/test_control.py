"""The control socket: what commands get done through it, and peers that mean no good."""

import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from chatserver.accounts.changes import AccountChanges, NotDone
from chatserver.accounts.file import Accounts
from chatserver.cli import control as commands
from chatserver.control import (
    MOST_BYTES,
    SOCKET,
    AddAccounts,
    Added,
    Changed,
    ChangePassword,
    DeleteAccounts,
    Deleted,
    Hello,
    NewAccount,
    line,
)
from chatserver.net.local import LocalListener, connect
from chatserver.serving import control as serving
from chatserver.serving.accounts_keeper import AccountsKeeper
from chatserver.serving.control import Control
from chatserver.storage.backup import back_up
from chatserver.storage.store import StorageFull, Store
from chatserver.system.folderlock import FolderInUse, lock_for_command, lock_for_server

from .fakes import DEADLINE, Server

HASH = "{}".format("a" * 40)


@pytest.fixture
def changes(server: Server) -> AccountChanges:
    return AccountChanges(server.accounts, AccountsKeeper(server.services.registrar))


@pytest.fixture
def control(server: Server, changes: AccountChanges, tmp_path: Path) -> Iterator[Control]:
    """A control socket in the folder of `server`, and the lock that says that there is a server."""
    lock = lock_for_server(tmp_path)
    running = opened(tmp_path, changes)
    yield running
    running.stop()
    os.close(lock)


def opened(folder: Path, changes: AccountChanges) -> Control:
    control = Control(
        folder,
        {
            AddAccounts: changes.add,
            ChangePassword: changes.change_password,
            DeleteAccounts: changes.delete,
        },
    )
    control.start()
    return control


def new(*names: str) -> AddAccounts:
    return AddAccounts(tuple(NewAccount(name, HASH) for name in names))


class Peer:
    """A connection to the control socket that sends whatever it likes."""

    def __init__(self, folder: Path, sent: bytes = b"") -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(str(folder / SOCKET))
        with suppress(BrokenPipeError):
            self.socket.sendall(sent)

    def said(self) -> list[dict[str, Any]]:
        """Return all that it is told until the end."""
        data = b""
        with suppress(ConnectionResetError):
            while more := self.socket.recv(65536):
                data += more
        self.close()
        return [json.loads(each) for each in data.splitlines()]

    def close(self) -> None:
        self.socket.close()


def names(server: Server) -> set[str]:
    return set(server.accounts.all())


# -- what is asked for --


def test_accounts_are_made_changed_and_deleted(
    server: Server, control: Control, tmp_path: Path
) -> None:
    assert commands.change(tmp_path, new("Eve", "BOB"), Added) == Added(("Eve",), ("BOB",))
    assert "eve" in names(server)
    changed = commands.change(tmp_path, ChangePassword("ALICE", HASH), Changed)
    assert changed == Changed("alice")
    account = server.accounts.look_up("alice")
    assert account is not None
    assert account.hash == HASH
    gone = commands.change(tmp_path, DeleteAccounts(("bob", "eve")), Deleted)
    assert gone.names == ("bob", "eve")
    assert names(server) == {"alice", "carol", "dave"}


@pytest.mark.parametrize(
    ("request_", "code"),
    [(DeleteAccounts(("bob",)), "kicked"), (ChangePassword("bob", HASH), "password_changed")],
    ids=["delete", "change"],
)
def test_what_was_said_before_is_kept_and_nothing_after(
    server: Server, control: Control, tmp_path: Path, request_: Any, code: str
) -> None:
    alice, desk, laptop = server.joined("alice", "bob", "bob")
    server.say(desk, "before")
    commands.change(tmp_path, request_, Deleted if code == "kicked" else Changed)
    for each in (desk, laptop):
        server.say(each, "after")
        server.settle()
        assert [found["code"] for found in each.named("error")] == [code]
        answer = server.ask(server.context(each), "history")
        assert answer is not None
        assert answer["code"] == code
    assert alice.said() == ["before"]
    assert server.sessions_of("bob") == ()
    assert (server.directory.account_id("bob") is None) == (code == "kicked")


def test_who_had_a_line_that_an_editor_took_out_is_not_the_new_account(
    server: Server, changes: AccountChanges
) -> None:
    """Nobody has looked at the file in between."""
    old, alice = server.joined("bob", "alice")
    with server.accounts.edit() as draft:
        draft.remove("bob")
    changes.add(new("bob"))
    assert server.sessions_of("bob") == ()
    assert old.connection.ending is not None
    assert old.connection.ending.code == "password_changed"
    assert alice.connection.ending is None


def test_a_disabled_account_keeps_its_mark(server: Server, changes: AccountChanges) -> None:
    with server.accounts.path.open("a", encoding="utf-8") as file:
        file.write(f"off:!{HASH}\n")
    assert changes.change_password(ChangePassword("off", "b" * 40)).disabled
    account = server.accounts.look_up("off")
    assert account is not None
    assert account.hash == "!" + "b" * 40


@pytest.mark.parametrize(
    "request_",
    [
        AddAccounts((NewAccount("eve", HASH), NewAccount("a\nb", HASH))),
        AddAccounts((NewAccount("eve", HASH), NewAccount("lobby", HASH))),
        AddAccounts((NewAccount("eve", "x\nmallory:x"),)),
        AddAccounts((NewAccount("eve", ""),)),
        AddAccounts((NewAccount("eve", "x" * 513),)),
        ChangePassword("nobody", HASH),
        ChangePassword("bob", "two words"),
        DeleteAccounts(("bob", "nobody")),
    ],
    ids=str,
)
def test_what_cannot_be_done_changes_nothing(
    server: Server, control: Control, tmp_path: Path, request_: Any, capsys: Any
) -> None:
    before = server.accounts.path.read_bytes()
    with pytest.raises(SystemExit) as ended:
        commands.change(tmp_path, request_, Added)
    assert ended.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert server.accounts.path.read_bytes() == before


def test_what_cannot_follow_undoes_the_change(
    server: Server, changes: AccountChanges, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bob,) = server.joined("bob")
    before = dict(server.accounts.all())

    def full(*_: object) -> None:
        raise StorageFull("full")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", full)
        with pytest.raises(NotDone, match="cannot store"):
            changes.delete(DeleteAccounts(("bob",)))
    assert server.accounts.all() == before
    assert bob.connection.ending is None
    server.stop()
    for attempt in (
        lambda: changes.delete(DeleteAccounts(("bob",))),
        lambda: changes.change_password(ChangePassword("bob", HASH)),
        lambda: changes.add(new("eve")),
    ):
        with pytest.raises(NotDone, match="shutting down"):
            attempt()
        assert server.accounts.all() == before


def test_who_is_being_deleted_is_there_but_gets_in_no_more(server: Server) -> None:
    """Were the server killed in the middle, the account could still be deleted."""
    seen = []

    class Keeper:
        def made(self, *names: str) -> None: ...
        def changed(self, name: str) -> None: ...
        def deleted(self, *names: str) -> None:
            seen.extend(server.accounts.look_up(name) for name in names)

    AccountChanges(server.accounts, Keeper()).delete(DeleteAccounts(("bob",)))
    assert [each is not None and each.disabled for each in seen] == [True]


# -- peers that mean no good --


@pytest.mark.parametrize(
    "sent",
    [
        b"\n",
        b"garbage\n",
        b"{}\n",
        b'{"op":"nonsense"}\n',
        b'{"op":"add","accounts":"all"}\n',
        b'{"op":"delete","names":[1]}\n',
        b"\xff\xfe\x00\n",
        b"[" * 100_000 + b"\n",
        b"x" * (MOST_BYTES + 2),
    ],
    ids=lambda sent: str(sent[:30]),
)
def test_what_is_no_request_is_refused(
    server: Server, control: Control, tmp_path: Path, sent: bytes
) -> None:
    before = names(server)
    said = Peer(tmp_path, sent).said()
    assert said[0] == {"reply": "hello", "version": 1}
    # One that was still sending may be cut off before it can read.
    assert [each["reply"] for each in said[1:]] == ["refused"] or len(sent) > MOST_BYTES
    assert names(server) == before
    commands.change(tmp_path, new("eve"), Added)


def test_who_hangs_up_has_not_asked(server: Server, control: Control, tmp_path: Path) -> None:
    Peer(tmp_path, line(new("half"))[:-1]).close()
    with server.paused():
        waiting = Peer(tmp_path, line(ChangePassword("alice", HASH)))
        assert waiting.socket.recv(200) == line(Hello())  # its turn has come
        Peer(tmp_path, line(new("gone"))).close()
    assert [each["reply"] for each in waiting.said()] == ["changed"]
    commands.change(tmp_path, new("eve"), Added)
    assert names(server) & {"half", "gone", "eve"} == {"eve"}


def test_the_slow_keep_nobody_out(
    server: Server, control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_SECONDS", 1.0)
    slow = [Peer(tmp_path, b'{"op"') for _ in range(serving._CLIENTS)]
    commands.change(tmp_path, new("eve"), Added)
    assert "eve" in names(server)
    for each in slow:
        assert len(each.said()) == 1


def test_many_at_once_are_all_served(server: Server, control: Control, tmp_path: Path) -> None:
    everybody = [f"many{number}" for number in range(40)]
    with ThreadPoolExecutor(20) as pool:
        done = pool.map(lambda name: commands.change(tmp_path, new(name), Added), everybody)
        assert [each.names for each in done] == [(name,) for name in everybody]
    assert names(server) >= {*everybody}


def test_another_user_is_refused(
    control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("chatserver.net.local._peer_uid", lambda _: 12345)
    with pytest.raises(SystemExit):
        commands.change(tmp_path, new("eve"), Added)
    assert "Only the user who runs the server" in capsys.readouterr().err


def test_the_system_says_who_it_is(tmp_path: Path) -> None:
    with closing(LocalListener(tmp_path, SOCKET)) as listener:
        assert (tmp_path / SOCKET).stat().st_mode & 0o777 == 0o600
        with closing(connect(tmp_path, SOCKET, 1)):
            accepted = listener.accept()
        assert accepted is not None
        accepted[0].close()
        assert accepted[1] == os.geteuid()
        assert listener.accept() is None


def test_a_fault_in_an_action_is_told_and_survived(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    control = Control(tmp_path, {})
    control.start()
    for _ in range(2):
        said = Peer(tmp_path, line(new("eve"))).said()
        assert "went wrong" in said[1]["text"]
    control.stop()
    assert "a request of a command failed" in caplog.text


def test_the_end_waits_for_nobody_and_leaves_nothing(
    server: Server, changes: AccountChanges, tmp_path: Path
) -> None:
    control = opened(tmp_path, changes)
    idle = Peer(tmp_path)
    idle.socket.recv(200)
    control.stop()
    assert idle.said() == []
    assert not (tmp_path / SOCKET).exists()
    never_started = Control(tmp_path, {})
    never_started.stop()


# -- the socket's place --


def test_deep_folders_and_links(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(deep)
    for one, other in ((deep, link), (link, deep)):
        with closing(LocalListener(one, SOCKET)), closing(connect(other, SOCKET, 1)):
            pass


def test_what_a_killed_server_left_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / SOCKET))
    stale.close()
    with pytest.raises(ConnectionRefusedError):
        connect(tmp_path, SOCKET, 1)
    with closing(LocalListener(tmp_path, SOCKET)), closing(connect(tmp_path, SOCKET, 1)):
        pass
    (tmp_path / SOCKET).write_text("mine")
    with pytest.raises(OSError, match="something else"):
        LocalListener(tmp_path, SOCKET)
    assert (tmp_path / SOCKET).read_text() == "mine"


def test_a_backup_leaves_it_out(control: Control, tmp_path: Path) -> None:
    file = tmp_path.with_name(f"{tmp_path.name}.tar")
    back_up(tmp_path, file, lambda _done, _total: None)
    with tarfile.open(file) as tar:
        assert SOCKET not in tar.getnames()


# -- the folder's lock, and servers that do not answer --


def test_commands_share_the_lock_and_keep_servers_out(tmp_path: Path) -> None:
    first, second = lock_for_command(tmp_path), lock_for_command(tmp_path)
    assert first is not None
    assert second is not None
    got: list[int] = []
    server = threading.Thread(target=lambda: got.append(lock_for_server(tmp_path)))
    server.start()
    os.close(first)
    server.join(0.1)
    assert got == []  # it waits for the other one
    os.close(second)
    server.join(DEADLINE)
    assert lock_for_command(tmp_path) is None
    with pytest.raises(FolderInUse):
        lock_for_server(tmp_path)
    os.close(got[0])


def test_without_a_server_the_files_are_edited(tmp_path: Path) -> None:
    locks = []

    def watched(self: AccountChanges, request: AddAccounts) -> Added:
        locks.append(subprocess.run([sys.executable, "-c", TRY_LOCK, tmp_path], check=False))
        return add(self, request)

    add = AccountChanges.add
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AccountChanges, "add", watched)
        assert commands.change(tmp_path, new("eve"), Added).names == ("eve",)
    assert [each.returncode for each in locks] == [1]  # no server could have started meanwhile
    assert [*Accounts(tmp_path / "user_pass.txt").all()] == ["eve"]


TRY_LOCK = """
import fcntl, sys
try:
    fcntl.flock(open(sys.argv[1] + "/chat.lock"), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(1)
"""


def silent(_: socket.socket) -> None:
    return


def other_version(peer: socket.socket) -> None:
    peer.sendall(b'{"reply":"hello","version":2}\n')


def not_chat(peer: socket.socket) -> None:
    peer.sendall(b"220 mail.example ESMTP\r\n")


def killed(peer: socket.socket) -> None:
    peer.sendall(line(Hello()))
    peer.recv(1 << 16)
    peer.close()


def nonsense(peer: socket.socket) -> None:
    peer.sendall(line(Hello()))
    peer.recv(1 << 16)
    peer.sendall(b"{}\n")


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (None, "does not answer"),
        (silent, "does not answer"),
        (other_version, "another version"),
        (not_chat, "another version"),
        (killed, "ended or hung before it answered"),
        (nonsense, "answered something else"),
    ],
)
def test_a_server_that_does_not_answer_well_is_named_in_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    behaviour: Callable[[socket.socket], None] | None,
    words: str,
) -> None:
    if behaviour in (None, silent):  # the others answer, whenever a busy machine lets them
        monkeypatch.setattr(commands, "_PATIENCE", 0.3)
    lock = lock_for_server(tmp_path)
    listening = socket.socket(socket.AF_UNIX)
    peers = []

    def serve() -> None:
        assert behaviour is not None
        with suppress(OSError):
            peers.append(listening.accept()[0])
            behaviour(peers[0])

    thread = threading.Thread(target=serve)
    if behaviour is not None:
        listening.bind(str(tmp_path / SOCKET))
        listening.listen()
        thread.start()
    with pytest.raises(SystemExit):
        commands.change(tmp_path, new("eve"), Added)
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "user_pass.txt").exists()
    if behaviour is not None:
        thread.join(DEADLINE)
    for each in (listening, *peers):
        each.close()
    os.close(lock)


def test_a_server_that_is_about_to_listen_is_waited_for(
    server: Server, changes: AccountChanges, tmp_path: Path
) -> None:
    lock = lock_for_server(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(commands.change, tmp_path, new("eve"), Added)
        control = opened(tmp_path, changes)
        assert asked.result(DEADLINE).names == ("eve",)
    control.stop()
    os.close(lock)
