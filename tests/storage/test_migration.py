"""From version 3 of `chat.db` to 4: the file that version 3 wrote, and random ones."""

import os
import sqlite3
import stat
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatserver.storage import migration
from chatserver.storage.migration import KEPT_SECONDS, migrate, remove_kept
from chatserver.storage.schema import StoreError
from chatserver.storage.tables import TABLES

from .version3 import DUMP, EXPECTED, NOW, change, names_in, path, pragma, tables

__all__ = ["path"]


def test_every_table_is_as_it_should_be(path: Path) -> None:
    migrate(path, NOW)
    found = tables(path)
    assert found.keys() == EXPECTED.keys()
    for name, rows in EXPECTED.items():
        assert found[name] == rows, name


def test_the_file_is_as_a_new_one(path: Path, tmp_path: Path) -> None:
    migrate(path, NOW)
    new = tmp_path / "new.db"
    objects = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
    with closing(sqlite3.connect(new)) as model, closing(sqlite3.connect(path)) as found:
        model.executescript(TABLES)
        assert found.execute(objects).fetchall() == model.execute(objects).fetchall()
    assert (pragma(path, "user_version"), pragma(path, "auto_vacuum")) == (4, 2)
    assert pragma(path, "application_id") == 0x63686174
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_old_one_is_kept_for_two_weeks(path: Path) -> None:
    before = tables(path)
    path.chmod(0o644)
    migrate(path, NOW)
    kept = path.with_name("chat.db.v3")
    assert names_in(path.parent) == {"chat.db", "chat.db.v3"}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert (tables(kept), pragma(kept, "user_version")) == (before, 3)
    assert not remove_kept(path, NOW + KEPT_SECONDS * 1000 - 1000)
    assert kept.exists()
    assert remove_kept(path, NOW + KEPT_SECONDS * 1000)
    assert names_in(path.parent) == {"chat.db"}
    assert not remove_kept(path, NOW + KEPT_SECONDS * 1000)


def test_what_a_wrong_clock_kept_does_not_stay_for_ever(path: Path) -> None:
    migrate(path, NOW + 20 * 365 * 86_400_000)
    assert remove_kept(path, NOW)


def test_going_back_and_up_again(path: Path) -> None:
    migrate(path, NOW)
    path.with_name("chat.db.v3").replace(path)
    change(path, "INSERT INTO messages VALUES (17, 0, 'Bob', 'lobby', NULL, 'back again', NULL)")
    migrate(path, NOW)
    assert tables(path)["messages"][-1][5] == "back again"
    assert tables(path.with_name("chat.db.v3"))["messages"][-1][5] == "back again"


def test_a_second_time_is_refused(path: Path) -> None:
    migrate(path, NOW)
    before = path.read_bytes(), path.with_name("chat.db.v3").read_bytes()
    with pytest.raises(sqlite3.DatabaseError, match="version 4"):
        migrate(path, NOW)
    assert (path.read_bytes(), path.with_name("chat.db.v3").read_bytes()) == before


def test_what_the_first_files_lacked(path: Path) -> None:
    change(path, "DROP TABLE gone", "DROP TABLE rest", "DELETE FROM alive")
    migrate(path, NOW)
    found = tables(path)
    assert found["gone"] == []
    assert [name for name, _ in found["meta"]] == ["applied", "at", "identity"]


def test_a_file_in_which_nothing_was_ever_said(path: Path) -> None:
    change(path, *(f"DELETE FROM {name}" for name in ("messages", "accounts", "deleted")))
    reports: list[tuple[int, int]] = []
    migrate(path, NOW, lambda *report: reports.append(report))
    found = tables(path)
    assert [found[name] for name in ("messages", "accounts", "members")] == [[], [], []]
    assert len(found["conversations"]) == 1
    assert set(reports) == {(0, 0)}


def test_the_log_of_a_server_that_was_killed(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    with closing(sqlite3.connect(path)) as alive:
        alive.execute("INSERT INTO gone VALUES (77)")
        alive.commit()
        for name in ("chat.db", "chat.db-wal", "chat.db-shm"):
            (folder / name).write_bytes(path.with_name(name).read_bytes())
    migrate(folder / "chat.db", NOW)
    assert tables(folder / "chat.db")["gone"] == [(1,), (77,)]
    assert tables(folder / "chat.db.v3")["gone"] == [(1,), (77,)]
    assert names_in(folder) == {"chat.db", "chat.db.v3"}


def test_where_a_file_has_one_name_only_it_is_copied(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    before = tables(path)
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    migrate(path, NOW)
    kept = path.with_name("chat.db.v3")
    assert tables(kept) == before
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert tables(path) == EXPECTED
    assert remove_kept(path, NOW + KEPT_SECONDS * 1000)


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "chat.db"
    link.symlink_to(path)
    migrate(link, NOW)
    assert link.is_symlink()
    assert tables(path) == EXPECTED
    assert remove_kept(link, NOW + KEPT_SECONDS * 1000)


def test_somebody_who_reads_meanwhile_makes_it_fail(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration, "_BUSY_SECONDS", 0)
    before = tables(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM messages").fetchone()
        with pytest.raises(StoreError, match="locked"):
            migrate(path, NOW)
    assert tables(path) == before


def test_nobody_writes_meanwhile(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Path | None] = []
    sync = migration._sync

    def write(at: Path | None = None) -> None:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("DELETE FROM accounts")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("COMMIT")
        tried.append(at)

    def write_and_sync(what: Path) -> None:
        if len([each for each in tried if each]) < 2:  # then it is the new one
            write(what)
        sync(what)

    monkeypatch.setattr(migration, "_sync", write_and_sync)
    migrate(path, NOW, lambda _done, _total: write())
    assert tried[-2:] == [path.with_name("chat.db.new"), path.parent]
    assert None in tried


def test_everything_is_on_disk_before_it_counts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file before it has its name, and the end of the old log before that, too."""
    done: list[tuple[str, object]] = []
    fsync, replace, link = os.fsync, Path.replace, Path.hardlink_to

    def note_fsync(descriptor: int) -> None:
        done.append(("fsync", os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def note_replace(old: Path, new: Path) -> None:
        assert not path.with_name("chat.db-wal").exists()
        done.append(("replace", old.name))
        replace(old, new)

    def note_link(new: Path, old: Path) -> None:
        done.append(("link", new.name))
        link(new, old)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    monkeypatch.setattr(Path, "hardlink_to", note_link)
    migrate(path, NOW)
    folder = ("fsync", path.parent.stat().st_ino)
    whole = ("fsync", path.stat().st_ino)
    assert done == [whole, ("link", "chat.db.v3"), folder, ("replace", "chat.db.new"), folder]


def test_a_view_in_place_of_a_table_is_not_asked(path: Path) -> None:
    change(
        path,
        "ALTER TABLE identity RENAME TO other",
        "CREATE VIEW identity AS SELECT id FROM other",
    )
    with pytest.raises(sqlite3.DatabaseError, match="no table identity"):
        migrate(path, NOW)


# -- any file --


def test_many_messages_in_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "_STEP", 999)
    names = ("Ann", "Ben", "cem", "dave")
    rows = [
        (
            seq * 3 + 10**12 * (seq > 5000),
            seq,
            names[seq % 4],
            None if seq % 3 else "lobby",
            names[seq % 7 % 4] if seq % 3 else None,
            f"text {seq}",
            f"k{seq}" if seq % 2 else None,
        )
        for seq in range(100, 10_100)
    ]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM messages")
        connection.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    reports: list[tuple[int, int]] = []
    migrate(path, NOW, lambda *report: reports.append(report))
    found = tables(path)["messages"]
    assert [(row[0], row[1], row[5], row[7]) for row in found] == [
        (row[0], row[1], row[5], row[6]) for row in rows
    ]
    assert reports[0] == (0, 15_000)
    assert reports[-1] == (15_000, 15_000)
    assert reports == sorted(reports)
    assert len(reports) > 10


NAMES = st.sampled_from(["Ann", "ann", "Ben", "BEN", "cem"])
SAID = st.tuples(
    NAMES,
    st.one_of(st.none(), st.lists(NAMES, min_size=1, max_size=3)),
    st.one_of(st.none(), st.sampled_from(["k1", "k2"])),
)
Said = tuple[str, list[str] | None, str | None]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("empty") / "chat.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(DUMP.read_text("utf-8"))
        for name in ("messages", "accounts", "deleted", "gone"):
            connection.execute(f"DELETE FROM {name}")
        connection.commit()
    return path.read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    said=st.lists(SAID, max_size=12),
    deleted=st.dictionaries(st.sampled_from(["ann", "ben", "cem", "dan"]), st.integers(0, 12)),
    standings=st.sets(st.sampled_from(["ann", "ben", "dan"])),
    step=st.integers(1, 5),
)
def test_everything_is_whoevers_it_was(
    empty: bytes,
    tmp_path_factory: pytest.TempPathFactory,
    said: Sequence[Said],
    deleted: dict[str, int],
    standings: set[str],
    step: int,
) -> None:
    path = tmp_path_factory.mktemp("any") / "chat.db"
    path.write_bytes(empty)
    with closing(sqlite3.connect(path)) as connection, connection:
        for seq, (sender, to, key) in enumerate(said, start=1):
            row = (seq, seq, sender, None if to else "lobby", " ".join(to) if to else None)
            connection.execute(  # of a spelling, a key is there once
                "INSERT INTO messages VALUES (?, ?, ?, ?, ?, '', iif((SELECT count(*) FROM messages"
                " WHERE sender = ? AND key = ?), NULL, ?))",
                (*row, sender, key, key),
            )
        connection.executemany("INSERT INTO deleted VALUES (?, ?)", deleted.items())
        connection.executemany(
            "INSERT INTO accounts (account, name, since) VALUES (?, upper(?), 5)",
            ((name, name) for name in standings),
        )
        keys = dict(connection.execute("SELECT seq, key FROM messages"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migration, "_STEP", step)
        migrate(path, NOW)
    found = tables(path)

    def owner(name: str, seq: int) -> tuple[str, bool]:
        return name.lower(), seq <= deleted.get(name.lower(), 0)

    who = {row[0]: (str(row[1]), row[10] is not None) for row in found["accounts"]}
    assert len(set(who.values())) == len(who)  # nobody is two accounts
    people = {
        row[0]: frozenset(who[int(each)] for each in str(row[3]).strip("[]").split(","))
        for row in found["conversations"]
        if row[1] == "direct"
    }
    assert len(set(people.values())) == len(people)
    assert len(found["messages"]) == len(said)
    newest = {(owner(s, seq), keys[seq]): seq for seq, (s, _, _) in enumerate(said, start=1)}
    everybody = {(name, False) for name in standings}
    for message, (seq, (sender, to, _)) in zip(found["messages"], enumerate(said, 1), strict=True):
        me, others = owner(sender, seq), {owner(name, seq) for name in to or ()}
        everybody |= {me, *others}
        assert (message[0], who[int(str(message[3]))]) == (seq, me)
        assert people.get(message[2]) == (frozenset({me, *others}) if to else None)
        assert message[7] == (keys[seq] if newest[me, keys[seq]] == seq else None)
    assert set(who.values()) == everybody
    lobby = {row[0]: row[3] for row in found["members"] if row[1] == 1}
    assert {who[int(str(each))]: since for each, since in lobby.items()} == dict.fromkeys(
        ((name, False) for name in standings), 5
    )
    parts = {(who[int(str(row[0]))], row[1]) for row in found["members"] if row[1] != 1}
    assert parts == {(each, number) for number, among in people.items() for each in among}
