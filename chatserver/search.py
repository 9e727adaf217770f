"""`search.db`: a full-text index of all messages, beside the database and never in its way.

The indexer, a thread of its own, follows the log: it reads messages that have been committed and
writes their words into a file of its own, so that neither commits nor each other's locks are
waited for. The index holds no text (FTS5, contentless). It can be deleted at any time: it is made
again from `chat.db`. After a crash it goes on behind the last message that it has.

Who may read a message is in the index too, as one word for each reader, so that a search never
looks at what the asker may not see.
"""

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from chatserver.processors import roaming
from chatserver.store import Store, StoredMessage
from chatwire.names import fold
from chatwire.text import clean

FILE_NAME: Final = "search.db"

_log = logging.getLogger(__name__)

_SCHEMA_VERSION: Final = 1
_SCHEMA: Final = f"""
    CREATE VIRTUAL TABLE words USING fts5(
        text, sender, readers, content='', columnsize=0, prefix='2 3',
        tokenize="unicode61 remove_diacritics 2"
    );
    CREATE TABLE progress (identity TEXT NOT NULL, upto INTEGER NOT NULL);
    PRAGMA user_version = {_SCHEMA_VERSION};
"""
_STEP: Final = 500
"""Messages indexed in one transaction: some milliseconds."""

_PAUSE_SECONDS: Final = 0.2
"""How long the indexer lets messages pile up: an index entry costs less in company."""

_RETRY_SECONDS: Final = 5.0
"""How long the indexer rests after an error, such as a full disk."""

_MOST_CHARACTERS: Final = 200
"""So much of a query is looked at: one of many words would take seconds, and others wait."""

_REST: Final = 9.0
"""How many times as long as it works the indexer rests while messages come: so a flood keeps nine
tenths of what it would have to share, and the index is behind for that long."""

_PATIENCE: Final = 1.0
"""How long a search waits for messages of a moment ago: longer only while an index is made."""


def parse_query(query: str) -> str | None:
    """Return what somebody typed in FTS5's own language, or None if there is nothing to look for.

    Words must all occur; `depl*` is a beginning, `"so far"` a phrase, `from:bob` a sender. Whatever
    else is typed counts as words. Of a very long query the beginning counts.
    """
    parts = []
    for at, piece in enumerate(_beginning(clean(query)).split('"')):
        if at % 2:
            parts.append(_phrase(piece))
            continue
        for word in piece.split():
            if word.lower().startswith("from:") and len(word) > len("from:"):
                parts.append(f"sender:{_token(word[len('from:') :])}")
            elif word.endswith("*") and _has_words(word):
                parts.append(f"{_phrase(word.rstrip('*'))}*")
            else:
                parts.append(_phrase(word))
    return " AND ".join(filter(None, dict.fromkeys(parts))) or None


class SearchIndex:
    """The index and its thread. `search` may be called from any thread."""

    def __init__(self, path: Path, store: Store) -> None:
        """Open the index, or make a new one where it is missing or damaged. Raises OSError."""
        self._store = store
        self._path = path
        try:
            self._writer, self._reader = self._open(), self._connect()
        except sqlite3.Error as error:
            _log.warning("the search index cannot be used (%s); it is made again", error)
            for each in (path, *(Path(f"{path}-{end}") for end in ("wal", "shm"))):
                each.unlink(missing_ok=True)
            self._writer, self._reader = self._open(), self._connect()
        self._lock = threading.Lock()  # one search at a time: each takes milliseconds
        self._progress = threading.Condition()
        self._wanted = threading.Event()  # somebody waits for the newest messages, or for the end
        self._stopping = False
        self._deleted: queue.SimpleQueue[list[StoredMessage]] = queue.SimpleQueue()
        self._upto: int = self._reader.execute("SELECT upto FROM progress").fetchone()[0]
        self._thread = threading.Thread(target=self._run, name="indexer", daemon=True)

    @property
    def upto(self) -> int:
        """The number of the newest message that can be found."""
        return self._upto

    def start(self) -> None:
        """Start the indexer thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop it and close the files."""
        self._stopping = True
        self._wanted.set()
        self._thread.join()
        self._writer.close()
        with self._lock:
            self._reader.close()

    def search(self, query: str, account: str, room_since: int, limit: int) -> list[int]:
        """Return the numbers of up to `limit` messages that match, the newest first.

        Only messages that `account` sent or was sent, and those in the room after `room_since`.
        What is on disk when it is called is found, unless the index is far behind.
        """
        self._catch_up(self._store.last_seq)
        mine = f"({query}) AND readers:{_token(account)}"
        said = f"({query}) AND readers:{_IN_ROOM}"
        sql = (
            "SELECT rowid FROM words WHERE words MATCH ? AND rowid > ? ORDER BY rowid DESC LIMIT ?"
        )
        with self._lock, roaming():
            try:
                found = self._reader.execute(sql, (mine, 0, limit)).fetchall()
                found += self._reader.execute(sql, (said, room_since, limit)).fetchall()
            except sqlite3.Error as error:
                _log.warning("a search failed: %s", error)
                return []
        return sorted({seq for (seq,) in found}, reverse=True)[:limit]

    def forget(self, messages: Iterable[StoredMessage]) -> None:
        """Have messages that were deleted taken out of the index. Any thread.

        If the server ends before that is done, their words stay; they are found no more all the
        same, because they are looked up.
        """
        self._deleted.put(list(messages))

    def _catch_up(self, upto: int) -> None:
        """Wait until messages up to this number can be found, but not for long."""
        if self._upto >= upto:
            return
        self._wanted.set()
        with self._progress:
            self._progress.wait_for(lambda: self._upto >= upto or self._stopping, _PATIENCE)

    # -- the indexer thread only --

    def _run(self) -> None:
        with roaming():
            while not self._stopping:
                self._wanted.wait(_PAUSE_SECONDS)
                self._wanted.clear()
                try:
                    while not self._stopping and self._step_politely():
                        pass
                    self._delete()
                except sqlite3.Error as error:
                    _log.warning("the search index is behind: %s", error)
                    self._wanted.wait(_RETRY_SECONDS)

    def _step_politely(self) -> bool:
        """Do a step, and rest after it while people talk, unless a search waits."""
        newest, started = self._store.last_seq, time.monotonic()
        more = self._step()
        if more and self._store.last_seq > newest:
            self._wanted.wait(_REST * (time.monotonic() - started))
        return more

    def _step(self) -> bool:
        """Index the next messages; tell whether there may be more at once."""
        if self._upto >= self._store.last_seq:
            return False
        messages = self._store.following(self._upto, _STEP)
        if not messages:
            return False
        with self._writer:
            self._writer.execute("BEGIN")
            self._writer.executemany(
                "INSERT INTO words (rowid, text, sender, readers) VALUES (?, ?, ?, ?)",
                [_row(each) for each in messages],
            )
            self._writer.execute("UPDATE progress SET upto = ?", (messages[-1].seq,))
        with self._progress:
            self._upto = messages[-1].seq
            self._progress.notify_all()
        return True

    def _delete(self) -> None:
        """Take out what is waiting for that. A message that was never indexed is not in it."""
        while not self._deleted.empty():
            messages = [each for each in self._deleted.get() if each.seq <= self._upto]
            with self._writer:
                self._writer.execute("BEGIN")
                self._writer.executemany(
                    "INSERT INTO words (words, rowid, text, sender, readers)"
                    " VALUES ('delete', ?, ?, ?, ?)",
                    [_row(each) for each in messages],
                )

    def _open(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            if version == 0:
                connection.executescript(_SCHEMA)
                connection.execute("INSERT INTO progress VALUES (?, 0)", (self._store.identity,))
            elif version != _SCHEMA_VERSION:
                raise sqlite3.DatabaseError("another version")
            identity, upto = connection.execute("SELECT identity, upto FROM progress").fetchone()
            if identity != self._store.identity or upto > self._store.last_seq:
                raise sqlite3.DatabaseError("of another database")
            connection.execute("SELECT rowid FROM words WHERE words MATCH 'x' LIMIT 1").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)


_IN_ROOM: Final = "room"
"""No name's token: those are an x and hexadecimal digits."""


def _row(message: StoredMessage) -> tuple[int, str, str, str]:
    readers = [_IN_ROOM] if message.room else map(_token, {message.sender, *message.to})
    return message.seq, message.text, _token(message.sender), " ".join(readers)


def _token(name: str) -> str:
    """Return a name as one word of the index, whatever characters are in it."""
    return "x" + fold(name).encode().hex()


def _beginning(query: str) -> str:
    """Return as many whole words of a query as are looked for."""
    if len(query) <= _MOST_CHARACTERS:
        return query
    beginning = query[:_MOST_CHARACTERS]
    return " ".join(beginning.split()[:-1]) or beginning


def _phrase(words: str) -> str:
    """Return words as a phrase of FTS5, in which nothing has a meaning of its own."""
    return f'text:"{words}"' if _has_words(words) else ""


def _has_words(text: str) -> bool:
    return any(each.isalnum() for each in text)
