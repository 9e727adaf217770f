"""What makes a file `chat.db`: how it is made, recognised and checked.

`PRAGMA user_version` is the version; `tables` has those of the newest, and `migration` brings a
file of the version before up to it. A file of any other version is refused and left as it is.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from chatserver.storage.tables import FIRST_ROWS, TABLES
from chatserver.system.files import open_private
from chatwire.text import for_log

UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged file raises: SQLite's messages may quote bytes that are no text."""

VERSION: Final = 4
OLDEST: Final = 3
"""The first version that was ever on anybody's disk, and the one that there is a migration from."""

APPLICATION_ID: Final = 0x63686174  # "chat", so that `file` and a person know the file

WHOLE_CHECK_BYTES: Final = 32 << 20
"""A database up to this size is checked whole before the start, which takes half a second."""

_TABLES_3: Final = """
CREATE TABLE messages (seq INTEGER PRIMARY KEY, at, sender, room, recipients, text, key);
CREATE UNIQUE INDEX messages_by_key ON messages (sender, key) WHERE key IS NOT NULL;
CREATE INDEX messages_by_room ON messages (room, seq) WHERE room IS NOT NULL;
CREATE TABLE conversations (one, other, seq);
CREATE TABLE partners (account, partner);
CREATE TRIGGER conversations_have_partners AFTER INSERT ON conversations BEGIN
    INSERT OR IGNORE INTO partners VALUES (new.one, new.other), (new.other, new.one);
END;
CREATE TABLE deleted (account);
CREATE TABLE accounts (account);
CREATE TABLE alive (id);
CREATE TABLE identity (id);
CREATE TABLE gone (seq);
CREATE TABLE rest (id);
"""
"""What a file of version 3 has: of a table the name counts, of what can run something all of it."""

_OBJECTS: Final = (
    "SELECT type, name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
)


class StoreError(Exception):
    """The database cannot be used; the text is one sentence for the operator."""


def create(path: Path) -> None:
    """Make a new database: under another name first, so that an empty one is always damage."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    os.close(open_private(new))
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        connection.executescript(
            f"PRAGMA auto_vacuum = INCREMENTAL; BEGIN; {TABLES} {FIRST_ROWS}"
            f" PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
        )
    new.replace(path)


def check(path: Path) -> int:
    """Look at a database without changing it or its log, and return its version.

    Raises StoreError when it is no good.
    """
    if not path.stat().st_size:
        raise StoreError(f"{path} is empty; restore a backup or move the file away.")
    # Without a log nobody can be writing: then SQLite need not make files to see who is.
    alone = not path.with_name(f"{path.name}-wal").exists()
    with closing(read_only(path, immutable=alone)) as connection:
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise StoreError(f"{path} is not a chat database; move the file away.")
        version = version_of(connection)
        if version > VERSION:
            raise StoreError(
                f"{path} was written by a newer version of chat; install that version."
            )
        if version < OLDEST:
            raise StoreError(
                f"{path} was written by a version of chat that was never released;"
                " restore a backup or move the file away."
            )
        strange = strange_in(connection)
        if strange is not None:
            raise StoreError(
                f"{path} holds something that is not chat's ({for_log(strange)}): drop that, or"
                " restore a backup."
            )
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        size = pages * connection.execute("PRAGMA page_size").fetchone()[0]
        damaged = alone and path.stat().st_size < size
        if not damaged and size <= WHOLE_CHECK_BYTES:
            damaged = not is_sound(connection)
        if damaged:
            raise StoreError(f"{path} is damaged; restore a backup or move the file away.")
    return version


def strange_in(connection: sqlite3.Connection) -> str | None:
    """Return the name of something in a database that is not chat's, or None.

    A trigger or a view runs what somebody else wrote; so may an index. Statistics of SQLite's own
    are nobody's.
    """
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(TABLES if version_of(connection) >= VERSION else _TABLES_3)
        expected = {(kind, name): sql for kind, name, sql in model.execute(_OBJECTS)}
    for kind, name, sql in connection.execute(_OBJECTS):
        if kind == "table":
            ours = (kind, name) in expected and sql.upper().startswith("CREATE TABLE ")
        else:
            ours = sql == expected.get((kind, name))
        if not ours:
            return f"{kind} {name}"
    return None


def is_sound(connection: sqlite3.Connection) -> bool:
    """Tell whether SQLite finds nothing wrong with the whole file."""
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except UNREADABLE:
        return False


def read_only(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """Return a connection that cannot write; `immutable` promises that nobody else does."""
    how = "mode=ro&immutable=1" if immutable else "mode=ro"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None
    )
    connection.execute("PRAGMA trusted_schema = OFF")  # it may be from anywhere
    return connection


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of a database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
