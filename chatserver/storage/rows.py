"""A state and its rows: read at the start, written with each batch."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from sys import intern
from typing import Any, Final

from chatserver.order.records import Account, Conversation, Device, Member, Target, Unsaved
from chatserver.order.state import State
from chatserver.storage.tables import ACCOUNT, CHANGE, CONVERSATION, DEVICE, MEMBER, MESSAGE


def _put(table: str, columns: str) -> str:
    places = ", ".join("?" * (columns.count(",") + 1))
    return f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - put together from constants


_PUT_ACCOUNT: Final = _put("accounts", ACCOUNT)
_PUT_CONVERSATION: Final = _put("conversations", CONVERSATION)
_PUT_MEMBER: Final = _put("members", MEMBER)
_PUT_DEVICE: Final = _put("devices", DEVICE)
_ADD_MESSAGE: Final = _put("messages", MESSAGE).replace(" OR REPLACE", "")
_PUT_APPLIED: Final = "INSERT OR REPLACE INTO meta VALUES ('at', ?), ('applied', ?)"
_PUT_ALIVE: Final = "INSERT OR REPLACE INTO meta VALUES ('alive', ?), ('rest', ?)"
_ADD_CHANGE: Final = _put("changes", CHANGE).replace(" OR REPLACE", "")
_KEY_IN_USE: Final = """
    SELECT seq FROM messages WHERE sender = :account AND key = :key
    UNION ALL SELECT seq FROM changes WHERE by = :account AND key = :key
"""
_TARGET: Final = """
    SELECT conversation, sender, at, deleted IS NOT NULL, (
        SELECT json_group_array(reaction) FROM reactions
        WHERE reactions.seq = number AND account = asker)
    FROM (SELECT ? AS number, ? AS asker) LEFT JOIN messages ON messages.seq = number
"""
"""A row for every number, so that it takes as long to find that there is no such message."""
_UNINVITE: Final = "DELETE FROM invitations WHERE conversation = ? AND account = ?"
_NEWEST: Final = """
    SELECT id, max(
        coalesce((SELECT max(seq) FROM messages WHERE conversation = id), 0),
        coalesce((SELECT max(seq) FROM changes WHERE conversation = id), 0))
    FROM conversations
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
        for name in ("access", "history", "speaking"):
            # A default is left out of an answer where it is the very same string.
            values[name] = intern(values[name])
        values["people"] = tuple(json.loads(values["people"] or "[]"))
        state.load(Conversation(**values))
    for values in _select(connection, MEMBER, "members"):
        state.load(Member(**values))
    for values in _select(connection, DEVICE, "devices"):
        state.load(Device(**values))
    for number, newest in connection.execute(_NEWEST):
        state.conversations[number].newest = newest
    for conversation, account, by in connection.execute(
        "SELECT conversation, account, by FROM invitations"
    ):
        state.conversations[conversation].invited[account] = by
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
    """Return which of these keys, each an account's, are used, and as which number."""
    found = {}
    for account, key in keys:
        row = connection.execute(_KEY_IN_USE, {"account": account, "key": key}).fetchone()
        if row is not None:
            found[account, key] = row[0]
    return found


def targets(connection: sqlite3.Connection, asked: Iterable[tuple[int, int]]) -> dict[int, Target]:
    """Return how messages stand, of some numbers that there are, each with the account for which
    that is asked: its reactions alone are told, so that it costs the same for everybody."""
    found: dict[int, Target] = {}
    for seq, account in asked:
        row = connection.execute(_TARGET, (seq, account)).fetchone()
        conversation, sender, at, deleted, reactions = row
        pairs = frozenset((account, reaction) for reaction in json.loads(reactions))
        if seq in found:
            pairs |= found[seq].reactions
        target = Target(conversation, sender, at, bool(deleted), pairs)
        if conversation is not None:
            found[seq] = target
    return found


def write(connection: sqlite3.Connection, state: State) -> None:
    """Write what is not on disk yet, in the transaction there is."""
    unsaved, put = state.unsaved, connection.executemany
    if unsaved.deleted:  # first: the key of what goes may have been used again
        _delete(connection, unsaved.deleted, state.seq)
    # Messages are nearly all there is to write, nearly always.
    if unsaved.messages:
        put(_ADD_MESSAGE, unsaved.messages)
    if unsaved.mentions:
        _write_mentions(connection, unsaved.mentions)
    if unsaved.changes:
        _write_changes(connection, unsaved)
    if unsaved.accounts:
        put(_PUT_ACCOUNT, map(_account, unsaved.accounts.values()))
    if unsaved.conversations:
        put(_PUT_CONVERSATION, map(_conversation, unsaved.conversations.values()))
    if unsaved.members:
        put(_PUT_MEMBER, map(_member, unsaved.members.values()))
    if unsaved.devices:
        devices = unsaved.devices.items()
        put(
            "DELETE FROM devices WHERE token = ?", [(token,) for token, each in devices if not each]
        )
        put(_PUT_DEVICE, [_device(each) for _, each in devices if each])
    if unsaved.invitations:
        invitations = [(*key, by) for key, by in unsaved.invitations.items()]
        put(_UNINVITE, [each[:2] for each in invitations])
        put("INSERT INTO invitations VALUES (?, ?, ?)", [each for each in invitations if each[2]])
    if unsaved.forgotten:
        forgotten = [(room,) for room in unsaved.forgotten]
        put("DELETE FROM members WHERE conversation = ?", forgotten)
        put("DELETE FROM conversations WHERE id = ?", forgotten)
    if unsaved.gone:
        gone = unsaved.gone.items()
        put("INSERT OR IGNORE INTO gone VALUES (?)", [(seq,) for seq, still in gone if still])
        put("DELETE FROM gone WHERE seq = ?", [(seq,) for seq, still in gone if not still])
    if unsaved.alive is not None:
        connection.execute(_PUT_ALIVE, unsaved.alive)
    connection.execute(_PUT_APPLIED, (state.at, state.applied))


def _write_mentions(
    connection: sqlite3.Connection, mentions: Mapping[int, tuple[int, Iterable[int]]]
) -> None:
    connection.executemany("DELETE FROM mentions WHERE seq = ?", [(seq,) for seq in mentions])
    connection.executemany(
        "INSERT INTO mentions (seq, conversation, account) VALUES (?, ?, ?)",
        [
            (seq, conversation, account)
            for seq, (conversation, accounts) in mentions.items()
            for account in accounts
        ],
    )


def _write_changes(connection: sqlite3.Connection, unsaved: Unsaved) -> None:
    """Write changes, and what they make of messages."""
    put = connection.executemany
    put(_ADD_CHANGE, unsaved.changes)
    if unsaved.edited:
        put("UPDATE messages SET text = ?, edited = ? WHERE seq = ?", unsaved.edited)
    for seq, account, reaction, on in unsaved.reactions:
        if on:
            connection.execute(
                "INSERT OR IGNORE INTO reactions VALUES (?, ?, ?)", (seq, account, reaction)
            )
        else:
            connection.execute(
                "DELETE FROM reactions WHERE seq = ? AND reaction = ? AND account = ?",
                (seq, reaction, account),
            )
    if unsaved.erased:
        put("UPDATE messages SET text = '', deleted = ? WHERE seq = ?", unsaved.erased)
        put("DELETE FROM reactions WHERE seq = ?", [(seq,) for _, seq in unsaved.erased])


def _delete(connection: sqlite3.Connection, seqs: Iterable[int], newest: int) -> None:
    """Delete messages, with all that is about them, and changes; but not the newest of all."""
    each = [(seq,) for seq in seqs]
    connection.executemany(
        "DELETE FROM changes WHERE target = ? AND seq < ?", [(seq, newest) for seq in seqs]
    )
    for statement in (
        "DELETE FROM messages WHERE seq = ?",
        "DELETE FROM mentions WHERE seq = ?",
        "DELETE FROM reactions WHERE seq = ?",
        "DELETE FROM changes WHERE seq = ?",
    ):
        connection.executemany(statement, each)


def _select(connection: sqlite3.Connection, columns: str, table: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table as what the state calls its columns, which is the same."""
    names = columns.split(", ")
    for row in connection.execute(f"SELECT {columns} FROM {table}"):  # noqa: S608 - constants
        yield dict(zip(names, row, strict=True))


_account: Final = attrgetter(*ACCOUNT.split(", "))
_device: Final = attrgetter(*DEVICE.split(", "))
_member: Final = attrgetter(*MEMBER.split(", "))


def _conversation(each: Conversation) -> tuple[object, ...]:
    people = json.dumps(each.people, separators=(",", ":")) if each.people else None
    values = ((name, getattr(each, name)) for name in CONVERSATION.split(", "))
    return tuple(people if name == "people" else value for name, value in values)
