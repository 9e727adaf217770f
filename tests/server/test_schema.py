"""Databases of older versions: dumps of files that those versions wrote, brought up to this one."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chatserver.storage import schema
from chatserver.storage.schema import VERSION, StoreError, version_of
from chatserver.storage.snapshot import stored_messages
from chatserver.storage.store import Page, Standing, Store, StoredMessage, Window, forget_account

DUMPS = sorted((Path(__file__).parent / "databases").glob("*.sql"))
NOW = 1_795_361_042_123

MESSAGES = [
    StoredMessage(1, NOW, "Bob", "lobby", (), "good morning"),
    StoredMessage(2, NOW + 1, "Alice", None, ("Bob", "carol"), "lunch?"),
    StoredMessage(3, NOW + 2, "Bob", None, ("Alice",), "yes\nat noon"),
    StoredMessage(4, NOW + 3, "Bob", None, ("Bob",), "note to self"),
    StoredMessage(5, NOW + 4, "carol", "lobby", (), "it's raining"),
]


def load(dump: Path, path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(dump.read_text("utf-8"))
    return path


@pytest.fixture(params=DUMPS, ids=lambda dump: dump.stem)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return load(request.param, tmp_path / "chat.db")


def shape(path: Path) -> dict[str, object]:
    """Return the tables with their columns, and the indexes."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
        return {
            f"{kind} {name}": {
                row[1]: (row[2], row[3], row[5])
                for row in connection.execute(f"PRAGMA table_info({name})")
            }
            for kind, name in names
        }


def seqs(store: Store, account: str, peer: str) -> list[int]:
    page = Page(account, None, peer, 0, 100, forward=True)
    return [each.seq for each in store.history(page, 100)]


def test_there_is_a_dump_of_every_older_version() -> None:
    assert {int(dump.stem.partition("-")[0]) for dump in DUMPS} == set(range(1, VERSION))


def test_it_has_the_shape_of_a_new_one(old: Path, tmp_path: Path) -> None:
    Store(old).close()
    schema.create(tmp_path / "new.db")
    assert shape(old) == shape(tmp_path / "new.db")
    with closing(sqlite3.connect(old)) as connection:
        assert version_of(connection) == VERSION
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_everything_is_there(old: Path) -> None:
    store = Store(old)
    assert store.last_seq == 5
    assert store.some([1, 2, 3, 4, 5], "bob") == MESSAGES[::-1]
    assert store.messages(Window("alice", "Alice", 0, 5, 0, 0), 10) == [
        MESSAGES[at] for at in (0, 1, 2, 4)
    ]
    assert seqs(store, "alice", "bob") == seqs(store, "bob", "alice") == [2, 3]
    assert seqs(store, "carol", "alice") == seqs(store, "alice", "carol") == [2]
    assert seqs(store, "bob", "bob") == [4]
    alice, bob = sorted(store.standings(), key=lambda each: each.key)
    assert isinstance(alice, Standing)
    assert (alice.read, alice.busy, alice.reply) == (2, True, "in a meeting")
    assert (bob.read, bob.hidden) == (5, True)
    store.close()


def test_it_goes_on_where_it_was(old: Path) -> None:
    store = Store(old)
    with store.batch() as batch:
        assert batch.add(NOW, "carol", "lobby", (), "again", "k2") == (5, True)
        assert batch.add(NOW, "Bob", None, ("Alice",), "more", None) == (6, False)
    assert seqs(store, "alice", "bob") == [2, 3, 6]
    identity = store.identity
    store.close()
    again = Store(old)
    assert again.identity == identity
    again.close()


def test_it_can_be_exported_before_it_is_brought_up(old: Path) -> None:
    before = old.read_bytes()
    assert list(stored_messages(old, "bob", None, 0)) == MESSAGES[1:4]
    assert old.read_bytes() == before


def test_what_fails_halfway_leaves_the_old_version(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shape(old)

    def half(connection: sqlite3.Connection) -> None:
        schema._from_2(connection)
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setitem(schema._MIGRATIONS, 2, half)
    with pytest.raises(StoreError, match="disk is full"):
        Store(old)
    assert shape(old) == before
    monkeypatch.undo()
    Store(old).close()


def test_an_account_that_was_deleted_before_stays_so(old: Path) -> None:
    forget_account(old, "Bob")
    store = Store(old)
    with store.batch() as batch:
        batch.add(NOW, "carol", None, ("bob",), "are you another bob?", None)
    assert seqs(store, "bob", "alice") == seqs(store, "bob", "bob") == []
    assert seqs(store, "bob", "carol") == [6]
    assert seqs(store, "alice", "bob") == [2, 3]
    assert [each.seq for each in store.some([2, 3, 4, 6], "bob")] == [6]
    assert store.count(Window("bob", "bob", 0, 6, 6, 0)) == 1
    store.close()
    assert [each.seq for each in stored_messages(old, "bob", None, 0)] == [6]
