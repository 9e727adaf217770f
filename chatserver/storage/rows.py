"""A state and its rows: read at the start, written with each batch."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any, Final

from chatserver.order.state import Account, Conversation, Member, State
from chatserver.storage.tables import ACCOUNT, CONVERSATION, MEMBER, MESSAGE


def _put(table: str, columns: str) -> str:
    places = ", ".join("?" * (columns.count(",") + 1))
    return f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - put together from constants


_PUT_ACCOUNT: Final = _put("accounts", ACCOUNT)
_PUT_CONVERSATION: Final = _put("conversations", CONVERSATION)
_PUT_MEMBER: Final = _put("members", MEMBER)
_ADD_MESSAGE: Final = _put("messages", MESSAGE).replace(" OR REPLACE", "")
_PUT_APPLIED: Final = "INSERT OR REPLACE INTO meta VALUES ('at', ?), ('applied', ?)"
_PUT_ALIVE: Final = "INSERT OR REPLACE INTO meta VALUES ('alive', ?), ('rest', ?)"
_KEY_IN_USE: Final = "SELECT seq FROM messages WHERE sender = ? AND key = ?"
_NEWEST: Final = """
    SELECT id, (SELECT max(seq) FROM messages WHERE conversation = id) FROM conversations
"""
_LAST: Final = """
    SELECT max(coalesce((SELECT max(seq) FROM messages), 0),
        coalesce((SELECT max(seq) FROM changes), 0))
"""


def load(connection: sqlite3.Connection) -> State:
    """Return the state that a database is in."""
    state = State()
    for values in _select(connection, ACCOUNT, "accounts"):
        account = Account(**values)
        account.busy, account.hidden = bool(account.busy), bool(account.hidden)
        state.load(account)
    for values in _select(connection, CONVERSATION, "conversations"):
        values["people"] = tuple(json.loads(values["people"] or "[]"))
        state.load(Conversation(**values))
    for values in _select(connection, MEMBER, "members"):
        state.load(Member(**values))
    for number, newest in connection.execute(_NEWEST):
        state.conversations[number].newest = newest or 0
    state.seq = last_seq(connection)
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    state.at, state.applied = meta.get("at", 0), meta.get("applied", 0)
    state.kept()
    return state


def last_seq(connection: sqlite3.Connection) -> int:
    """Return the number of the newest message or change."""
    return int(connection.execute(_LAST).fetchone()[0])


def identity(connection: sqlite3.Connection) -> str:
    """Return what tells this database from every other. Raises sqlite3.DatabaseError."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'identity'").fetchone()
    if row is None:
        raise sqlite3.DatabaseError("it has no identity")
    return str(row[0])


def keys_in_use(
    connection: sqlite3.Connection, keys: Iterable[tuple[int, str]]
) -> dict[tuple[int, str], int]:
    """Return which of these keys, each an account's, belong to a message, and to which."""
    found = {}
    for key in keys:
        row = connection.execute(_KEY_IN_USE, key).fetchone()
        if row is not None:
            found[key] = row[0]
    return found


def write(connection: sqlite3.Connection, state: State) -> None:
    """Write what is not on disk yet, in the transaction there is."""
    unsaved, put = state.unsaved, connection.executemany
    if unsaved.deleted:  # first: the key of what goes may have been used again
        put("DELETE FROM messages WHERE seq = ?", [(seq,) for seq in unsaved.deleted])
    # Messages are nearly all there is to write, nearly always.
    if unsaved.messages:
        put(_ADD_MESSAGE, unsaved.messages)
    if unsaved.accounts:
        put(_PUT_ACCOUNT, map(_account, unsaved.accounts.values()))
    if unsaved.conversations:
        put(_PUT_CONVERSATION, map(_conversation, unsaved.conversations.values()))
    if unsaved.members:
        put(_PUT_MEMBER, map(_member, unsaved.members.values()))
    if unsaved.gone:
        gone = unsaved.gone.items()
        put("INSERT OR IGNORE INTO gone VALUES (?)", [(seq,) for seq, still in gone if still])
        put("DELETE FROM gone WHERE seq = ?", [(seq,) for seq, still in gone if not still])
    if unsaved.alive is not None:
        connection.execute(_PUT_ALIVE, unsaved.alive)
    connection.execute(_PUT_APPLIED, (state.at, state.applied))


def _select(connection: sqlite3.Connection, columns: str, table: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table as what the state calls its columns, which is the same."""
    names = columns.split(", ")
    for row in connection.execute(f"SELECT {columns} FROM {table}"):  # noqa: S608 - constants
        yield dict(zip(names, row, strict=True))


_account: Final = attrgetter(*ACCOUNT.split(", "))
_member: Final = attrgetter(*MEMBER.split(", "))


def _conversation(each: Conversation) -> tuple[object, ...]:
    people = json.dumps(each.people, separators=(",", ":")) if each.people else None
    values = ((name, getattr(each, name)) for name in CONVERSATION.split(", "))
    return tuple(people if name == "people" else value for name, value in values)
