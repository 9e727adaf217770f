"""The seam: whoever is fed the same items in the same order has the same files, with or without a
server around them, and with restarts wherever."""

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st
from server.fakes import Client, Server

from chatserver.order.apply import apply
from chatserver.order.items import Came, Item, Purged, Said, Started
from chatserver.order.outcome import Arrived, Delivered, Outcome
from chatserver.order.pending import Question
from chatserver.storage.store import FILE_NAME, Store

from .histories import NAMES, History, histories

Tables = dict[str, list[tuple[object, ...]]]


def tables(path: Path) -> Tables:
    """Return every row of a database but what tells it from all others."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: sorted(
                (
                    row
                    for row in connection.execute(f"SELECT * FROM {name}")
                    if row[0] != "identity"
                ),
                key=repr,
            )
            for (name,) in names
        }


class Alone:
    """A store and nothing else: each item is applied and written by itself."""

    def __init__(self, folder: str) -> None:
        self.path = Path(folder, FILE_NAME)
        self.store = Store(self.path, synchronous="off")
        self.state = self.store.load()

    def apply(self, item: Item) -> Outcome:
        keyed = [(item.account, item.key)] if isinstance(item, Said) and item.key else []
        self.state.keys = self.store.keys_in_use(keyed)
        outcome = apply(self.state, item)
        self.store.write(self.state)
        self.state.saved()
        return outcome

    def restart(self, at: int) -> None:
        """Stop and start again; whoever was here comes again."""
        was_here = [
            Came(at=at, account=each.id, session=session, name=each.name)
            for each in self.state.accounts.values()
            for session in each.sessions
        ]
        self.store.close()
        self.store = Store(self.path, synchronous="off")
        self.state = self.store.load()
        self.apply(Started(at=at, seen_at=at))
        for came in was_here:
            self.apply(came)

    def finish(self) -> Tables:
        self.store.close()
        return tables(self.path)


class Watched(Server):
    """A server that notes what the order was."""

    def __init__(self, data: Path) -> None:
        self.order_was: list[Item] = []
        super().__init__(data)

    def follow(self, batch) -> None:  # type: ignore[no-untyped-def]
        self.order_was += [entry.item for entry in batch]
        super().follow(batch)


@given(
    histories(),
    st.lists(st.integers(1, 12), min_size=1, max_size=8),
    st.sampled_from([1, 2, 10**6]),
)
@settings(max_examples=40)
def test_a_server_and_apply_alone_leave_the_same_files(
    history: History, sizes: list[int], unasked: int
) -> None:
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        with Watched(Path(one)) as server:
            clients = {}
            for number, owner in history.owners.items():
                client = clients[number] = Client(NAMES[(owner - 1) % 4])
                client.connection.number = client.session.id = number
                client.session.account_id = owner
                server.directory.enter(client.session)
            left, turn = list(history.items), 0
            while left:
                size = sizes[turn % len(sizes)]
                batch, left, turn = left[:size], left[size:], turn + 1
                with server.paused():
                    for each in batch:
                        asker = clients.get(each.session) if isinstance(each, Said) else None
                        # Some come from elsewhere: nobody here waits for an answer.
                        ours = asker is not None and int(each.text) % unasked == 0  # type: ignore[attr-defined]
                        ticket = Question(asker.session, None) if ours and asker else None
                        server.order.append(each, ticket)
            server.settle()
            for client in clients.values():
                server.replay.serve(client.session)
            server.replay.stop(10)
            assert [each for each in server.order_was if each != Purged(at=0, seqs=())] == [
                each for each in history.items if each != Purged(at=0, seqs=())
            ]
        alone = Alone(other)
        outcomes = [(item, alone.apply(item)) for item in server.order_was]
        for number, client in clients.items():
            holds_together(alone, client, outcomes, number, unasked)
        assert tables(Path(one, FILE_NAME)) == alone.finish()


def holds_together(
    alone: Alone,
    client: Client,
    outcomes: list[tuple[Item, Outcome]],
    number: int,
    unasked: int,
) -> None:
    """Check that a client was given all that it may have, once and in order, and was not cut."""
    session = client.session
    ending = client.connection.ending
    assert ending is None or ending.code in ("kicked", "disabled", "password_changed")
    got = [each["seq"] for each in client.named("message")]
    assert got == sorted(set(got))
    account = alone.state.accounts.get(session.account_id)
    (came,) = (o for i, o in outcomes if isinstance(i, Came) and i.session == number)
    if account is None or number not in account.sessions or account.busy:
        return
    assert isinstance(came, Arrived)
    stored = tables(alone.path)["messages"]
    own_here = {
        o.seq
        for i, o in outcomes
        if isinstance(o, Delivered)
        and isinstance(i, Said)
        and i.session == number
        and int(i.text) % unasked == 0
    }
    expected = []
    for seq, _, conversation, sender, *_ in stored:
        assert isinstance(seq, int)
        assert isinstance(conversation, int)
        of = alone.state.conversations[conversation]
        member = of.members.get(account.id)
        own = sender == account.id
        if member is None or seq <= member.since or seq <= (came.seq if own else came.acked):
            continue
        if not (own and seq in own_here):
            expected.append(seq)
    # What it says to itself among others it is shown, but for what it said while busy.
    kept = {row[0] for row in stored} - own_here
    assert [seq for seq in got if seq in kept] == sorted(expected)


@given(histories(), st.sets(st.integers(0, 58), max_size=8))
@example(History(), set())
@settings(max_examples=40)
def test_restarts_anywhere_leave_the_same_rows(history: History, points: set[int]) -> None:
    """But for when somebody was last seen, and how many items there were."""
    assert lived(history, points) == lived(history, set())


@given(histories(24))
@settings(max_examples=4)
def test_a_restart_at_every_point_leaves_the_same_rows(history: History) -> None:
    without = lived(history, set())
    for point in range(len(history.items)):
        assert lived(history, {point}) == without
    assert lived(history, set(range(len(history.items)))) == without


def lived(history: History, restarts: set[int]) -> Tables:
    """Return the rows after a history with restarts before the items at these places."""
    with TemporaryDirectory() as folder:
        alone = Alone(folder)
        for place, each in enumerate(history.items):
            if place in restarts:
                alone.restart(alone.state.at)
            alone.apply(each)
        found = alone.finish()
    found["accounts"] = [(*row[:8], *row[9:]) for row in found["accounts"]]
    found["meta"] = [row for row in found["meta"] if row[0] != "applied"]
    return found
