"""The control socket: what commands get done through it, and peers that mean no good."""

import json
import os
import socket
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from chatserver.accounts.changes import AccountChanges, NotDone
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
from chatserver.system.folderlock import lock_for_server

from .fakes import DEADLINE, Server, raising

HASH = "a" * 40


class Office:
    """A server, the lock that says that there is one, and its control socket."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.changes = AccountChanges(
            server.accounts, AccountsKeeper(server.services.registrar, server.services.devices)
        )
        self.lock = lock_for_server(folder)

    def open(self) -> Control:
        """Listen; the control is to be stopped."""
        actions = {
            AddAccounts: self.changes.add,
            ChangePassword: self.changes.change_password,
            DeleteAccounts: self.changes.delete,
        }
        control = Control(self.folder, actions)
        control.start()
        return control

    def add(self, *names: str) -> Added:
        """Do what `chat adduser` does."""
        return commands.change(self.folder, new(*names), Added)

    def names(self) -> set[str]:
        return set(self.server.accounts.all())


@pytest.fixture
def closed(server: Server, tmp_path: Path) -> Iterator[Office]:
    """Give an office that does not listen yet."""
    made = Office(server, tmp_path)
    yield made
    os.close(made.lock)


@pytest.fixture
def office(closed: Office) -> Iterator[Office]:
    control = closed.open()
    yield closed
    control.stop()


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
        self.socket.close()
        return [json.loads(each) for each in data.splitlines()]


# -- what is asked for --


def test_accounts_are_made_changed_and_deleted(office: Office) -> None:
    assert office.add("Eve", "BOB") == Added(("Eve",), ("BOB",))
    assert "eve" in office.names()
    changed = commands.change(office.folder, ChangePassword("ALICE", HASH), Changed)
    assert changed == Changed("alice")
    assert office.server.hash_of("alice") == HASH
    gone = commands.change(office.folder, DeleteAccounts(("bob", "eve")), Deleted)
    assert gone.names == ("bob", "eve")
    assert office.names() == {"alice", "carol", "dave"}


@pytest.mark.parametrize(
    ("request_", "code"),
    [(DeleteAccounts(("bob",)), "kicked"), (ChangePassword("bob", HASH), "password_changed")],
    ids=["delete", "change"],
)
def test_what_was_said_before_is_kept_and_nothing_after(
    office: Office, request_: Any, code: str
) -> None:
    server = office.server
    alice, desk, laptop = server.joined("alice", "bob", "bob")
    server.say(desk, "before")
    commands.change(office.folder, request_, Deleted if code == "kicked" else Changed)
    for each in (desk, laptop):
        server.say(each, "after")
        assert [found["code"] for found in each.named("error")] == [code]
        assert server.ask(server.context(each), "history")["code"] == code
    assert alice.said() == ["before"]
    assert server.sessions_of("bob") == ()
    assert (server.directory.account_id("bob") is None) == (code == "kicked")


def test_who_had_a_line_that_an_editor_took_out_is_not_the_new_account(closed: Office) -> None:
    """Nobody has looked at the file in between."""
    old, alice = closed.server.joined("bob", "alice")
    with closed.server.accounts.edit() as draft:
        draft.remove("bob")
    closed.changes.add(new("bob"))
    assert closed.server.sessions_of("bob") == ()
    assert old.code == "password_changed"
    assert alice.ending is None


def test_a_disabled_account_keeps_its_mark(closed: Office) -> None:
    closed.server.put("off", f"!{HASH}")
    assert closed.changes.change_password(ChangePassword("off", "b" * 40)).disabled
    assert closed.server.hash_of("off") == "!" + "b" * 40


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
    office: Office, request_: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = office.server.accounts.path.read_bytes()
    with pytest.raises(SystemExit) as ended:
        commands.change(office.folder, request_, Added)
    assert ended.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert office.server.accounts.path.read_bytes() == before


def test_what_cannot_follow_undoes_the_change(
    closed: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, changes = closed.server, closed.changes
    (bob,) = server.joined("bob")
    before = dict(server.accounts.all())
    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", raising(StorageFull("full")))
        with pytest.raises(NotDone, match="cannot store"):
            changes.delete(DeleteAccounts(("bob",)))
    assert server.accounts.all() == before
    assert bob.ending is None
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
def test_what_is_no_request_is_refused(office: Office, sent: bytes) -> None:
    before = office.names()
    said = Peer(office.folder, sent).said()
    assert said[0] == {"reply": "hello", "version": 2}
    # One that was still sending may be cut off before it can read.
    assert [each["reply"] for each in said[1:]] == ["refused"] or len(sent) > MOST_BYTES
    assert office.names() == before
    office.add("eve")


def test_who_hangs_up_has_not_asked(office: Office) -> None:
    Peer(office.folder, line(new("half"))[:-1]).socket.close()
    with office.server.paused():
        waiting = Peer(office.folder, line(ChangePassword("alice", HASH)))
        assert waiting.socket.recv(200) == line(Hello())  # its turn has come
        Peer(office.folder, line(new("gone"))).socket.close()
    assert [each["reply"] for each in waiting.said()] == ["changed"]
    office.add("eve")
    assert office.names() & {"half", "gone", "eve"} == {"eve"}


def test_the_slow_keep_nobody_out(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_SECONDS", 1.0)
    slow = [Peer(office.folder, b'{"op"') for _ in range(serving._CLIENTS)]
    office.add("eve")
    assert "eve" in office.names()
    for each in slow:
        assert len(each.said()) == 1


def test_many_at_once_are_all_served(office: Office) -> None:
    everybody = [f"many{number}" for number in range(40)]
    with ThreadPoolExecutor(20) as pool:
        done = pool.map(office.add, everybody)
        assert [each.names for each in done] == [(name,) for name in everybody]
    assert office.names() >= {*everybody}


def test_another_user_is_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("chatserver.net.local._peer_uid", lambda _: 12345)
    with pytest.raises(SystemExit):
        office.add("eve")
    assert "Only the user who runs the server" in capsys.readouterr().err


def test_a_fault_in_an_action_is_told_and_survived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    control = Control(tmp_path, {})
    control.start()
    for _ in range(2):
        said = Peer(tmp_path, line(new("eve"))).said()
        assert "went wrong" in said[1]["text"]
    control.stop()
    assert "a request of a command failed" in caplog.text


def test_the_end_waits_for_nobody_and_leaves_nothing(closed: Office) -> None:
    control = closed.open()
    idle = Peer(closed.folder)
    idle.socket.recv(200)
    control.stop()
    assert idle.said() == []
    assert not (closed.folder / SOCKET).exists()
    never_started = Control(closed.folder, {})
    never_started.stop()


def test_a_server_that_is_about_to_listen_is_waited_for(closed: Office) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(closed.add, "eve")
        control = closed.open()
        assert asked.result(DEADLINE).names == ("eve",)
    control.stop()


# -- the socket's place --


def test_the_system_says_who_it_is(tmp_path: Path) -> None:
    with closing(LocalListener(tmp_path, SOCKET)) as listener:
        assert (tmp_path / SOCKET).stat().st_mode & 0o777 == 0o600
        with closing(connect(tmp_path, SOCKET, 1)):
            accepted = listener.accept()
        assert accepted is not None
        accepted[0].close()
        assert accepted[1] == os.geteuid()
        assert listener.accept() is None


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


def test_a_backup_leaves_it_out(office: Office) -> None:
    file = office.folder.with_name(f"{office.folder.name}.tar")
    back_up(office.folder, file, lambda _done, _total: None)
    with tarfile.open(file) as tar:
        assert SOCKET not in tar.getnames()
