"""From version 3 of `chat.db`, in which accounts were names, to version 4.

The new database is built beside the old one, which is only read, and takes its place when it is
whole and on disk. The old one stays beside it for two weeks, as `chat.db.v3`: a way back. So
whatever happens on the way, a power cut, a kill or a full disk, there is a whole `chat.db` of one
version or the other, and the next start begins anew or goes on.
"""

import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from chatserver.storage.schema import APPLICATION_ID, StoreError
from chatserver.storage.tables import ACCOUNT, CONVERSATION, FIRST_ROWS, MEMBER, MESSAGE, TABLES
from chatserver.system.files import open_private, target_of
from chatwire.names import fold

FROM: Final = 3
TO: Final = 4

KEPT_SECONDS: Final = 14 * 24 * 3600
"""How long the database of the version before is kept."""

_STEP: Final = 100_000
"""Messages between two reports."""

_CACHE_KIB: Final = 16_384
_LOBBY: Final = 1
_FIRST_DIRECT: Final = 2

_BUSY_SECONDS: Final = 5.0
"""How long to wait for whoever reads the old database, such as a backup."""

_NEEDED: Final = ("messages", "accounts", "deleted", "identity", "alive")
"""Tables that every file of version 3 has; the first ones had no `gone` and no `rest`."""

_TO: Final = "iif(room IS NULL, coalesce(recipients, ''), '*')"
"""To whom a message was said: names with spaces between, or everybody."""

_PLACES: Final = """
CREATE TEMP TABLE places (             -- of what is taken over next:
    sender TEXT NOT NULL,              -- who said it
    told TEXT NOT NULL,                -- to whom, as above,
    account INTEGER NOT NULL,          -- which account that is,
    conversation INTEGER NOT NULL,     -- and where it belongs
    PRIMARY KEY (sender, told)
) WITHOUT ROWID;
"""

_FIND: Final = f"""
    SELECT sender, {_TO}, min(at), max(seq), count(key) FROM old.messages
    WHERE seq > :seq AND seq <= :upto GROUP BY 1, 2 ORDER BY min(seq)
"""  # noqa: S608 - put together from constants, like the next one

_TAKE: Final = f"""
    INSERT INTO main.messages ({MESSAGE})
    SELECT seq, at, conversation, account, 'text', text, NULL, key FROM old.messages AS said
        CROSS JOIN places ON places.sender = said.sender AND told = {_TO}
        WHERE seq > :seq AND seq <= :upto ORDER BY seq
"""  # noqa: S608

_DROP_REPEATED: Final = """
    UPDATE main.messages SET key = NULL WHERE seq IN (
        SELECT seq FROM (
            SELECT seq, row_number() OVER (PARTITION BY sender, key ORDER BY seq DESC) AS place
            FROM main.messages
            WHERE key IS NOT NULL AND sender IN (SELECT value FROM json_each(?)))
        WHERE place > 1)
"""

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much: first with 0, last with all of it."""

_log = logging.getLogger(__name__)


def migrate(path: Path, now_ms: int, progress: Progress | None = None) -> None:
    """Replace a database of version 3 by one of version 4; `now_ms` is in ms since 1970.

    For the only process that uses it: who else has it open makes it fail. Raises StoreError, and
    sqlite3.DatabaseError for a damaged file; then `path` is as it was.
    """
    try:
        _replace(target_of(path), now_ms, progress or _quietly)
    except (sqlite3.OperationalError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"{path} is as it was, for it cannot be brought to version {TO} ({why}): have as much"
            " room again as it takes, and no other program that reads it, and start again."
        ) from error


def remove_kept(path: Path, now_ms: int) -> bool:
    """Remove what `migrate` has kept of the database `path`, once it is two weeks old.

    So is one that seems to be from far in the future: a clock was wrong, and what is in it is not
    to stay for ever. Returns whether it was removed. Raises nothing.
    """
    try:
        kept = _kept(target_of(path))
        if not kept.exists() or abs(now_ms / 1000 - kept.stat().st_mtime) < KEPT_SECONDS:
            return False
        kept.unlink()
    except OSError as error:
        _log.warning("the database of version %d cannot be removed: %s", FROM, error)
        return False
    return True


def _replace(path: Path, now_ms: int, progress: Progress) -> None:
    new, kept = _new(path), _kept(path)
    _remove(new)  # of a start that was cut short
    try:
        with closing(_open_old(path)) as old:
            os.close(open_private(new))
            with closing(sqlite3.connect(new, isolation_level=None, uri=True)) as target:
                target.execute("ATTACH ? AS old", (f"{path.absolute().as_uri()}?mode=ro",))
                _fill(target, _tables(old), now_ms, progress)
            _sync(new)
            _keep(path, kept, now_ms)
            _sync(path.parent)  # the old log is gone for good, before it could be taken for new
            new.replace(path)
        _sync(path.parent)
    except BaseException:
        with suppress(OSError):
            _remove(new)
        raise


def _open_old(path: Path) -> sqlite3.Connection:
    """Open the old database as a single file, in a transaction, so that nobody writes any more.

    What a server that was killed left in the log is folded into it first.
    """
    old = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        old.execute("PRAGMA trusted_schema = OFF")  # it may be from anywhere
        version = old.execute("PRAGMA user_version").fetchone()[0]
        if version != FROM:
            raise sqlite3.DatabaseError(f"it is of version {version}, not {FROM}")
        # This fails while anybody else has it open, and leaves no log behind.
        (mode,) = old.execute("PRAGMA journal_mode = DELETE").fetchone()
        if mode != "delete":
            raise sqlite3.OperationalError("its log cannot be folded into it")
        old.execute("BEGIN")
        missing = {*_NEEDED} - _tables(old)
        if missing:
            raise sqlite3.DatabaseError(f"it has no table {min(missing)}")
    except BaseException:
        old.close()
        raise
    return old


def _tables(old: sqlite3.Connection) -> set[str]:
    """Return the names of the tables proper: a view or a virtual one could run anything."""
    found = old.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    return {name for name, sql in found if sql.upper().startswith("CREATE TABLE ")}


def _fill(new: sqlite3.Connection, tables: set[str], now: int, progress: Progress) -> None:
    """Fill a new database from the one attached as `old`, which has these tables."""
    new.execute("PRAGMA trusted_schema = OFF")
    new.execute("PRAGMA auto_vacuum = INCREMENTAL")
    new.execute("PRAGMA main.journal_mode = OFF").fetchone()  # one that is not whole is thrown away
    new.execute("PRAGMA main.synchronous = OFF")  # and a whole one put on disk at the end
    new.execute("PRAGMA main.locking_mode = EXCLUSIVE").fetchone()
    new.execute(f"PRAGMA main.cache_size = -{_CACHE_KIB}")
    new.executescript(f"BEGIN; {TABLES} {FIRST_ROWS} {_PLACES}")
    indexes = new.execute(
        "SELECT name, sql FROM main.sqlite_master"
        " WHERE tbl_name = 'messages' AND type = 'index' ORDER BY name"
    ).fetchall()
    for name, _ in indexes:  # quicker made at the end
        new.execute(f"DROP INDEX main.{name}")
    (count,) = new.execute("SELECT count(*) FROM old.messages").fetchone()
    index_share = count // 4  # of the time that the messages take
    total = count + index_share * len(indexes)
    progress(0, total)
    past = _Past(dict(new.execute("SELECT account, upto FROM old.deleted")))
    taken = _take_messages(new, past, lambda done: progress(done, total))
    if taken != count:
        raise sqlite3.DatabaseError(f"only {taken} of {count} messages can be read")
    _take_standings(new, past, now)
    _take_facts(new, tables, past.at)
    _drop_repeated_keys(new, past)
    for left, (_, sql) in zip(range(len(indexes) - 1, -1, -1), indexes, strict=True):
        new.execute(sql)
        progress(total - left * index_share, total)
    new.execute("COMMIT")
    new.execute(f"PRAGMA main.application_id = {APPLICATION_ID}")
    new.execute(f"PRAGMA main.user_version = {TO}")


class _Account(Struct, eq=False):
    """Who a name was; when it was `deleted` (ms), another may have the name."""

    id: int
    name: str
    made: int
    newest: int = 0
    """The last message that it said."""
    deleted: int | None = None
    spellings: set[str] = field(default_factory=set)
    """How the name was spelled in messages that have a key."""


class _Past:
    """Who was who, and which people talked with one another, as far as the messages were read.

    Until the message at which an account was deleted, its name is that account; after it, the name
    is another's. Two owners that were deleted one after the other cannot be told apart: the file
    only knows of the last.
    """

    def __init__(self, deleted: dict[str, int]) -> None:
        self.deleted = deleted
        self.accounts: list[_Account] = []
        self.direct: dict[tuple[int, ...], tuple[int, int]] = {}
        """Number and beginning (ms) of each conversation, by the accounts in it, in order."""
        self.at = 0
        """When the newest message was said (ms)."""
        self._owners: dict[str, _Account] = {}
        self._ends = sorted(((upto, name) for name, upto in deleted.items()), reverse=True)

    def account(self, name: str, at: int) -> _Account:
        """Return the account that has a name now, made `at` (ms) if there is none."""
        folded = fold(name)
        found = self._owners.get(folded)
        if found is None:
            found = self._owners[folded] = _Account(len(self.accounts) + 1, name, at)
            self.accounts.append(found)
        return found

    def place(self, sender: _Account, to: str, at: int) -> int:
        """Return the conversation of what somebody said to some or to everybody, first `at`."""
        if to == "*":
            return _LOBBY
        people = tuple(sorted({sender.id, *(self.account(name, at).id for name in to.split())}))
        return self.direct.setdefault(people, (_FIRST_DIRECT + len(self.direct), at))[0]

    def go_on(self, seq: int, upto: int) -> int:
        """Let names go whose owners were deleted at `seq` or before, and return how far the others
        keep theirs, `upto` at the most."""
        while self._ends and self._ends[-1][0] <= seq:
            self._end()
        return min(upto, self._ends[-1][0]) if self._ends else upto

    def end(self) -> None:
        """Note that there are no more messages: whoever has a name now has it for good."""
        while self._ends:
            self._end()

    def _end(self) -> None:
        owner = self._owners.pop(self._ends.pop()[1], None)
        if owner is not None:
            owner.deleted = self.at


def _take_messages(new: sqlite3.Connection, past: _Past, report: Callable[[int], None]) -> int:
    """Take over all messages; return how many."""
    done = 0
    (seq,) = new.execute("SELECT coalesce(min(seq), 0) - 1 FROM old.messages").fetchone()
    while True:
        (upto,) = new.execute(
            "SELECT max(seq) FROM"
            " (SELECT seq FROM old.messages WHERE seq > ? ORDER BY seq LIMIT ?)",
            (seq, _STEP),
        ).fetchone()
        if upto is None:
            past.end()
            return done
        upto = past.go_on(seq, upto)
        stretch = {"seq": seq, "upto": upto}
        _find_places(new, past, stretch)
        done += new.execute(_TAKE, stretch).rowcount
        report(done)
        seq = upto


def _find_places(new: sqlite3.Connection, past: _Past, stretch: dict[str, int]) -> None:
    """Note whose the messages of a stretch are, and to which conversation each belongs."""
    places = []
    for sender, to, at, newest, keys in new.execute(_FIND, stretch):
        me = past.account(sender, at)
        if newest > me.newest:
            me.newest, me.name = newest, sender
        if keys:
            me.spellings.add(sender)
        places.append((sender, to, me.id, past.place(me, to, at)))
    new.execute("DELETE FROM places")
    new.executemany(f"INSERT INTO places {_values(4)}", places)
    newest_at = new.execute(
        "SELECT at FROM old.messages WHERE seq <= :upto ORDER BY seq DESC LIMIT 1", stretch
    )
    past.at = newest_at.fetchone()[0]


def _take_standings(new: sqlite3.Connection, past: _Past, now: int) -> None:
    """Write the accounts and conversations, and who has a part in which."""
    standings: dict[_Account, tuple[str, int, int, int | None, int, str, int]] = {}
    for account, name, since, read, seen_at, busy, reply, hidden in new.execute(
        "SELECT account, name, since, read, seen_at, busy, reply, hidden FROM old.accounts"
        " ORDER BY account"
    ):
        seen = None if seen_at is None else round(seen_at * 1000)
        owner = past.account(account, now)
        standings[owner] = name or owner.name, since, read, seen, busy, reply, hidden
    acked: dict[int, int] = {}
    accounts: list[tuple[object, ...]] = []
    members: list[tuple[object, ...]] = []
    for each in past.accounts:
        name, since, read, seen, busy, reply, hidden = standings.get(
            each, (each.name, 0, 0, 0, 0, "", 0)
        )
        folded = fold(name)
        # What was said to whoever had the name before is nothing that this one has not been given.
        upto = acked[each.id] = max(read, past.deleted.get(folded, 0))
        as_seen = (busy, reply, hidden, upto, seen)
        accounts.append((each.id, folded, name, "member", *as_seen, each.made, each.deleted))
        if each in standings:
            members.append(_member(each.id, _LOBBY, since, max(since, read)))
    for people, (number, _) in past.direct.items():
        members += [_member(each, number, 0, acked[each]) for each in people]
    conversations = (
        (number, "direct", None, _json(people), "", "open", "all", "everyone", None, made, None)
        for people, (number, made) in past.direct.items()
    )
    new.executemany(f"INSERT INTO main.accounts ({ACCOUNT}) {_values(11)}", accounts)
    new.executemany(f"INSERT INTO main.conversations ({CONVERSATION}) {_values(11)}", conversations)
    new.executemany(f"INSERT INTO main.members ({MEMBER}) {_values(8)}", members)


def _member(account: int, conversation: int, since: int, read: int) -> tuple[object, ...]:
    return account, conversation, "member", since, read, "default", None, 0


def _take_facts(new: sqlite3.Connection, tables: set[str], at: int) -> None:
    """Write which file this is, how long it ran, and of what the index may still have words."""
    facts: list[tuple[str, object]] = [("at", at), ("applied", 0)]
    facts += new.execute("SELECT 'identity', id FROM old.identity")
    facts += new.execute("SELECT 'alive', CAST(round(at * 1000) AS INTEGER) FROM old.alive")
    if "rest" in tables:
        facts += new.execute("SELECT 'rest', seconds FROM old.rest")
    new.executemany("INSERT OR REPLACE INTO main.meta (name, value) VALUES (?, ?)", facts)
    if "gone" in tables:
        new.execute("INSERT INTO main.gone (seq) SELECT seq FROM old.gone")


def _drop_repeated_keys(new: sqlite3.Connection, past: _Past) -> None:
    """Have each key of an account stand for the newest message: keys were per spelling."""
    several = [each.id for each in past.accounts if len(each.spellings) > 1]
    if several:
        new.execute(_DROP_REPEATED, (_json(several),))


def _keep(path: Path, kept: Path, now_ms: int) -> None:
    """Give the old database a second name, or make a copy where a file can have only one."""
    kept.unlink(missing_ok=True)
    try:
        kept.hardlink_to(path)
    except OSError as error:
        _log.info("%s has no hard links (%s): %s is copied", path.parent, error.strerror, path.name)
        with path.open("rb") as source, os.fdopen(open_private(kept), "wb") as copy:
            shutil.copyfileobj(source, copy)
        _sync(kept)
    kept.chmod(0o600)
    os.utime(kept, (now_ms / 1000, now_ms / 1000))  # from when on the two weeks are counted


def _new(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _kept(path: Path) -> Path:
    return path.with_name(f"{path.name}.v{FROM}")


def _remove(path: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _json(people: Sequence[int]) -> str:
    return json.dumps(people, separators=(",", ":"))


def _values(count: int) -> str:
    return f"VALUES ({', '.join('?' * count)})"


def _quietly(_done: int, _total: int) -> None:
    """Show nothing."""
