"""A migration that fails, is killed or finds the disk full at any step loses nothing."""

import os
import resource
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from chatserver.storage import migration
from chatserver.storage.migration import migrate
from chatserver.storage.schema import StoreError

from .version3 import DUMP, EXPECTED, NOW, names_in, path, pragma, tables

__all__ = ["path"]

FAILED, PASSED_OVER, KILLED, BROKEN = 1, 2, 9, 70
"""How a process ended in which a migration met a fault."""


class _Faulty(sqlite3.Connection):
    """A connection whose every statement is a step."""

    step: Callable[[], None]

    def execute(self, *arguments: object) -> sqlite3.Cursor:
        type(self).step()
        return super().execute(*arguments)  # type: ignore[arg-type]

    def executemany(self, *arguments: object) -> sqlite3.Cursor:
        type(self).step()
        return super().executemany(*arguments)  # type: ignore[arg-type]

    def executescript(self, script: str) -> sqlite3.Cursor:
        type(self).step()
        return super().executescript(script)


def fail_at(
    patch: pytest.MonkeyPatch, number: int, fault: Callable[[], None], *, statements: bool
) -> list[int]:
    """Have step `number` of a migration meet a fault; return the steps, as they are made.

    A step is anything that is asked of the system, and of SQLite where `statements` count.
    """
    steps: list[int] = []

    def step() -> None:
        steps.append(len(steps) + 1)
        if len(steps) == number:
            fault()

    def stepping(function: Callable[..., object]) -> Callable[..., object]:
        def stepped(*arguments: object, **named: object) -> object:
            step()
            return function(*arguments, **named)

        return stepped

    if statements:
        connect = sqlite3.connect
        faulty = type("_Stepping", (_Faulty,), {"step": staticmethod(step)})
        patch.setattr(sqlite3, "connect", lambda *a, **named: connect(*a, factory=faulty, **named))
    for owner, names in (
        (os, ("fsync", "utime")),
        (Path, ("unlink", "hardlink_to", "replace", "chmod")),
        (migration, ("open_private",)),
        (shutil, ("copyfileobj",)),
    ):
        for name in names:
            patch.setattr(owner, name, stepping(getattr(owner, name)))
    return steps


def in_a_child(action: Callable[[], None]) -> int:
    """Do something in a process of its own; return its exit code, 0 when all went well."""
    child = os.fork()
    if child == 0:
        code = BROKEN
        try:
            action()
            code = 0
        except StoreError:
            code = FAILED
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def look_and_go_on(path: Path, before: dict[str, list[tuple[object, ...]]]) -> None:
    """After a migration that failed: nothing is lost, and the next one works."""
    if pragma(path, "user_version") == 3:
        assert tables(path) == before
        migrate(path, NOW)
    assert tables(path) == EXPECTED
    assert tables(path.with_name("chat.db.v3")) == before
    assert names_in(path.parent) == {"chat.db", "chat.db.v3"}


@pytest.mark.parametrize("links", [True, False], ids=["linked", "copied"])
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "failed"])
def test_a_fault_at_any_step_loses_nothing(path: Path, killed: bool, links: bool) -> None:
    before, whole = tables(path), path.read_bytes()

    def fault() -> None:
        if killed:
            os._exit(KILLED)
        raise OSError(28, "No space left on device")

    def run(number: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            if not links:
                patch.setattr(Path, "hardlink_to", lambda *_: os.link("", ""))
            steps = fail_at(patch, number, fault, statements=links)
            migrate(path, NOW)
            if len(steps) >= number:
                os._exit(PASSED_OVER)

    codes: list[int] = []
    while 0 not in codes:
        for each in path.parent.iterdir():
            each.unlink()
        path.write_bytes(whole)
        codes.append(in_a_child(partial(run, len(codes) + 1)))
        if not killed and pragma(path, "user_version") == 3:
            assert "chat.db.new" not in names_in(path.parent)
        look_and_go_on(path, before)
    # Where there is no second name for the file, a copy does.
    assert set(codes) == ({KILLED, 0} if killed else {FAILED, PASSED_OVER, 0})
    assert codes.count(PASSED_OVER) == (0 if killed else 1)
    assert len(codes) > (40 if links else 10)


@pytest.mark.parametrize("pages", [0, 3, 10, 14])
def test_a_full_disk_loses_nothing(path: Path, tmp_path: Path, pages: int) -> None:
    """Of a file that has all it holds in its log, and none in itself."""
    folder = tmp_path / "killed"
    folder.mkdir()
    path.unlink()
    with closing(sqlite3.connect(path)) as alive:
        alive.execute("PRAGMA journal_mode = WAL")
        alive.execute("PRAGMA wal_autocheckpoint = 0")
        alive.executescript(DUMP.read_text("utf-8"))
        for name in ("chat.db", "chat.db-wal"):
            (folder / name).write_bytes(path.with_name(name).read_bytes())
    before = tables(path)

    def run() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096 * pages, resource.RLIM_INFINITY))
        migrate(folder / "chat.db", NOW)

    assert in_a_child(run) == FAILED
    look_and_go_on(folder / "chat.db", before)


def test_what_was_left_of_a_try_before_is_taken_away(path: Path) -> None:
    before = tables(path)
    for name in ("chat.db.new", "chat.db.new-journal", "chat.db.new-wal"):
        path.with_name(name).write_bytes(b"half")
    path.with_name("chat.db.v3").hardlink_to(path)
    look_and_go_on(path, before)
