"""`chat.db`: messages, who may read them, and how each account stands. SQLite, WAL.

One thread writes (the log thread), whole batches to a transaction; handler threads read through a
few connections that are lent out one query at a time. What `commit` has returned from is on disk.
"""

import json
import logging
import queue
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

import msgspec

from chatserver.storage import schema
from chatserver.storage.schema import StoreError
from chatwire.names import fold
from chatwire.protocol import MOST_COUNTED

FILE_NAME: Final = "chat.db"

_log = logging.getLogger(__name__)

_READERS: Final = 4
_FREED_AT_ONCE: Final = 500
"""Pages given back in one transaction: some milliseconds."""

_BUSY_SECONDS: Final = 5.0
"""How long a write waits for another program's (`chat deluser`, a backup)."""

_LACKED: Final = """
    seq > iif(sender = :sender, :own_after, :after)
    AND seq NOT IN (SELECT value FROM json_each(:without))
"""
_BEHIND: Final = "min(:after, :own_after)"
_IN_ROOMS: Final = "SELECT seq FROM messages WHERE room IS NOT NULL AND seq <= :upto"
_IN_PRIVATE: Final = f"""
    SELECT seq FROM partners
        CROSS JOIN conversations ON one = min(account, partner) AND other = max(account, partner)
        WHERE account = :account AND seq > max({_BEHIND}, {schema.BEGINNING}) AND seq <= :upto
"""  # noqa: S608 - put together from constants, like those below

_NEWEST: Final = f"""
    SELECT seq, at, sender, room, recipients, text FROM messages WHERE seq IN (
        SELECT * FROM (
            {_IN_ROOMS} AND seq > max({_BEHIND}, :since) AND {_LACKED}
            ORDER BY seq DESC LIMIT :limit)
        UNION
        SELECT * FROM (
            SELECT DISTINCT seq FROM ({_IN_PRIVATE}) JOIN messages USING (seq) WHERE {_LACKED}
            ORDER BY seq DESC LIMIT :limit)
        ORDER BY seq DESC LIMIT :limit)
    ORDER BY seq
"""  # noqa: S608
ALL: Final = "SELECT seq, at, sender, room, recipients, text FROM messages"
_MINE: Final = f"""
    (room IS NOT NULL OR {schema.TAKES_PART} AND seq > {schema.BEGINNING})
"""
_ROOM_HISTORY: Final = """
    SELECT seq, at, sender, room, recipients, text FROM messages
    WHERE room = :room AND seq > :after AND seq < :before
"""
_PEER_HISTORY: Final = f"""
    SELECT seq, at, sender, room, recipients, text FROM conversations JOIN messages USING (seq)
    WHERE one = min(:account, :peer) AND other = max(:account, :peer)
    AND seq > max(:after, {schema.BEGINNING}) AND seq < :before
"""  # noqa: S608
_NEAREST: Final = f"min(:upto, (SELECT max(seq) FROM messages)) - {MOST_COUNTED}"  # noqa: S608
_COUNT: Final = f"""
    SELECT count(*) FROM (
        {_IN_ROOMS} AND seq > max({_BEHIND}, :since, {_NEAREST}) AND {_LACKED}
        UNION
        SELECT seq FROM ({_IN_PRIVATE} LIMIT {MOST_COUNTED})
        JOIN messages USING (seq) WHERE {_LACKED})
"""  # noqa: S608 - it looks at so many at most, since anybody may ask again and again


_FOLLOWING: Final = f"""
    SELECT json_group_array(json_array(seq, at, sender, room, recipients, text)) FROM (
        {ALL} WHERE seq > :seq AND seq <= coalesce(
            (SELECT max(seq) FROM (
                SELECT seq, sum(length(text)) OVER (ORDER BY seq) AS characters
                FROM messages WHERE seq > :seq ORDER BY seq LIMIT :limit)
            WHERE characters <= :characters),
            (SELECT min(seq) FROM messages WHERE seq > :seq))
        ORDER BY seq)
"""  # noqa: S608
_decode_rows: Final = msgspec.json.Decoder(
    list[tuple[int, int, str, str | None, str | None, str]]
).decode


class StorageFull(Exception):
    """A batch could not be written. Nothing of it was kept; the next one may succeed."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message as it is on disk. Exactly one of `room` and `to` is there."""

    seq: int
    at: int
    sender: str
    room: str | None
    to: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands, over logins and restarts; `key` is its folded name."""

    key: str
    since: int = 0
    read: int = 0
    seen_at: float | None = None
    busy: bool = False
    reply: str = ""
    hidden: bool = False
    name: str = ""
    """As its owner spells it."""


@dataclass(frozen=True, slots=True)
class Window:
    """The messages that `account` may read and lacks: those of others with `after` < seq <= `upto`,
    and its own (it is the `sender` of) with `own_after` < seq <= `upto`, but for `without`.

    The room begins with message `since` for an account.
    """

    account: str
    sender: str
    after: int
    upto: int
    since: int
    own_after: int
    without: tuple[int, ...] = ()

    def parameters(self) -> dict[str, object]:
        """Return the window as the parameters of a query."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return values | {"without": json.dumps(self.without)}


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of one conversation: what `account` may read with `after` < seq < `before`.

    The conversation is that in `room`, or that with `peer`.
    """

    account: str
    room: str | None
    peer: str | None
    after: int
    before: int
    forward: bool


class Batch:
    """What one transaction is going to write. Filled and committed by the log thread alone."""

    def __init__(
        self, connection: sqlite3.Connection, first_seq: int, *, touched: bool = False
    ) -> None:
        self._connection = connection
        self.touched = touched
        """Whether another program, such as `chat deluser`, has written since the last batch."""
        self.next_seq = first_seq
        self._messages: list[tuple[object, ...]] = []
        self._conversations: list[tuple[str, str, int]] = []
        self._keys: dict[tuple[str, str], int] = {}

    def add(  # one parameter for each column
        self, at: int, sender: str, room: str | None, to: Sequence[str], text: str, key: str | None
    ) -> tuple[int, bool]:
        """Add a message and return its sequence number.

        The second value is true, and nothing is added, when `sender` has used `key` before; then
        the number is that of the message it was used for.
        """
        if key is not None:
            first = self._find_key(sender, key)
            if first is not None:
                return first, True
            self._keys[sender, key] = self.next_seq
        seq = self.next_seq
        self.next_seq += 1
        if room is None:
            self._conversations += [(*names, seq) for names in schema.conversations(sender, to)]
        recipients = None if room is not None else " ".join(to)
        self._messages.append((seq, at, sender, room, recipients, text, key))
        return seq, False

    def put(self, standings: Iterable[Standing]) -> None:
        """Write how accounts stand now."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO accounts"
            " (account, since, read, seen_at, busy, reply, hidden, name)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            map(astuple, standings),
        )

    def stored(self) -> frozenset[str]:
        """Return the accounts (folded) of which it is stored how they stand."""
        return frozenset(
            each for (each,) in self._connection.execute("SELECT account FROM accounts")
        )

    def put_alive(self, now: float) -> None:
        """Note that the server runs: after a crash, whoever was here was last seen then."""
        self._connection.execute("INSERT OR REPLACE INTO alive (id, at) VALUES (1, ?)", (now,))

    def put_rest(self, seconds: float) -> None:
        """Note for how many seconds of running no message is deleted."""
        self._connection.execute("INSERT OR REPLACE INTO rest VALUES (1, ?)", (seconds,))

    def delete(self, messages: Sequence[StoredMessage]) -> None:
        """Delete messages, but the newest: numbering goes on from it."""
        self._connection.executemany(
            "DELETE FROM conversations WHERE one = ? AND other = ? AND seq = ?",
            [
                (*names, each.seq)
                for each in messages
                for names in schema.conversations(each.sender, each.to)
            ],
        )
        seqs = [(each.seq,) for each in messages]
        self._connection.executemany("DELETE FROM messages WHERE seq = ?", seqs)
        self._connection.executemany("INSERT OR IGNORE INTO gone VALUES (?)", seqs)

    def note_purged(self, seqs: Iterable[int]) -> None:
        """Note that the index has nothing more of these messages."""
        self._connection.executemany("DELETE FROM gone WHERE seq = ?", [(seq,) for seq in seqs])

    def flush(self) -> None:
        """Hand the collected rows to SQLite."""
        self._connection.executemany(
            "INSERT INTO messages (seq, at, sender, room, recipients, text, key)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            self._messages,
        )
        if self._conversations:
            self._connection.executemany(
                "INSERT INTO conversations VALUES (?, ?, ?)", self._conversations
            )

    def _find_key(self, sender: str, key: str) -> int | None:
        seq = self._keys.get((sender, key))
        if seq is None:
            row = self._connection.execute(
                "SELECT seq FROM messages WHERE sender = ? AND key = ?", (sender, key)
            ).fetchone()
            seq = None if row is None else row[0]
        return seq


class Store:
    """The database of one server.

    Raises StoreError when the file cannot be opened, is damaged, is no chat database or comes
    from a newer version; such a file is left untouched.
    """

    def __init__(self, path: Path, synchronous: str = "full") -> None:
        self.path = path
        self._closed = False
        try:
            if path.exists():
                schema.check(path)
            elif path.with_name(f"{path.name}-wal").exists():
                raise StoreError(f"{path} is missing but its log is there; restore a backup.")
            else:
                schema.create(path)
            self._writer = self._open(synchronous)
        except OSError as error:
            raise StoreError(f"Cannot write {path}: {error.strerror}.") from error
        except schema.UNREADABLE as error:
            raise StoreError(
                f"{path} cannot be used as a chat database ({error});"
                " restore a backup or move the file away."
            ) from error
        self.last_seq: int = self._writer.execute(
            "SELECT coalesce(max(seq), 0) FROM messages"
        ).fetchone()[0]
        self._version = self._data_version()
        self.identity: str = self._writer.execute("SELECT id FROM identity").fetchone()[0]
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        for _ in range(_READERS):
            reader = self._connect()
            reader.execute("PRAGMA query_only = ON")
            self._readers.put(reader)

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """Give a batch that is on disk, whole, when the block ends. Log thread only.

        Raises StorageFull, and nothing of the batch is kept, when it cannot be written.
        """
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            # Inside the transaction: from here on to its end nobody else can write.
            version = self._data_version()
            batch = Batch(self._writer, self.last_seq + 1, touched=version != self._version)
            yield batch
            batch.flush()
            self._writer.execute("COMMIT")
            self._version = version
        except sqlite3.OperationalError as error:
            self._rollback()
            raise StorageFull(str(error)) from error
        except BaseException:
            self._rollback()
            raise
        self.last_seq = batch.next_seq - 1

    def messages(self, window: Window, limit: int) -> list[StoredMessage]:
        """Return the newest `limit` messages in the window (-1: all), the oldest of them first."""
        with self._reader() as reader:
            rows = reader.execute(_NEWEST, window.parameters() | {"limit": limit}).fetchall()
        return [stored_message(row) for row in rows]

    def history(self, page: Page, limit: int) -> list[StoredMessage]:
        """Return up to `limit` messages of a page, the oldest first.

        They are the newest before its end, or, where it goes on `forward`, the first after its
        beginning.
        """
        query = _ROOM_HISTORY if page.peer is None else _PEER_HISTORY
        order = "ASC" if page.forward else "DESC"
        with self._reader() as reader:
            rows = reader.execute(
                f"{query} ORDER BY seq {order} LIMIT :limit",
                {
                    "account": page.account,
                    "peer": page.peer,
                    "room": page.room,
                    "after": page.after,
                    "before": page.before,
                    "limit": limit,
                },
            ).fetchall()
        return [stored_message(row) for row in (rows if page.forward else reversed(rows))]

    def some(self, seqs: Sequence[int], account: str) -> list[StoredMessage]:
        """Return the messages with these numbers that there still are, the newest first.

        Only those said in a room, and the private ones of `account`.
        """
        query = f"{ALL} WHERE seq IN ({', '.join(map(str, seqs))}) AND {_MINE} ORDER BY seq DESC"
        with self._reader() as reader:
            return [stored_message(row) for row in reader.execute(query, {"account": account})]

    def following(self, seq: int, limit: int, characters: int) -> list[StoredMessage]:
        """Return the first messages of anybody after number `seq`; none where there are none.

        So many that they are at most `limit` and have at most so many `characters`, or else one.
        They come as one value, because the interpreter is given up and waited for at each row.
        """
        values = {"seq": seq, "limit": limit, "characters": characters}
        with self._reader() as reader:
            rows = reader.execute(_FOLLOWING, values).fetchone()[0]
        return [stored_message(row) for row in _decode_rows(rows)]

    def count(self, window: Window) -> int:
        """Return how many messages are in the window, as far as MOST_COUNTED of them were looked
        at: of more, it is the least there are."""
        with self._reader() as reader:
            row = reader.execute(_COUNT, window.parameters()).fetchone()
        return min(int(row[0]), MOST_COUNTED)

    def has_standing(self, account: str) -> bool:
        """Tell whether it is stored how the account (folded) stands. Log thread only.

        It does not borrow a reader, because handlers may have lent all of them for long.
        """
        found = self._writer.execute("SELECT 1 FROM accounts WHERE account = ?", (account,))
        return found.fetchone() is not None

    def standings(self) -> list[Standing]:
        """Return how every account stands that was ever here."""
        with self._reader() as reader:
            rows = reader.execute(
                "SELECT account, since, read, seen_at, busy, reply, hidden, name FROM accounts"
            ).fetchall()
        return [
            Standing(key, since, read, seen_at, bool(busy), reply, bool(hidden), name)
            for key, since, read, seen_at, busy, reply, hidden, name in rows
        ]

    def read_upto(self, accounts: Iterable[str]) -> dict[str, int]:
        """Return up to which message these accounts (folded) have read, where that is known.

        What was another's of the same name counts as read.
        """
        query = (
            "SELECT max(coalesce((SELECT read FROM accounts WHERE account = :account), 0),"
            " coalesce((SELECT upto FROM deleted WHERE account = :account), 0))"
        )
        with self._reader() as reader:
            return {
                each: reader.execute(query, {"account": each}).fetchone()[0] for each in accounts
            }

    def gone(self) -> list[int]:
        """Return which messages were deleted of which the index may still have the words."""
        with self._reader() as reader:
            return [seq for (seq,) in reader.execute("SELECT seq FROM gone ORDER BY seq")]

    def alive(self) -> float | None:
        """Return when the server last ran, by its clock (seconds since 1970), if that is known."""
        with self._reader() as reader:
            row = reader.execute("SELECT at FROM alive").fetchone()
        return None if row is None else float(row[0])

    def rest(self) -> float:
        """Return for how many seconds of running no message is deleted."""
        with self._reader() as reader:
            row = reader.execute("SELECT seconds FROM rest").fetchone()
        return 0.0 if row is None else float(row[0])

    def give_back(self) -> bool:
        """Give some of the room of what was deleted back to the system. Log thread only.

        Returns whether that was all, and nothing deleted is left in the file or its log: while
        somebody reads or there is more, call it again. Waits for nobody.
        """
        writer = self._writer
        try:
            writer.execute("PRAGMA busy_timeout = 0")
            # As a script: each step of this statement frees one page.
            writer.executescript(f"PRAGMA incremental_vacuum({_FREED_AT_ONCE})")
            shrinks = writer.execute("PRAGMA auto_vacuum").fetchone()[0] != 0
            if shrinks and writer.execute("PRAGMA freelist_count").fetchone()[0]:
                return False
            return not writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError as error:
            _log.warning("the room of what was deleted is not given back yet: %s", error)
            return False
        finally:
            writer.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")

    def check_whole(self) -> bool:
        """Tell whether a database that was too large to be checked at the start is sound."""
        if self.path.stat().st_size <= schema.WHOLE_CHECK_BYTES:
            return True
        with closing(schema.read_only(self.path)) as connection:
            # A look every some thousand steps lets a stop end it.
            connection.set_progress_handler(lambda: self._closed, 10_000)
            return schema.is_sound(connection) or self._closed

    def close(self) -> None:
        """Close the file; SQLite folds the write-ahead log into it."""
        self._closed = True
        for _ in range(_READERS):
            self._readers.get().close()
        self._writer.close()

    def _open(self, synchronous: str) -> sqlite3.Connection:
        connection = self._connect()
        try:
            self._prepare(connection, synchronous)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection, synchronous: str) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        before = schema.migrate(connection)
        if before < schema.VERSION:
            _log.info("%s brought from version %d to %d", self.path, before, schema.VERSION)
        connection.executescript(schema.BESIDE)
        connection.execute("PRAGMA secure_delete = ON").fetchone()
        try:
            schema.make_shrinkable(connection)
        except sqlite3.OperationalError as error:  # the disk is full, or somebody reads it
            _log.warning("%s cannot be written anew: %s", self.path, error)
        # Whoever was here when the last server ended without a goodbye was seen until then.
        connection.execute(
            "UPDATE accounts SET seen_at = coalesce((SELECT at FROM alive), ?)"
            " WHERE seen_at IS NULL",
            (time.time(),),
        )

    def _connect(self) -> sqlite3.Connection:
        # Each connection is used by one thread at a time: the log thread, or whoever borrowed it.
        return sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )

    def _data_version(self) -> int:
        """Return a number that changes when another connection has written. Log thread."""
        return int(self._writer.execute("PRAGMA data_version").fetchone()[0])

    def _rollback(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        reader = self._readers.get()
        try:
            yield reader
        finally:
            self._readers.put(reader)


def stored_message(row: tuple[int, int, str, str | None, str | None, str]) -> StoredMessage:
    """Return a row of seq, at, sender, room, recipients and text as a message."""
    seq, at, sender, room, recipients, text = row
    return StoredMessage(seq, at, sender, room, tuple((recipients or "").split()), text)


def forget_account(path: Path, name: str) -> None:
    """Delete what the database knows of an account, so that a new one of that name starts clean.

    Its private messages stay with the other people in them. May run beside a server. Does
    nothing when there is no database.
    """
    if not path.exists():
        return
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS)
    try:
        connection.execute("PRAGMA secure_delete = ON").fetchone()
        with connection:
            # What a database of an older version lacks here, its migration takes for deleted.
            connection.execute(
                "INSERT OR REPLACE INTO deleted SELECT ?, coalesce(max(seq), 0) FROM messages"
                if schema.version_of(connection) >= schema.WITH_DELETED
                else "DELETE FROM inboxes WHERE account = ?",
                (fold(name),),
            )
            connection.execute("DELETE FROM accounts WHERE account = ?", (fold(name),))
            connection.execute(
                "UPDATE messages SET key = NULL WHERE key IS NOT NULL AND lower(sender) = ?",
                (fold(name),),
            )
    except sqlite3.Error as error:
        raise StoreError(f"{path} could not be updated ({error}).") from error
    finally:
        connection.close()
