"""`chat.db`: everything that outlives the server. SQLite, WAL.

One thread writes (the log thread), whole batches to a transaction; any thread reads (`Past`). What
`write` has returned from is on disk. Without a server, whoever opens a Store is its log thread.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from chatserver.control import ServerRole
from chatserver.order.apply import apply
from chatserver.order.items import AccountDeleted, AccountMade, AccountRole, DevicesEnded
from chatserver.order.records import Target
from chatserver.order.state import State
from chatserver.storage import rows, schema
from chatserver.storage.migration import migrate, remove_kept
from chatserver.storage.past import BUSY_SECONDS, Past, connect
from chatserver.storage.schema import StoreError

FILE_NAME: Final = "chat.db"

_log = logging.getLogger(__name__)

_FREED_AT_ONCE: Final = 500
"""Pages given back in one transaction: some milliseconds."""


def _unseen(_done: int, _total: int) -> None:
    """Show nobody how far it is."""


class StorageFull(Exception):
    """A batch could not be written. Nothing of it was kept; the next one may succeed."""


class Store(Past):
    """The database of one server."""

    def __init__(
        self,
        path: Path,
        synchronous: str = "full",
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Open a database, make it where there is none, or bring an older one up.

        `progress` is told how much of that is done, and of how much. Raises StoreError when the
        file cannot be opened, is damaged, is no chat database or comes from another version that
        is not known; such a file is left untouched.
        """
        self._closed = False
        try:
            if path.exists():
                if schema.check(path) < schema.VERSION:
                    migrate(path, int(time.time() * 1000), progress or _unseen)
            elif path.with_name(f"{path.name}-wal").exists():
                raise StoreError(f"{path} is missing but its log is there; restore a backup.")
            else:
                schema.create(path)
            self._writer, self.identity = _open(path, synchronous)
        except OSError as error:
            raise StoreError(f"Cannot write {path}: {error.strerror}.") from error
        except schema.UNREADABLE as error:
            raise StoreError(
                f"{path} cannot be used as a chat database ({error});"
                " restore a backup or move the file away."
            ) from error
        self.last_seq: int = rows.last_seq(self._writer)
        """The number of the newest message or change on disk."""
        self.untidy = True  # a server before this one may not have come to it
        """Whether something deleted may be left in the file or its log, or room to give back."""
        super().__init__(path)

    def load(self) -> State:
        """Return the state that the database is in. Before the log thread starts, or in it."""
        return rows.load(self._writer)

    def write(self, state: State) -> None:
        """Have what is unsaved on disk, whole, as one transaction. Log thread only.

        Raises StorageFull when it cannot be written: nothing of it was, and the state still has it.
        """
        writer = self._writer
        try:
            writer.execute("BEGIN IMMEDIATE")
            rows.write(writer, state)
            writer.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._rollback()
            raise StorageFull(str(error)) from error
        except BaseException:
            self._rollback()
            raise
        self.last_seq = state.seq
        self.untidy = self.untidy or bool(state.unsaved.gone or state.unsaved.erased)

    def keys_in_use(self, keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
        """Return which of these keys, each an account's, are used, and as which number.

        Log thread only. It borrows no reader, because handlers may have lent all of them for long.
        """
        return rows.keys_in_use(self._writer, keys)

    def targets(self, asked: Iterable[tuple[int, int]]) -> dict[int, Target]:
        """Return how messages stand, each with its number and the account for which that is asked.

        Log thread only.
        """
        return rows.targets(self._writer, asked)

    def tidy(self) -> None:
        """Give some of the room of what was deleted back to the system. Log thread only.

        While it is `untidy` after that, there is more, or somebody reads: call it again. Waits for
        nobody.
        """
        self.untidy = not self._give_back()

    def _give_back(self) -> bool:
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
            writer.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")

    def forget_former(self, now: int) -> None:
        """Remove what a migration has kept of the database before, once it is old enough.

        `now` is in ms since 1970. Raises nothing.
        """
        remove_kept(self.path, now)

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
        super().close()
        self._writer.close()

    def _rollback(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")


def _open(path: Path, synchronous: str) -> tuple[sqlite3.Connection, str]:
    """Return a connection that writes, and what tells the database from every other."""
    connection = connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA secure_delete = ON").fetchone()
        return connection, rows.identity(connection)
    except BaseException:
        connection.close()
        raise


def forget_accounts(path: Path, names: Iterable[str], now: int) -> None:
    """Delete accounts where no server runs; `now` is in ms since 1970. Those that are not known
    need not be. Raises StoreError and StorageFull."""
    with _alone(path) as state:
        for account in filter(None, map(state.account, names)):
            apply(state, AccountDeleted(at=now, account=account.id))


def give_roles(path: Path, names: Iterable[str], role: ServerRole, now: int) -> None:
    """Give accounts a role where no server runs; they get their numbers, where they had none.
    Raises StoreError and StorageFull."""
    with _alone(path) as state:
        for name in names:
            apply(state, AccountMade(at=now, name=name))
            account = state.account(name)
            if account is not None:
                apply(state, AccountRole(at=now, account=account.id, role=role))


def end_devices(path: Path, name: str, device: int | None, now: int) -> int:
    """Log a device of an account out where no server runs, or all of them; return how many there
    were. Raises StoreError and StorageFull."""
    with _alone(path) as state:
        account = state.account(name)
        found = [] if account is None else [state.devices[each] for each in account.devices]
        over = [each.token for each in found if device in (None, each.number)]
        apply(state, DevicesEnded(at=now, tokens=tuple(over)))
    return len(over)


@contextmanager
def _alone(path: Path) -> Iterator[State]:
    """Lend the state of a database that no server uses, and write what becomes of it."""
    store = Store(path)
    try:
        state = store.load()
        yield state
        if state.unsaved:
            store.write(state)
    finally:
        store.close()
