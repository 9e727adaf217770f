"""Reading `chat.db` as it is at one moment, beside a server that writes to it or without one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from chatserver.storage.past import StoredMessage, decode_message
from chatserver.storage.schema import (
    APPLICATION_ID,
    OLDEST,
    UNREADABLE,
    VERSION,
    StoreError,
    read_only,
    strange_in,
    version_of,
)
from chatserver.storage.tables import AS_JSON, READ
from chatwire.names import fold
from chatwire.text import for_log

_OF_USER: Final = """
    conversation IN (SELECT conversations.id FROM accounts
        JOIN members ON account = accounts.id JOIN conversations ON conversations.id = conversation
        WHERE folded = :user AND accounts.deleted IS NULL AND conversations.kind = 'direct')
"""
_NO_PLACE: Final = ("SQLITE_CANTOPEN", "SQLITE_READONLY")


def open_snapshot(path: Path) -> sqlite3.Connection:
    """Return a connection that reads the database as it is now, whatever a server writes.

    It may be of the version before. The caller closes it. Raises StoreError when it is no chat
    database or cannot be read.
    """
    try:
        connection = _begin(path)
    except UNREADABLE as error:
        raise StoreError(f"{path} cannot be read ({error}).") from error
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = version_of(connection)
        strange = strange_in(connection)
    except UNREADABLE as error:
        connection.close()
        raise StoreError(f"{path} cannot be read ({error}).") from error
    if application != APPLICATION_ID or not OLDEST <= version <= VERSION:
        connection.close()
        raise StoreError(f"{path} is not a chat database of this version.")
    if strange is not None:
        connection.close()
        raise StoreError(f"{path} holds something that is not chat's ({for_log(strange)}).")
    return connection


def _begin(path: Path) -> sqlite3.Connection:
    """Return a connection in a transaction that reads the database as it is now."""
    connection = read_only(path)
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except UNREADABLE as error:
        connection.close()
        # Where nothing can be written, SQLite cannot note who reads. But without a log there is
        # nobody who writes.
        if getattr(error, "sqlite_errorname", "").startswith(_NO_PLACE) and not _has_log(path):
            return read_only(path, immutable=True)
        raise
    return connection


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def stored_messages(
    path: Path, user: str | None, room: str | None, since: int
) -> Iterator[StoredMessage]:
    """Yield the messages in a database, the oldest first, also while a server writes to it.

    Only private ones of which the account `user` is a part, those said in `room`, and those said at
    `since` (ms) or later, where these are given. Raises StoreError.
    """
    if not path.exists():
        raise StoreError(f"There is no {path.name} in {path.parent}; name the folder with --data.")
    with closing(open_snapshot(path)) as snapshot:
        if version_of(snapshot) < VERSION:
            raise StoreError(
                f"{path} was written by an earlier version of chat: start the server once,"
                " which brings it up to this one."
            )
        conditions = ["at >= :since"]
        if user is not None:
            conditions.append(_OF_USER)
        if room is not None:
            conditions.append("place.name = :room COLLATE NOCASE AND place.deleted IS NULL")
        chosen = f"{READ} WHERE {' AND '.join(conditions)} ORDER BY seq"
        values = {"since": since, "user": fold(user or ""), "room": fold(room or "")}
        try:
            query = f"SELECT {AS_JSON} FROM ({chosen})"  # noqa: S608 - put together from constants
            for (message,) in snapshot.execute(query, values):
                yield decode_message(message)
        except UNREADABLE as error:
            raise StoreError(f"{path} cannot be read ({error}).") from error
