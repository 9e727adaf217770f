"""What was said before, read from `chat.db`: replays, histories, counts.

Any thread may ask. A few connections are lent out, one query at a time; they see what is committed
and hold nobody up. However much there is, a query looks at no more than it may give back.
"""

import json
import queue
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from chatserver.order.outcome import Change
from chatserver.storage.tables import AS_JSON, CHANGE_AS_JSON, READ, READ_CHANGES
from chatwire.protocol import MOST_COUNTED

BUSY_SECONDS: Final = 5.0
"""How long a connection waits for another program's (a backup)."""

_READERS: Final = 4
_HEADS: Final = 100
"""How many conversations tell where the edge is, at most."""

_MS: Final = 1000


class StoredMessage(msgspec.Struct, frozen=True, array_like=True):
    """One message as it is on disk, with everybody's name as it is spelled now.

    Either `room` or `to` is there: those it was said to, or the sender who said it to himself.
    """

    seq: int
    at: int
    sender: str
    room: str | None
    to: tuple[str, ...]
    text: str
    conversation: int
    sender_id: int
    people: tuple[int, ...]
    """The accounts of a direct conversation."""
    kind: str = "text"
    reply_to: int | None = None
    edited: int | None = None
    deleted: int | None = None
    mentions: tuple[str, ...] = ()
    reactions: tuple[tuple[str, str], ...] = ()
    """By what, and who."""


class Stretch(NamedTuple):
    """What an account may read of a conversation: what was said after message `since`."""

    conversation: int
    since: int


class Page(Struct, frozen=True):
    """What was said in some conversations with `after` < seq < `before`: by anybody, or by some."""

    stretches: Sequence[Stretch]
    after: int
    before: int
    forward: bool = False
    senders: tuple[int, ...] = ()


class Window(Struct, frozen=True):
    """The messages of some conversations that `account` lacks: those of others with `after` < seq
    <= `upto`, and its own with `own_after` < seq <= `upto`, but for `without`."""

    stretches: tuple[Stretch, ...]
    account: int
    after: int
    own_after: int
    upto: int
    without: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    """The changes with which memberships have ended."""

    @property
    def picks(self) -> bool:
        """Whether some of what lies in it is not lacked."""
        return self.own_after != self.after or bool(self.without)

    def parameters(self) -> dict[str, object]:
        """Return the window as the parameters of a query."""
        return {
            "stretches": json.dumps(dict(self.stretches)),
            "account": self.account,
            "after": self.after,
            "own_after": self.own_after,
            "behind": min(self.after, self.own_after),
            "before": self.upto + 1,
            "without": json.dumps(self.without),
            "ends": json.dumps(self.ends),
        }


_STRETCHES: Final = """
    stretch AS MATERIALIZED (
        SELECT CAST(key AS INTEGER) AS id, max(value, :behind) AS since FROM json_each(:stretches))
"""
"""Each conversation and where it begins, from an object of these."""
_LACKED: Final = """
    AND seq > iif(sender = :account, :own_after, :after)
    AND seq NOT IN (SELECT value FROM json_each(:without))
"""
_UNREAD: Final = f"""
    WITH {_STRETCHES}
    SELECT id,
        (SELECT count(*) FROM (
            SELECT 1 FROM messages
            WHERE conversation = id AND seq > since AND seq <= :upto AND sender <> :account
                AND deleted IS NULL LIMIT :most)),
        (SELECT count(*) FROM (
            SELECT 1 FROM mentions
            WHERE account = :account AND conversation = id AND seq > since AND seq <= :upto
            LIMIT :most))
    FROM stretch
"""  # noqa: S608 - put together from constants, like those below
_NEWEST_OF: Final = """
    SELECT value, max(
        coalesce((SELECT max(seq) FROM messages WHERE conversation = value AND seq <= :upto), 0),
        coalesce((SELECT max(seq) FROM changes WHERE conversation = value AND seq <= :upto), 0))
    FROM json_each(:conversations)
"""
_ALL_OF: Final = f"SELECT json_group_array({AS_JSON}) FROM"
"""Messages come as one value, because the interpreter is given up and waited for at each row."""

_SOME: Final = f"""
    WITH {_STRETCHES}
    {_ALL_OF} ({READ} CROSS JOIN stretch ON stretch.id = conversation
    WHERE seq IN (SELECT value FROM json_each(:seqs)) AND seq > since
    ORDER BY seq DESC)
"""  # noqa: S608
_LACKED_CHANGE: Final = """
    changes.seq < :before AND changes.seq > iif(by = :account, :own_after, :after)
    AND changes.seq NOT IN (SELECT value FROM json_each(:without))
"""
_NUMBERED: Final = f"""
    {_ALL_OF} ({READ} WHERE seq IN (SELECT value FROM json_each(:seqs)) ORDER BY seq)
"""  # noqa: S608
_CHANGES: Final = f"""
    WITH stretch AS MATERIALIZED (
        SELECT one.key + 0 AS id, one.value AS begins, max(one.value, :behind) AS since,
            place.history = 'all' AS whole
        FROM json_each(:stretches) AS one
        CROSS JOIN conversations AS place ON place.id = one.key + 0),
    found AS MATERIALIZED (
        SELECT changes.seq AS number FROM stretch CROSS JOIN changes
            ON conversation = stretch.id AND changes.seq > since AND {_LACKED_CHANGE}
            AND (target IS NULL OR iif(target <= begins, whole, target <= :after OR (
                (target <= :own_after OR target IN (SELECT value FROM json_each(:without)))
                AND (SELECT sender FROM messages WHERE messages.seq = target) = :account)))
        UNION SELECT changes.seq FROM json_each(:ends) AS one
            CROSS JOIN changes ON changes.seq = one.value AND {_LACKED_CHANGE}
        ORDER BY number DESC LIMIT :limit)
    SELECT json_group_array({CHANGE_AS_JSON}) FROM (
        {READ_CHANGES} WHERE changes.seq IN (SELECT number FROM found) ORDER BY changes.seq)
"""  # noqa: S608
_PLACE: Final = """
    SELECT conversation FROM (SELECT ? AS number) LEFT JOIN messages ON messages.seq = number
"""
_FOLLOWING: Final = f"""
    {_ALL_OF} (
        {READ} WHERE seq > :seq AND seq <= coalesce(
            (SELECT max(seq) FROM (
                SELECT seq, sum(length(text)) OVER (ORDER BY seq) AS characters
                FROM messages WHERE seq > :seq ORDER BY seq LIMIT :limit)
            WHERE characters <= :characters),
            (SELECT min(seq) FROM messages WHERE seq > :seq))
        ORDER BY seq)
"""  # noqa: S608
_OF_DELETED_ROOMS: Final = """
    SELECT {table}.seq FROM conversations AS place
        CROSS JOIN {table} ON conversation = place.id WHERE place.deleted IS NOT NULL
    LIMIT ?
"""
_EMPTY_ROOMS: Final = """
    SELECT id, (SELECT count(*) FROM members WHERE conversation = id) FROM conversations
    WHERE deleted IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM messages WHERE conversation = id)
        AND NOT EXISTS (SELECT 1 FROM changes WHERE conversation = id)
        AND id < (SELECT max(id) FROM conversations)
    LIMIT ?
"""
_OLD_CHANGES: Final = """
    SELECT seq FROM changes WHERE at < ? AND (
        target IS NULL OR NOT EXISTS (SELECT 1 FROM messages WHERE messages.seq = target))
    LIMIT ?
"""
_ACKED: Final = """
    SELECT id, acked FROM accounts
    WHERE id IN (SELECT value FROM json_each(?)) AND deleted IS NULL
"""


_SAID_BY: Final = " AND sender IN (SELECT value FROM json_each(:senders))"


@cache
def _nearest(which: str, *, newest: bool) -> str:
    """Return the query for the `limit` newest, or else oldest, messages of some conversations that
    fit the condition `which`.

    None of them lies beyond an edge: where there are `limit` already in a few conversations, which
    is known by the message at some `depth` (the head) of each. So of each conversation only what is
    on this side of the edge is looked at, and no more than `limit`.
    """
    # One bound at each end, because SQLite looks only one up in the index.
    if newest:
        order, none, beyond, bounds = "DESC", "0", ">=", ("max(since, edge.seq - 1)", ":before")
    else:
        order, none, beyond, bounds = (
            "ASC",
            ":before",
            "<=",
            ("since", "min(:before, edge.seq + 1)"),
        )
    return f"""
        WITH {_STRETCHES},
        heads AS MATERIALIZED (
            SELECT id, since, (
                SELECT seq FROM messages
                WHERE conversation = id AND seq > since AND seq < :before {which}
                ORDER BY seq {order} LIMIT 1 OFFSET :depth - 1) AS head
            FROM stretch),
        edge AS MATERIALIZED (
            SELECT iif(:limit < 0, {none}, coalesce((
                SELECT head FROM heads WHERE head IS NOT NULL
                ORDER BY head {order} LIMIT 1 OFFSET (:limit + :depth - 1) / :depth - 1),
                {none})) AS seq),
        found AS MATERIALIZED (
            SELECT one.value AS seq FROM edge CROSS JOIN heads CROSS JOIN json_each((
                SELECT json_group_array(seq) FROM (
                    SELECT seq FROM messages
                    WHERE conversation = heads.id AND seq > {bounds[0]} AND seq < {bounds[1]}
                    {which}
                    ORDER BY seq {order} LIMIT :limit))) AS one
            WHERE :depth > 1 OR head {beyond} edge.seq
            ORDER BY one.value {order} LIMIT :limit)
        {_ALL_OF} ({READ} WHERE seq IN (SELECT seq FROM found) ORDER BY seq)
    """  # noqa: S608


def _limits(limit: int) -> dict[str, int]:
    """Return the parameters by which `_nearest` is limited."""
    return {"limit": limit, "depth": max(1, limit // _HEADS)}


@cache
def _count(*, picks: bool) -> str:
    """Return the query that counts messages among the first MOST_COUNTED there are: anybody may
    ask again and again."""
    return f"""
        WITH {_STRETCHES}
        SELECT count(*) FROM (
            SELECT seq{", sender" if picks else ""} FROM stretch CROSS JOIN messages
            ON conversation = id AND seq > since AND seq < :before LIMIT {MOST_COUNTED})
        WHERE TRUE {_LACKED if picks else ""}
    """  # noqa: S608


class Past:
    """The reading side of a database; `Store` adds the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        for _ in range(_READERS):
            reader = connect(path)
            reader.execute("PRAGMA query_only = ON")
            self._readers.put(reader)

    def messages(self, window: Window, limit: int) -> list[StoredMessage]:
        """Return the newest `limit` messages in the window (-1: all), the oldest of them first."""
        return self._messages(
            _nearest(_LACKED if window.picks else "", newest=True),
            window.parameters() | _limits(limit),
        )

    def history(self, page: Page, limit: int) -> list[StoredMessage]:
        """Return up to `limit` messages of a page, the oldest first.

        They are the newest before its end, or, where it goes on `forward`, the first after its
        beginning.
        """
        return self._messages(
            _nearest(_SAID_BY if page.senders else "", newest=not page.forward),
            {
                "stretches": json.dumps(dict(page.stretches)),
                "senders": json.dumps(page.senders),
                "behind": page.after,
                "before": page.before,
                **_limits(limit),
            },
        )

    def some(self, seqs: Sequence[int], stretches: Iterable[Stretch]) -> list[StoredMessage]:
        """Return the messages with these numbers that there still are, the newest first.

        Only those in the stretches, which are what somebody may read.
        """
        values = {
            "seqs": json.dumps(seqs),
            "stretches": json.dumps(dict(stretches)),
            "behind": 0,
        }
        return self._messages(_SOME, values)

    def numbered(self, seqs: Sequence[int]) -> list[StoredMessage]:
        """Return the messages of anybody with these numbers that there still are, in order."""
        return self._messages(_NUMBERED, {"seqs": json.dumps(seqs)})

    def place(self, seq: int) -> int | None:
        """Return the conversation of a message; None: there is no such message."""
        with self._reader() as reader:
            found: int | None = reader.execute(_PLACE, (seq,)).fetchone()[0]
        return found

    def changes(self, window: Window, limit: int) -> list[Change]:
        """Return the newest `limit` changes in the window (-1: all), the oldest of them first.

        A message that is in the window itself reads as it does now: what was changed about it is
        not among them. Nor is what was changed about one that cannot be read there.
        """
        with self._reader() as reader:
            found = reader.execute(_CHANGES, window.parameters() | {"limit": limit}).fetchone()[0]
        return _decode_changes(found)

    def following(self, seq: int, limit: int, characters: int) -> list[StoredMessage]:
        """Return the first messages of anybody after number `seq`; none where there are none.

        So many that they are at most `limit` and have at most so many `characters`, or else one.
        """
        values = {"seq": seq, "limit": limit, "characters": characters}
        return self._messages(_FOLLOWING, values)

    def count(self, window: Window) -> int:
        """Return how many messages are in the window, as far as MOST_COUNTED of them were looked
        at: of more, it is the least there are."""
        with self._reader() as reader:
            row = reader.execute(_count(picks=window.picks), window.parameters()).fetchone()
        return int(row[0])

    def unread(
        self, account: int, stretches: Iterable[Stretch], upto: int, most: int
    ) -> dict[int, tuple[int, int]]:
        """Return for each conversation how many messages of others are in its stretch as far as
        `upto`, and in how many the account is mentioned, up to `most` each."""
        values = {
            "upto": upto,
            "stretches": json.dumps(dict(stretches)),
            "behind": 0,
            "account": account,
            "most": most,
        }
        with self._reader() as reader:
            rows = reader.execute(_UNREAD, values).fetchall()
        return {number: (unread, mentions) for number, unread, mentions in rows}

    def newest_of(self, conversations: Iterable[int], upto: int) -> dict[int, int]:
        """Return the newest message or change of some conversations as far as `upto`; 0: none."""
        with self._reader() as reader:
            rows = reader.execute(
                _NEWEST_OF, {"conversations": json.dumps(tuple(conversations)), "upto": upto}
            )
            return dict(rows.fetchall())

    def of_deleted_rooms(self, limit: int) -> tuple[list[int], list[int]]:
        """Return the numbers of some messages, and of some changes, in rooms that there are no
        more."""
        with self._reader() as reader:
            messages, changes = (
                [seq for (seq,) in reader.execute(_OF_DELETED_ROOMS.format(table=table), (limit,))]
                for table in ("messages", "changes")
            )
            return messages, changes

    def empty_rooms(self, limit: int) -> list[int]:
        """Return some rooms that there are no more and of which only is left who was in them: at
        most `limit` people, or else one room."""
        with self._reader() as reader:
            rows = reader.execute(_EMPTY_ROOMS, (limit,)).fetchall()
        total = accumulate(people for _, people in rows)
        fitting = [room for (room, _), so_far in zip(rows, total, strict=True) if so_far <= limit]
        return fitting or [room for room, _ in rows[:1]]

    def old_changes(self, before: int, limit: int) -> list[int]:
        """Return the numbers of some changes from before a time (ms) that are about no message
        there is: what was done to one goes with it."""
        with self._reader() as reader:
            return [seq for (seq,) in reader.execute(_OLD_CHANGES, (before, limit))]

    def acked(self, accounts: Iterable[int]) -> dict[int, int]:
        """Return how far the programs of these accounts have been given everything.

        Accounts that were deleted are not in it.
        """
        with self._reader() as reader:
            return dict(reader.execute(_ACKED, (json.dumps(tuple(accounts)),)).fetchall())

    def gone(self) -> list[int]:
        """Return which messages were deleted of which the index may still have the words."""
        with self._reader() as reader:
            return [seq for (seq,) in reader.execute("SELECT seq FROM gone ORDER BY seq")]

    def alive(self) -> float | None:
        """Return when the server last ran, by its clock (seconds since 1970), if that is known."""
        found = self._fact("alive")
        return None if found is None else found / _MS

    def rest(self) -> float:
        """Return for how many seconds of running no message is deleted."""
        return self._fact("rest") or 0.0

    def close(self) -> None:
        """Close the connections, once they are all back."""
        for _ in range(_READERS):
            self._readers.get().close()

    def _fact(self, name: str) -> float | None:
        with self._reader() as reader:
            row = reader.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def _messages(self, query: str, values: Mapping[str, object]) -> list[StoredMessage]:
        with self._reader() as reader:
            found = reader.execute(query, values).fetchone()[0]
        return _decode_messages(found)

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        reader = self._readers.get()
        try:
            yield reader
        finally:
            self._readers.put(reader)


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection for one thread at a time: the log thread, or whoever borrowed it."""
    return sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


_decode_messages: Final = msgspec.json.Decoder(list[StoredMessage]).decode
_decode_changes: Final = msgspec.json.Decoder(list[Change]).decode
decode_message: Final = msgspec.json.Decoder(StoredMessage).decode
"""Returns a message from a row of READ as JSON."""
decode_change: Final = msgspec.json.Decoder(Change).decode
"""Returns a change from a row of READ_CHANGES as JSON."""
