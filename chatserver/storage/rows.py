"""A state and its rows: read at the start, written with each batch."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Final

from chatserver.order.state import Account, Conversation, Kind, Member, State
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
    for row in connection.execute(f"SELECT {ACCOUNT} FROM accounts"):  # noqa: S608
        number, _, name, role, busy, reply, hidden, acked, seen_at, made, deleted = row
        account = Account(number, name, made, role=role, reply=reply, acked=acked)
        account.busy, account.hidden = bool(busy), bool(hidden)
        account.seen_at, account.deleted = seen_at, deleted
        state.load(account)
    for row in connection.execute(f"SELECT {CONVERSATION} FROM conversations"):  # noqa: S608
        number, kind, name, people, topic, access, history, speaking, made = row
        among = tuple(json.loads(people)) if people else ()
        state.load(
            Conversation(number, _kind(kind), made, name, among, topic, access, history, speaking)
        )
    for row in connection.execute(f"SELECT {MEMBER} FROM members"):  # noqa: S608
        number, conversation, role, since, read, notify, left = row
        state.load(Member(number, conversation, since, role, read, notify, left))
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


def _account(each: Account) -> tuple[object, ...]:
    return (
        each.id,
        each.folded,
        each.name,
        each.role,
        each.busy,
        each.reply,
        each.hidden,
        each.acked,
        each.seen_at,
        each.made,
        each.deleted,
    )


def _conversation(each: Conversation) -> tuple[object, ...]:
    return (
        each.id,
        each.kind,
        each.name,
        json.dumps(each.people, separators=(",", ":")) if each.people else None,
        each.topic,
        each.access,
        each.history,
        each.speaking,
        each.made,
    )


def _member(each: Member) -> tuple[object, ...]:
    return (
        each.account,
        each.conversation,
        each.role,
        each.since,
        each.read,
        each.notify,
        each.left,
    )


def _kind(text: str) -> Kind:
    return "room" if text == "room" else "direct"
