"""From version 3 of `chat.db` to 4: a dump of a file that version 3 wrote, and random ones.

The dump has what makes it hard: names that were given up and used again, spellings, keys used
twice, somebody who never came, one who was here when the server was killed, notes to oneself.
"""

import os
import resource
import shutil
import sqlite3
import stat
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatserver.storage import migration
from chatserver.storage.migration import KEPT_SECONDS, migrate, remove_kept
from chatserver.storage.schema import StoreError
from chatserver.storage.tables import TABLES

DUMP = Path(__file__).parent / "databases" / "3.sql"
AT = 1_795_361_042_123
NOW = AT + 86_400_000

ACCOUNTS = [
    (1, "bob", "BOB", "member", 0, "", 1, 16, AT, AT + 2000, None),
    (2, "alice", "Alice", "member", 1, "in a meeting", 0, 12, 1795361055250, AT + 3000, None),
    (3, "carol", "carol", "member", 0, "", 0, 3, None, AT + 3000, None),
    (4, "dave", "Dave", "member", 0, "", 0, 9, 0, AT + 6000, AT + 9000),
    (5, "erin", "Erin", "member", 0, "", 0, 9, 0, AT + 9000, AT + 9000),
    (6, "dave", "dave", "member", 0, "", 0, 10, 1795361060000, AT + 10000, None),
    (7, "frank", "Frank", "member", 0, "", 0, 0, 0, AT + 14000, None),
    (8, "erin", "Erin", "member", 0, "", 0, 9, 0, AT + 16000, None),
]
DIRECT = {
    2: ("[1,2,3]", AT + 3000),
    3: ("[1,2]", AT + 4000),
    4: ("[1]", AT + 5000),
    5: ("[1,4]", AT + 7000),
    6: ("[2,5]", AT + 9000),
    7: ("[2,6]", AT + 11000),
    8: ("[3,7]", AT + 14000),
    9: ("[1,2,6,8]", AT + 16000),
}
MESSAGES = [  # seq, conversation, sender, text, key
    (2, 1, 1, "good morning", "k1"),
    (3, 2, 2, "lunch?", "k1"),
    (4, 3, 1, "yes\nat noon", None),
    (5, 4, 1, "note to self", None),
    (6, 1, 4, "I am the first Dave", None),
    (7, 5, 4, "for Bob, from the first", None),
    (8, 5, 1, "for the first, and for me", None),
    (9, 6, 5, "goodbye", None),
    (10, 1, 6, "I am another Dave", "k1"),
    (11, 7, 2, "welcome, whoever you are", None),
    (12, 1, 1, "it's raining", None),
    (13, 1, 1, "it rains still", "k2"),
    (14, 8, 3, "are you there? 👋", None),
    (15, 2, 2, "lunch again?", None),
    (16, 9, 1, "a new Erin", None),
]
ACKED = {row[0]: row[7] for row in ACCOUNTS}
MEMBERS = [
    *((1, 1, 0, 16), (2, 1, 0, 12), (3, 1, 9, 9), (6, 1, 9, 10)),
    *(
        (int(each), number, 0, ACKED[int(each)])
        for number, (people, _) in DIRECT.items()
        for each in people.strip("[]").split(",")
    ),
]

EXPECTED = {
    "accounts": ACCOUNTS,
    "conversations": [
        (1, "room", "lobby", None, "", "open", "all", "everyone", 0),
        *(
            (number, "direct", None, people, "", "open", "all", "everyone", made)
            for number, (people, made) in DIRECT.items()
        ),
    ],
    "members": sorted(
        (account, conversation, "member", since, read, "default", None)
        for account, conversation, since, read in MEMBERS
    ),
    "messages": [
        (seq, AT + 1000 * seq, conversation, sender, "text", text, None, key)
        for seq, conversation, sender, text, key in MESSAGES
    ],
    "changes": [],
    "gone": [(1,)],
    "meta": [
        ("alive", 1795361070500),
        ("applied", 0),
        ("at", AT + 16000),
        ("identity", "3ab89878e0fef3a06a077e82e4724eb7"),
        ("rest", 123.5),
    ],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of version 3, with its log folded in. It has no auto_vacuum, as the first had none."""
    folder = tmp_path / "data"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "chat.db")) as connection:
        connection.executescript(DUMP.read_text("utf-8"))
        connection.execute("PRAGMA journal_mode = WAL")
    return folder / "chat.db"


def tables(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
            if name not in {"gone", "identity"}
            else connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()
            for (name,) in names
        }


def pragma(path: Path, name: str) -> object:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def names_in(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


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


# -- whatever happens on the way --


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
