"""The file `search.db`: words in parts of bounded size, so that one can be made again or looked at.

SQLite's full-text index (FTS5 of 3.40) takes no words out for good, and a search in it cannot be
interrupted. So the index is many, each of a stretch of messages: what was deleted goes with its
part, which is made anew from what is left, and between parts a search can be given up.

One thread writes (the indexer); a search borrows a reader.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from chatserver.order.records import LOBBY_ID
from chatserver.search.query import account_token, name_token, place_token
from chatserver.search.words import RULE, fold
from chatserver.storage.past import StoredMessage, Stretch

_SCHEMA_VERSION: Final = 5
_SCHEMA: Final = f"""
    PRAGMA auto_vacuum = INCREMENTAL;
    CREATE TABLE progress (identity TEXT NOT NULL, rule TEXT NOT NULL, upto INTEGER NOT NULL);
    CREATE TABLE parts (
        first INTEGER PRIMARY KEY,     -- the number of its first message; the next one's is its end
        generation INTEGER NOT NULL,   -- how often it was made anew
        size INTEGER NOT NULL
    );
    PRAGMA user_version = {_SCHEMA_VERSION};
"""
_MOST: Final = 8_000_000
_ENVELOPE: Final = 200
"""A part ends at so many characters, where each message counts for so many more: at about 30,000
messages. Making one anew takes a second, and the dearest search in one some hundredths."""

_COLUMNS: Final = "text, sender, private_text, private_sender, readers"
"""What is said in the lobby everybody reads, from some message on. All else has columns of its own,
and a word for its conversation and, where it is private, for each who is in it, so that a search
never looks at what the asker may not see: to ask of each message who may read it costs the most."""

_AT_ONCE: Final = 4
"""How many parts are searched by one statement: the interpreter is waited for after each."""

_FREED_AT_ONCE: Final = 500
"""Pages given back to the system in one transaction."""

_NEVER: Final = 2**62


class Scope(msgspec.Struct, frozen=True):
    """Where a search looks: in some conversations, each from some message on, and in all that is
    `private` to whoever asks; `partial`: there are more that might be looked into."""

    places: tuple[Stretch, ...]
    private: tuple[Stretch, ...] = ()
    partial: bool = False

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """All of it."""
        return self.places + self.private


class TooMuch(Exception):
    """A search has taken as long as it may."""


@dataclass(frozen=True)
class Part:
    """A stretch of messages: `first` <= seq <= `last`."""

    first: int
    last: int
    generation: int
    size: int

    @property
    def table(self) -> str:
        """The name of its full-text table."""
        return f"words_{self.first}_{self.generation}"

    @property
    def share(self) -> float:
        """How much there is in it of what a part may have: so long it takes to make it anew."""
        return self.size / _MOST


class Parts:
    """The writer's side. Raises sqlite3.Error when the file cannot be used or is of another rule.

    `identity` tells the database that it is the index of, `newest` its newest message.
    """

    def __init__(self, path: Path, identity: str, newest: int) -> None:
        self._writer = connect(path)
        try:
            self._prepare(identity, newest)
        except BaseException:
            self._writer.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def all(self) -> list[Part]:
        """Return the parts, the newest first."""
        return all_parts(self._writer)

    def add(self, messages: Sequence[StoredMessage]) -> None:
        """Index the messages that follow, and note how far that is."""
        with self._writer:
            self._writer.execute("BEGIN")
            parts = self.all()
            part = parts[0] if parts else None
            waiting: list[StoredMessage] = []
            size = 0
            for each in messages:
                if part is None or part.size + size > _MOST:
                    self._insert(part, waiting, size)
                    if part is not None:
                        self._optimize(part.table)
                    part, waiting, size = self._create(each.seq), [], 0
                waiting.append(each)
                size += len(each.text) + _ENVELOPE
            self._insert(part, waiting, size)
            self._writer.execute("UPDATE progress SET upto = ?", (messages[-1].seq,))

    def add_again(self, part: Part, messages: Sequence[StoredMessage]) -> None:
        """Have messages of a part found by what they read now, too. What they read before stays in
        it until it is made anew."""
        with self._writer:
            self._writer.execute("BEGIN")
            self._write(part.table, messages)

    def begin(self, part: Part) -> Part:
        """Make an empty table which is to take a part's place; return it as that part."""
        new = Part(part.first, part.last, part.generation + 1, 0)
        with self._writer:
            self._writer.execute("BEGIN")
            self._create_table(new.table)
        return new

    def fill(self, part: Part, messages: Iterable[StoredMessage]) -> None:
        """Index messages in a part that has begun."""
        with self._writer:
            self._writer.execute("BEGIN")
            self._write(part.table, messages)

    def replace(self, new: Part, *, is_empty: bool) -> None:
        """Put the new table in the old one's place, or have none in that place."""
        old = Part(new.first, new.last, new.generation - 1, 0)
        with self._writer:
            self._writer.execute("BEGIN")
            self._writer.execute(f"DROP TABLE {old.table}")
            if is_empty:
                self._writer.execute(f"DROP TABLE {new.table}")
                self._writer.execute("DELETE FROM parts WHERE first = ?", (new.first,))
            else:
                self._optimize(new.table)
                self._writer.execute(
                    "UPDATE parts SET generation = ? WHERE first = ?", (new.generation, new.first)
                )

    def give_back(self) -> bool:
        """Give some of the freed room back to the system; tell whether there is more."""
        if self._free():
            # As a script: each step of this statement frees one page.
            self._writer.executescript(f"PRAGMA incremental_vacuum({_FREED_AT_ONCE})")
        return self._free() > 0

    def empty_log(self) -> bool:
        """Bring everything into the file itself; tell whether no reader was in the way."""
        return not self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]

    def upto(self) -> int:
        """Return the number of the newest message that is in it."""
        return int(self._writer.execute("SELECT upto FROM progress").fetchone()[0])

    def _free(self) -> int:
        return int(self._writer.execute("PRAGMA freelist_count").fetchone()[0])

    def _create(self, first: int) -> Part:
        part = Part(first, first, 0, 0)
        self._create_table(part.table)
        self._writer.execute("INSERT INTO parts VALUES (?, 0, 0)", (first,))
        return part

    def _create_table(self, name: str) -> None:
        # The text comes as words that are folded already; what is not ASCII is a letter.
        self._writer.execute(
            f"CREATE VIRTUAL TABLE {name} USING fts5({_COLUMNS}, content='',"
            " columnsize=0, prefix='2 3', tokenize='ascii')"
        )

    def _optimize(self, table: str) -> None:
        """Have FTS5 merge what it has of a complete part: a search in it costs less then."""
        self._writer.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")  # noqa: S608

    def _insert(self, part: Part | None, messages: list[StoredMessage], size: int) -> None:
        if part is not None and messages:
            self._write(part.table, messages)
            self._writer.execute(
                "UPDATE parts SET size = size + ? WHERE first = ?", (size, part.first)
            )

    def _write(self, table: str, messages: Iterable[StoredMessage]) -> None:
        # One statement for all: the interpreter is given up and waited for at each.
        there = (each for each in messages if each.deleted is None)
        rows = msgspec.json.encode(list(map(_row, there))).decode()
        self._writer.execute(
            f"INSERT INTO {table} (rowid, {_COLUMNS}) SELECT value ->> 0, value ->> 1,"  # noqa: S608
            " value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?)",
            (rows,),
        )

    def _prepare(self, identity: str, newest: int) -> None:
        writer = self._writer
        version = writer.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            writer.executescript(_SCHEMA)
            writer.execute("INSERT INTO progress VALUES (?, ?, 0)", (identity, RULE))
        elif version != _SCHEMA_VERSION:
            raise sqlite3.DatabaseError("another version")
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("PRAGMA synchronous = NORMAL")
        writer.execute("PRAGMA secure_delete = ON").fetchone()
        of, rule, upto = writer.execute("SELECT identity, rule, upto FROM progress").fetchone()
        if of != identity or upto > newest:
            raise sqlite3.DatabaseError("of another database")
        if rule != RULE:
            raise sqlite3.DatabaseError("of another rule for words")
        wanted = {part.table for part in self.all()}
        tables = writer.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'")
        for name in {name for (name,) in tables.fetchall()} - wanted:
            writer.execute(f"DROP TABLE {name}")  # begun, and never finished
        for part in self.all()[:1]:
            writer.execute(f"SELECT rowid FROM {part.table}('x') LIMIT 1").fetchone()  # noqa: S608


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection that may be used by any thread, by one at a time."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def all_parts(connection: sqlite3.Connection) -> list[Part]:
    """Return the parts that there are, the newest first."""
    rows = connection.execute("SELECT first, generation, size FROM parts ORDER BY first DESC")
    parts: list[Part] = []
    for first, generation, size in rows.fetchall():
        last = parts[-1].first - 1 if parts else 2**62
        parts.append(Part(first, last, generation, size))
    return parts


def look_for(  # one argument for each thing that narrows it down
    reader: sqlite3.Connection, query: str, account: int, scope: Scope, limit: int, seconds: float
) -> Iterator[list[int]]:
    """Yield the numbers of the messages that match, the newest first, up to `limit` at a time.

    Only those in the scope of `account`, and of a part in which a conversation begins to be
    readable also those before that: whoever asks looks them up. Raises TooMuch after `seconds` of
    computing.
    """
    search = _Search(query, account, scope)
    # Computing, not waiting: others that work at the same time make no search too dear.
    until = time.thread_time() + seconds
    reader.execute("BEGIN")  # so that the parts stay those that there are
    try:
        parts = all_parts(reader)
        for at in range(0, len(parts), _AT_ONCE):
            before = _NEVER
            while before:
                if time.thread_time() > until:
                    raise TooMuch
                found = search.run(reader, parts[at : at + _AT_ONCE], before, limit)
                yield found
                before = found[-1] if len(found) == limit else 0
    finally:
        reader.execute("COMMIT")


class _Search:
    """A query as it is asked of parts."""

    def __init__(self, query: str, account: int, scope: Scope) -> None:
        self._query = query
        # Nothing else in a query has a colon.
        self._private = query.replace("text:", "private_text:").replace(
            "sender:", "private_sender:"
        )
        self._mine = [account_token(account)] if scope.private else []
        self._lobby = _NEVER
        self._places: list[Stretch] = []
        for each in scope.places:
            if each.conversation == LOBBY_ID:
                self._lobby = each.since
            else:
                self._places.append(each)

    def run(
        self, reader: sqlite3.Connection, parts: Iterable[Part], before: int, limit: int
    ) -> list[int]:
        """Return the newest messages before a number that match."""
        pieces: list[str] = []
        values: dict[str, str | int] = {"since": self._lobby, "before": before, "limit": limit}
        for part in parts:
            for match, where in self._asked(part) if part.first < before else ():
                name = f"match{len(pieces)}"
                values[name] = match
                pieces.append(
                    f"SELECT * FROM (SELECT rowid FROM {part.table}"  # noqa: S608
                    f" WHERE {part.table} MATCH :{name} AND {where} AND rowid < :before"
                    " ORDER BY rowid DESC LIMIT :limit)"
                )
        sql = f"{' UNION ALL '.join(pieces)} LIMIT :limit"
        return [seq for (seq,) in reader.execute(sql, values)] if pieces else []

    def _asked(self, part: Part) -> Iterator[tuple[str, str]]:
        """Yield what is asked of a part, and of which messages of it: everything of those behind
        the lobby's beginning, then what was not said there."""
        words = self._mine + [
            place_token(each.conversation) for each in self._places if each.since < part.last
        ]
        mine = f"({self._private}) AND readers:({' OR '.join(words)})" if words else ""
        if part.last > self._lobby:
            yield f"({self._query}) OR ({mine})" if mine else self._query, "rowid > :since"
        if part.first <= self._lobby and mine:
            yield mine, "rowid <= :since"


def _row(message: StoredMessage) -> tuple[int | str, ...]:
    sender = name_token(message.sender)
    text = message.text
    if not text.isascii():
        text = fold(text)  # the table does the same to ASCII by itself
    if message.conversation == LOBBY_ID:
        return message.seq, text, sender, "", "", ""
    readers = " ".join([place_token(message.conversation), *map(account_token, message.people)])
    return message.seq, "", "", text, sender, readers


def remove(path: Path) -> None:
    """Delete the file and what belongs to it."""
    for each in (path, *(Path(f"{path}-{end}") for end in ("wal", "shm"))):
        each.unlink(missing_ok=True)
