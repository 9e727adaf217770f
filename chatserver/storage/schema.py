"""The shape of `chat.db`: how it is made, recognised, checked, and brought up from older versions.

`PRAGMA user_version` is the version. Each migration takes one version to the next, and all that are
needed run in one transaction, so that a database is of its old version or of the newest. A file of
a newer version than this program knows is refused and left as it is.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

from chatserver.system.files import open_private
from chatwire.names import fold
from chatwire.text import for_log

UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged file raises: SQLite's messages may quote bytes that are no text."""

VERSION: Final = 3
WITH_DELETED: Final = 3
"""The first version that has conversations instead of inboxes, and a table of deleted accounts."""

APPLICATION_ID: Final = 0x63686174  # "chat", so that `file` and a person know the file

WHOLE_CHECK_BYTES: Final = 32 << 20
"""A database up to this size is checked whole before the start, which takes half a second."""

_REWRITE_BYTES: Final = 256 << 20
"""A database up to this size is written anew once, which takes three seconds. What is deleted in a
larger one is overwritten and its room used again, but the file grows no smaller."""

TAKES_PART: Final = (
    "instr(' ' || lower(sender || ' ' || recipients) || ' ', ' ' || :account || ' ')"
)
"""Whether `account` (folded) is the sender or a recipient of a private message."""

BEGINNING: Final = "coalesce((SELECT upto FROM deleted WHERE account = :account), 0)"
"""After which message private ones may be an account's own: its name may have been another's."""

_CONVERSATIONS: Final = (
    """
CREATE TABLE conversations (      -- private messages by who talks with whom, folded names:
    one TEXT NOT NULL,            -- the sender and a recipient,
    other TEXT NOT NULL,          -- in the order of the alphabet
    seq INTEGER NOT NULL,
    PRIMARY KEY (one, other, seq)
) WITHOUT ROWID;
""",
    """
CREATE TABLE partners (           -- with whom an account has ever talked privately
    account TEXT NOT NULL,
    partner TEXT NOT NULL,
    PRIMARY KEY (account, partner)
) WITHOUT ROWID;
""",
    """
CREATE TRIGGER conversations_have_partners AFTER INSERT ON conversations BEGIN
    INSERT OR IGNORE INTO partners VALUES (new.one, new.other), (new.other, new.one);
END;
""",
    """
CREATE TABLE deleted (            -- accounts that were deleted, and the newest message then:
    account TEXT PRIMARY KEY,     -- for a new account of that name the past begins after it
    upto INTEGER NOT NULL
) WITHOUT ROWID;
""",
)

BESIDE: Final = """
CREATE TABLE IF NOT EXISTS gone (      -- messages deleted, whose words the index may still have
    seq INTEGER PRIMARY KEY
);
CREATE TABLE IF NOT EXISTS rest (      -- how long nothing is deleted, for the clock has jumped
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seconds REAL NOT NULL              -- of running
);
"""
"""Tables that every start makes where they are missing: an older program does without them."""

_SCHEMA: Final = f"""
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,          -- milliseconds since 1970, UTC
    sender TEXT NOT NULL,
    room TEXT,                    -- where it was said, or
    recipients TEXT,              -- whom it was sent to, separated by spaces
    text TEXT NOT NULL,
    key TEXT                      -- the sender's idempotency key
);
CREATE UNIQUE INDEX messages_by_key ON messages (sender, key) WHERE key IS NOT NULL;
CREATE INDEX messages_by_room ON messages (room, seq) WHERE room IS NOT NULL;
{"".join(_CONVERSATIONS)}CREATE TABLE accounts (
    account TEXT PRIMARY KEY,     -- folded name
    name TEXT NOT NULL,           -- as its owner spells it
    since INTEGER NOT NULL,       -- the newest message when the account first came
    read INTEGER NOT NULL DEFAULT 0,
    seen_at REAL,                 -- seconds since 1970; NULL while visibly here
    busy INTEGER NOT NULL DEFAULT 0,
    reply TEXT NOT NULL DEFAULT '',
    hidden INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE alive (id INTEGER PRIMARY KEY CHECK (id = 1), at REAL NOT NULL);
CREATE TABLE identity (id TEXT NOT NULL);  -- tells this database from every other
INSERT INTO identity VALUES (lower(hex(randomblob(16))));
{BESIDE}"""  # noqa: S608 - put together from constants


_OBJECTS: Final = (
    "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master"
    " WHERE name NOT LIKE 'sqlite_%'"
)
_OLD_TABLES: Final = ("inboxes",)
"""Tables of older versions, which a migration takes away."""


class StoreError(Exception):
    """The database cannot be used; the text is one sentence for the operator."""


def create(path: Path) -> None:
    """Make a new database: under another name first, so that an empty one is always damage."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    os.close(open_private(new))
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        connection.executescript(
            f"PRAGMA auto_vacuum = INCREMENTAL; BEGIN; {_SCHEMA}"
            f" PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
        )
    new.replace(path)


def check(path: Path) -> None:
    """Look at a database without changing it or its log. Raises StoreError when it is no good."""
    if not path.stat().st_size:
        raise StoreError(f"{path} is empty; restore a backup or move the file away.")
    # Without a log nobody can be writing: then SQLite need not make files to see who is.
    alone = not path.with_name(f"{path.name}-wal").exists()
    with closing(read_only(path, immutable=alone)) as connection:
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise StoreError(f"{path} is not a chat database; move the file away.")
        if version_of(connection) > VERSION:
            raise StoreError(
                f"{path} was written by a newer version of chat; install that version."
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


def strange_in(connection: sqlite3.Connection) -> str | None:
    """Return the name of something in a database that is not chat's, or None.

    A trigger or a view runs what somebody else wrote; so may an index. Statistics of SQLite's own
    are nobody's.
    """
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(_SCHEMA)
        expected = {(kind, name): sql for kind, name, _, sql in model.execute(_OBJECTS)}
    for kind, name, table, sql in connection.execute(_OBJECTS):
        if kind == "table":
            ours = (kind, name) in expected or name in _OLD_TABLES
            ours = ours and sql.upper().startswith("CREATE TABLE ")
        else:
            old = kind == "index" and table in _OLD_TABLES
            ours = old or sql == expected.get((kind, name))
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


def migrate(connection: sqlite3.Connection) -> int:
    """Bring a database up to VERSION, whole or not at all; return the version it was.

    `connection` is the only one that writes. Raises sqlite3.Error when there is no room.
    """
    before = version_of(connection)
    if before < VERSION:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for version in range(before, VERSION):
                _MIGRATIONS[version](connection)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    return before


def make_shrinkable(connection: sqlite3.Connection) -> None:
    """Have a database of an earlier program give back the room of what is deleted, if it is small.

    It is written anew for that, which also takes out what was deleted before.
    """
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    size = pages * connection.execute("PRAGMA page_size").fetchone()[0]
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0] == 0 and size <= _REWRITE_BYTES:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")


def _from_1(connection: sqlite3.Connection) -> None:
    """Accounts learn their spelling, the file its identity; some files have these already."""
    connection.execute(
        "CREATE INDEX IF NOT EXISTS messages_by_room ON messages (room, seq) WHERE room IS NOT NULL"
    )
    if "name" not in _columns(connection, "accounts"):
        connection.execute("ALTER TABLE accounts ADD COLUMN name TEXT NOT NULL DEFAULT ''")
        connection.execute("UPDATE accounts SET name = account")  # until its owner comes again
    if not _columns(connection, "identity"):
        connection.execute("CREATE TABLE identity (id TEXT NOT NULL)")
        connection.execute("INSERT INTO identity VALUES (lower(hex(randomblob(16))))")


def _from_2(connection: sqlite3.Connection) -> None:
    """A place in each participant's inbox becomes one in each conversation."""
    for statement in _CONVERSATIONS:
        connection.execute(statement)
    private = connection.execute(
        "SELECT seq, sender, recipients FROM messages WHERE recipients IS NOT NULL"
    )
    connection.executemany(
        "INSERT INTO conversations VALUES (?, ?, ?)",
        (
            (*names, seq)
            for seq, sender, recipients in private
            for names in conversations(sender, recipients.split())
        ),
    )
    # What is in no inbox of somebody who took part was his who had the name before.
    connection.execute(
        "INSERT INTO deleted SELECT account, max(seq) FROM"
        " (SELECT one AS account, seq FROM conversations"
        " UNION ALL SELECT other, seq FROM conversations) AS part"
        " WHERE NOT EXISTS (SELECT 1 FROM inboxes"
        " WHERE inboxes.account = part.account AND inboxes.seq = part.seq) GROUP BY account"
    )
    connection.execute("DROP TABLE inboxes")


def conversations(sender: str, to: Iterable[str]) -> list[tuple[str, str]]:
    """Return between whom a private message is said: two folded names each, in order."""
    me = fold(sender)
    return [(me, other) if me < other else (other, me) for other in {fold(name) for name in to}]


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return {name for (name,) in rows}


_MIGRATIONS: Final[dict[int, Callable[[sqlite3.Connection], None]]] = {1: _from_1, 2: _from_2}
"""From each older version to the next."""
