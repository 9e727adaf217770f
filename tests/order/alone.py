"""A state and its tables, and nothing else: no server, no disk, no threads."""

import sqlite3

from chatserver.order.apply import apply, needs, refused_without_room
from chatserver.order.items import Came, Item, Started
from chatserver.order.outcome import Outcome
from chatserver.storage.rows import keys_in_use, load, targets, write
from chatserver.storage.tables import FIRST_ROWS, TABLES

Tables = dict[str, list[tuple[object, ...]]]


class Alone:
    """Applies items and writes what follows, a batch a call."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.executescript(TABLES + FIRST_ROWS)
        self.state = load(self._connection)

    def apply(self, *batch: Item, full: bool = False) -> list[Outcome]:
        """Apply a batch and write it, or find the disk full."""
        keys, seqs = needs(batch)
        self.state.keys = keys_in_use(self._connection, keys)
        self.state.targets = targets(self._connection, seqs)
        outcomes = [apply(self.state, each) for each in batch]
        if full:
            self.state.take_back()
            outcomes = [apply(self.state, each) for each in batch if not refused_without_room(each)]
            self.state.kept()
        else:
            self._connection.execute("BEGIN")
            write(self._connection, self.state)
            self._connection.execute("COMMIT")
            self.state.saved()
        return outcomes

    def restart(self) -> None:
        """Forget what is in memory and start again; whoever was here comes again."""
        at = self.state.at
        was_here = [
            Came(at=at, account=each.id, session=session, name=each.name)
            for each in self.state.accounts.values()
            for session in each.sessions
        ]
        self.state = load(self._connection)
        for each in (Started(at=at, seen_at=at), *was_here):
            self.apply(each)

    def tables(self) -> Tables:
        return tables_of(self._connection)


def tables_of(connection: sqlite3.Connection) -> Tables:
    """Return every row of a database but what tells it from all others."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names}
    return {
        name: sorted((row for row in rows if row[0] != "identity"), key=repr)
        for name, rows in found.items()
    }
