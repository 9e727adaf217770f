"""Reading `chat.db` as it is at one moment, beside a server that writes to it or without one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from heapq import merge
from operator import attrgetter
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from chatserver.order.outcome import Change
from chatserver.order.records import Device
from chatserver.storage.past import StoredMessage, decode_change, decode_message
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
from chatserver.storage.tables import AS_JSON, CHANGE_AS_JSON, DEVICE, READ, READ_CHANGES
from chatwire.names import fold
from chatwire.text import for_log

_OF_USER: Final = """(
    SELECT conversations.id FROM accounts
        JOIN members ON account = accounts.id JOIN conversations ON conversations.id = conversation
        WHERE folded = :user AND accounts.deleted IS NULL AND conversations.kind = 'direct')
"""
_ROOMS: Final = """
    SELECT json_object(
        'name', name, 'topic', topic, 'access', access, 'speaking', speaking, 'history', history,
        'people', (SELECT count(*) FROM members WHERE conversation = room.id AND left IS NULL),
        'messages', (SELECT count(*) FROM messages WHERE conversation = room.id),
        'owners', json((
            SELECT json_group_array(accounts.name) FROM members
            CROSS JOIN accounts ON accounts.id = account
            WHERE conversation = room.id AND left IS NULL AND members.role = 'owner')),
        'made', made)
    FROM conversations AS room WHERE kind = 'room' AND deleted IS NULL
    ORDER BY name COLLATE NOCASE
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


@contextmanager
def _newest(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a snapshot of a database of this version. Raises StoreError, also for what is raised
    while it is read."""
    if not path.exists():
        raise StoreError(f"There is no {path.name} in {path.parent}; name the folder with --data.")
    with closing(open_snapshot(path)) as snapshot:
        if version_of(snapshot) < VERSION:
            raise StoreError(
                f"{path} was written by an earlier version of chat: start the server once,"
                " which brings it up to this one."
            )
        try:
            yield snapshot
        except UNREADABLE as error:
            raise StoreError(f"{path} cannot be read ({error}).") from error


class Chosen(Struct, frozen=True):
    """Which of what is stored: only what was said in private to or by the account `user`, in
    `room`, and at `since` (ms) or later, where these are given."""

    user: str | None = None
    room: str | None = None
    since: int = 0

    def condition(self, table: str) -> str:
        """Return it as the condition of a query."""
        conditions = [f"{table}.at >= :since"]
        if self.user is not None:
            conditions.append(f"{table}.conversation IN {_OF_USER}")
        if self.room is not None:
            conditions.append("place.name = :room COLLATE NOCASE AND place.deleted IS NULL")
        return " AND ".join(conditions)

    def values(self) -> dict[str, str | int]:
        """Return the parameters of that query."""
        return {"since": self.since, "user": fold(self.user or ""), "room": fold(self.room or "")}


def stored(
    path: Path, chosen: Chosen, *, changes: bool = False
) -> Iterator[StoredMessage | Change]:
    """Yield the messages in a database, the oldest first, also while a server writes to it; in
    their place among them the `changes`, if wanted. Raises StoreError."""
    with _newest(path) as snapshot:

        def rows(as_json: str, read: str, table: str) -> Iterator[str]:
            sql = f"SELECT {as_json} FROM ({read} WHERE {chosen.condition(table)} ORDER BY {table}.seq)"  # noqa: S608, E501 - put together from constants
            return (row[0] for row in snapshot.execute(sql, chosen.values()))

        messages: Iterator[StoredMessage | Change] = map(
            decode_message, rows(AS_JSON, READ, "messages")
        )
        if not changes:
            yield from messages
            return
        other: Iterator[StoredMessage | Change] = map(
            decode_change, rows(CHANGE_AS_JSON, READ_CHANGES, "changes")
        )
        yield from merge(messages, other, key=attrgetter("seq"))


class StoredRoom(Struct, frozen=True, kw_only=True):
    """A room as whoever runs the server sees it; `made` is in ms since 1970, 0 for the lobby."""

    name: str
    topic: str
    access: str
    speaking: str
    history: str
    people: int
    messages: int
    owners: tuple[str, ...]
    made: int


def stored_rooms(path: Path) -> list[StoredRoom]:
    """Return all rooms, closed ones too, in the order of their names. Raises StoreError."""
    with _newest(path) as snapshot:
        rows = snapshot.execute(_ROOMS).fetchall()
    return [msgspec.json.decode(row, type=StoredRoom) for (row,) in rows]


def admins(path: Path) -> set[str]:
    """Return the folded names of the accounts that are admins. Raises StoreError."""
    with _newest(path) as snapshot:
        rows = snapshot.execute(
            "SELECT folded FROM accounts WHERE role = 'admin' AND deleted IS NULL"
        )
        return {name for (name,) in rows}


def stored_devices(path: Path, name: str) -> list[Device]:
    """Return the devices of the account of that folded name, the last seen first. Raises
    StoreError."""
    columns = ", ".join(f"devices.{column}" for column in DEVICE.split(", "))
    with _newest(path) as snapshot:
        rows = snapshot.execute(
            f"SELECT {columns} FROM accounts JOIN devices ON account = accounts.id"  # noqa: S608 - constants
            " WHERE folded = ? AND accounts.deleted IS NULL ORDER BY seen DESC, number DESC",
            (name,),
        )
        return [Device(*row) for row in rows]
