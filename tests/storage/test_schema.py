"""What is chat's in a file, and what is not."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chatserver.storage import schema, store
from chatserver.storage.schema import OLDEST, VERSION, StoreError
from chatserver.storage.snapshot import Chosen, open_snapshot, stored
from chatserver.storage.store import Store

FOREIGN = [
    "CREATE TRIGGER evil AFTER INSERT ON messages BEGIN DELETE FROM messages; END",
    "CREATE VIEW evil AS SELECT 1",
    "CREATE INDEX evil ON messages (lower(text))",
    "CREATE TABLE evil (x)",
    "DROP TABLE accounts; CREATE VIRTUAL TABLE accounts USING fts5(x)",
    "DROP INDEX messages_by_key; CREATE INDEX messages_by_key ON messages (lower(text))",
]
FOREIGN_3 = [
    *FOREIGN,
    "DROP TRIGGER conversations_have_partners; CREATE TRIGGER conversations_have_partners"
    " AFTER INSERT ON messages BEGIN DELETE FROM messages; END",
]


def make(path: Path, version: int) -> None:
    tables = schema.TABLES + schema.FIRST_ROWS if version == VERSION else schema._TABLES_3
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            f"{tables} PRAGMA application_id = {schema.APPLICATION_ID};"
            f" PRAGMA user_version = {version};"
        )


@pytest.mark.parametrize("version", [OLDEST, VERSION])
def test_a_file_of_either_version_is_known(path: Path, version: int) -> None:
    make(path, version)
    assert schema.check(path) == version
    open_snapshot(path).close()


def test_a_file_with_statistics_of_sqlites_own_is_known(path: Path) -> None:
    make(path, VERSION)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("ANALYZE")
    schema.check(path)


@pytest.mark.parametrize(
    ("version", "foreign"),
    [(VERSION, each) for each in FOREIGN] + [(OLDEST, each) for each in FOREIGN_3],
)
def test_what_somebody_else_put_into_it_is_refused(path: Path, version: int, foreign: str) -> None:
    make(path, version)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(foreign)
    with pytest.raises(StoreError, match="not chat's"):
        Store(path)
    with pytest.raises(StoreError, match="not chat's"):
        open_snapshot(path)


def test_a_file_of_the_version_before_is_brought_up_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(path, OLDEST)

    def migrate(old: Path, now_ms: int, progress: object) -> None:
        assert (old, progress) == (path, report)
        assert now_ms > 1_700_000_000_000
        old.unlink()
        make(old, VERSION)

    def report(done: int, total: int) -> None:
        raise AssertionError(done, total)

    monkeypatch.setattr(store, "migrate", migrate)
    Store(path, progress=report).close()
    assert schema.check(path) == VERSION


def test_a_file_of_the_version_before_is_not_exported(path: Path) -> None:
    make(path, OLDEST)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="start the server once"):
        list(stored(path, Chosen()))
    assert path.read_bytes() == before
