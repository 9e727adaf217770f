"""Reading `chat.db` as it is at one moment, beside a server that writes to it or without one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from chatserver.storage.schema import (
    APPLICATION_ID,
    BEGINNING,
    TAKES_PART,
    UNREADABLE,
    VERSION,
    WITH_DELETED,
    StoreError,
    read_only,
    strange_in,
    version_of,
)
from chatserver.storage.store import ALL, StoredMessage, stored_message
from chatwire.names import fold
from chatwire.text import for_log

_NO_PLACE: Final = ("SQLITE_CANTOPEN", "SQLITE_READONLY")


def open_snapshot(path: Path) -> sqlite3.Connection:
    """Return a connection that reads the database as it is now, whatever a server writes.

    The caller closes it. Raises StoreError when it is no chat database or cannot be read.
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
    if application != APPLICATION_ID or version > VERSION:
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

    Only those of which `user` is a part, those said in `room`, and those said at `since` (ms) or
    later, where these are given. Raises StoreError.
    """
    if not path.exists():
        raise StoreError(f"There is no {path.name} in {path.parent}; name the folder with --data.")
    with closing(open_snapshot(path)) as snapshot:
        conditions = ["at >= :since"]
        if user is not None:
            conditions.append(TAKES_PART)
            if version_of(snapshot) >= WITH_DELETED:
                conditions.append(f"seq > {BEGINNING}")
        if room is not None:
            conditions.append("room = :room")
        query = f"{ALL} WHERE {' AND '.join(conditions)} ORDER BY seq"
        values = {"since": since, "account": fold(user or ""), "room": room}
        try:
            for row in snapshot.execute(query, values):
                yield stored_message(row)
        except UNREADABLE as error:
            raise StoreError(f"{path} cannot be read ({error}).") from error
