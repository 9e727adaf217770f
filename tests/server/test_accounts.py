"""Accounts: a file that several programs edit and a server reads, and nothing gets lost."""

import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from chatserver.accounts import file as module
from chatserver.accounts.file import Account, Accounts

from .fakes import raising

ADD_TEN = """
import sys
from pathlib import Path
from chatserver.accounts.file import Account, Accounts
accounts = Accounts(Path(sys.argv[1]))
for number in range(10):
    with accounts.edit() as draft:
        draft.put(Account(f"{sys.argv[2]}{number}", "hash"))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "user_pass.txt"


def add(path: Path, name: str, hashed: str = "hash") -> None:
    with Accounts(path).edit() as draft:
        draft.put(Account(name, hashed))


def test_an_account_is_found_in_whatever_case(path: Path) -> None:
    assert Accounts(path).all() == {}
    path.write_text("Alice:hash\nbob:$argon2id$v=19$m=8:x\n")
    accounts = Accounts(path)
    assert accounts.find("aLICE") == Account("Alice", "hash")
    assert accounts.find("bob") == Account("bob", "$argon2id$v=19$m=8:x")
    assert accounts.find("carol") is None
    assert set(accounts.all()) == {"alice", "bob"}


def test_an_account_is_added_replaced_and_removed_in_its_place(path: Path) -> None:
    for name in ("alice", "bob", "carol"):
        add(path, name)
    with Accounts(path).edit() as draft:
        assert "BOB" in draft
        assert "dave" not in draft
        draft.put(Account("Bob", "new"))
        draft.remove("ALICE")
        assert "alice" not in draft
        draft.put(Account("carol", "newer"))
    assert path.read_text() == "Bob:new\ncarol:newer\n"


def test_the_folder_is_made(tmp_path: Path) -> None:
    add(tmp_path / "new" / "folder" / "user_pass.txt", "alice")
    assert (tmp_path / "new" / "folder" / "user_pass.txt").exists()


def test_only_the_owner_may_read_the_file(path: Path) -> None:
    path.write_text("alice:hash\n")
    path.chmod(0o644)
    add(path, "bob")
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root edits the files of others")
def test_the_owner_of_the_file_stays(path: Path) -> None:
    add(path, "alice")
    os.chown(path, 12345, 12345)
    add(path, "bob")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12345)


def test_an_edit_that_fails_changes_nothing(path: Path) -> None:
    add(path, "alice")
    with suppress(ZeroDivisionError), Accounts(path).edit() as draft:
        draft.put(Account("bob", "hash"))
        draft.remove("alice")
        with pytest.raises(KeyError):  # nobody is removed twice
            draft.remove("alice")
        raise ZeroDivisionError
    assert path.read_text() == "alice:hash\n"


def test_an_edit_that_cannot_be_written_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(path, "alice")
    with monkeypatch.context() as patched:
        patched.setattr(module, "write_atomically", raising(OSError(28, "No space left")))
        with pytest.raises(OSError, match="No space left"):
            add(path, "bob")
    assert set(Accounts(path).all()) == {"alice"}
    add(path, "carol")  # the lock was given back
    assert set(Accounts(path).all()) == {"alice", "carol"}


def test_an_edit_of_nothing_writes_nothing(path: Path) -> None:
    add(path, "alice")
    before = path.stat()
    with Accounts(path).edit():
        pass
    assert path.stat().st_ino == before.st_ino


def test_parallel_edits_of_several_processes_lose_nothing(path: Path) -> None:
    add(path, "first")
    writers = [
        subprocess.Popen([sys.executable, "-c", ADD_TEN, str(path), prefix]) for prefix in "abc"
    ]
    accounts = Accounts(path)
    while any(writer.poll() is None for writer in writers):
        assert accounts.find("first") is not None  # no reader sees half a file
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    expected = {f"{prefix}{number}" for prefix in "abc" for number in range(10)}
    assert set(accounts.all()) == expected | {"first"}
    assert {each.name for each in path.parent.iterdir()} == {path.name, f"{path.name}.lock"}


def test_a_change_is_seen_at_once(path: Path) -> None:
    accounts = Accounts(path)
    assert accounts.find("alice") is None
    add(path, "alice", "one")
    assert accounts.find("alice") == Account("alice", "one")
    add(path, "alice", "two")
    assert accounts.look_up("alice") == Account("alice", "two")
    assert accounts.find("alice") == Account("alice", "two")
    path.unlink()
    assert accounts.look_up("alice") is None
    assert accounts.find("alice") is None


def test_the_file_is_read_only_when_it_has_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(path, "alice")
    os.utime(path, (1, 1))  # long ago: one that has just been written is read again
    accounts = Accounts(path)
    first = accounts.all()
    assert accounts.all() is first
    assert accounts.find("alice") is first["alice"]


def test_what_was_handed_out_does_not_change(path: Path) -> None:
    add(path, "alice")
    accounts = Accounts(path)
    before = accounts.all()
    add(path, "bob")
    accounts.all()
    assert set(before) == {"alice"}
    with pytest.raises(TypeError):
        before["eve"] = Account("eve", "x")  # type: ignore[index]


@pytest.mark.parametrize(
    ("hashed", "disabled"), [("hash", False), ("!hash", True), ("!", True), ("ha!sh", False)]
)
def test_an_exclamation_mark_switches_an_account_off(
    path: Path, hashed: str, disabled: bool
) -> None:
    path.write_text(f"alice:{hashed}\n")
    account = Accounts(path).find("alice")
    assert account is not None
    assert account.disabled == disabled


DAMAGED = b"alice:hash\n\nno colon\n-bad:hash\nbob:\ncaf\xe9:hash\n# a comment\nALICE:other\n"


def test_damaged_lines_are_named_and_skipped(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(DAMAGED)
    with caplog.at_level(logging.WARNING):
        assert dict(Accounts(path).all()) == {"alice": Account("alice", "hash")}
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} line {number} {'repeats a name' if number == 8 else 'is not name:hash'}; skipped"
        for number in (3, 4, 5, 6, 8)
    ]


@pytest.mark.parametrize(
    "before",
    [
        DAMAGED,
        "# page\fbreak, line\u2028separator, next\x85line\n".encode(),  # only LF ends a line
    ],
)
def test_what_is_no_account_stays_as_it_is(path: Path, before: bytes) -> None:
    path.write_bytes(before)
    add(path, "dave")
    assert path.read_bytes() == before + b"dave:hash\n"


def test_the_first_line_of_a_name_is_the_one_that_is_edited(path: Path) -> None:
    path.write_text("alice:one\nALICE:two\n")
    add(path, "Alice", "new")
    assert path.read_text() == "Alice:new\nALICE:two\n"


def test_a_file_that_cannot_be_read_is_an_error(path: Path) -> None:
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        Accounts(path).all()


@pytest.mark.parametrize(
    "line", ["\ufeffcarol:hash", " carol : hash ", "carol:\thash\r", "\ufeff carol :hash"]
)
def test_what_is_around_a_name_and_a_hash_is_nothing(path: Path, line: str) -> None:
    path.write_text(line + "\nbob:hash\n", "utf-8")
    assert Accounts(path).find("carol") == Account("carol", "hash")
    add(path, "carol", "new")
    assert path.read_text("utf-8") == "carol:new\nbob:hash\n"


def test_a_reserved_name_is_no_account_and_its_line_stays(path: Path) -> None:
    path.write_text("Lobby:hash\nbob:hash\n")
    accounts = Accounts(path)
    assert set(accounts.all()) == {"bob"}
    assert not accounts.exists("lobby")
    assert [number for number, _ in accounts.skipped()] == [1]
    with accounts.edit() as draft:
        draft.remove("lobby")
    assert path.read_text() == "bob:hash\n"


def test_a_linked_file_stays_linked(path: Path, tmp_path: Path) -> None:
    (tmp_path / "real").write_text("bob:hash\n")
    path.symlink_to("real")
    add(path, "carol")
    assert path.is_symlink()
    assert (tmp_path / "real").read_text() == "bob:hash\ncarol:hash\n"
