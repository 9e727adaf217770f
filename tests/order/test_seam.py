"""The seam: whoever is fed the same items in the same order has the same files, with or without a
server around them, and with restarts wherever."""

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st
from server.fakes import Client, Server

from chatserver.order.items import Act, Came, Item, Purged, Said
from chatserver.order.outcome import Arrived, Delivered, Outcome
from chatserver.order.pending import Question
from chatserver.order.records import LOBBY_ID
from chatserver.storage.store import FILE_NAME

from .alone import Alone, Tables, tables_of
from .histories import NAMES, History, histories


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
    alone = Alone()
    with TemporaryDirectory() as folder:
        with Watched(Path(folder)) as server:
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
                        asker = clients.get(each.session) if isinstance(each, Act) else None
                        # Some come from elsewhere: nobody here waits for an answer.
                        ours = not isinstance(each, Said) or number_of(each) % unasked == 0
                        ticket = Question(asker.session, None) if ours and asker else None
                        server.order.append(each, ticket)
            server.settle()
            outcomes = [(item, *alone.apply(item)) for item in server.order_was]
            for item, outcome in outcomes:
                if isinstance(item, Came) and isinstance(outcome, Arrived) and outcome.busy:
                    clients[item.session].connection.outbox.release()  # the login is answered
            for client in clients.values():
                server.replay.serve(client.session)
                client.connection.drain()
            server.replay.stop(10)
            assert [each for each in server.order_was if each != Purged(at=0, seqs=())] == [
                each for each in history.items if each != Purged(at=0, seqs=())
            ]
        for number, client in clients.items():
            holds_together(alone, client, outcomes, number, unasked)
        with closing(sqlite3.connect(Path(folder, FILE_NAME))) as connection:
            assert tables_of(connection) == alone.tables()


def number_of(said: Said) -> int:
    """Return what tells a message of a history from the others."""
    return int(said.text.split()[-1])


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
    ends = ("kicked", "disabled", "password_changed", "logged_out")
    assert ending is None or ending.code in ends
    got = [each["seq"] for each in client.named("message")]
    assert got == sorted(set(got))
    account = alone.state.accounts.get(session.account_id)
    (came,) = (o for i, o in outcomes if isinstance(i, Came) and i.session == number)
    if account is None or number not in account.sessions or account.busy:
        return
    assert isinstance(came, Arrived)
    stored = alone.tables()["messages"]
    own_here = {
        o.seq
        for i, o in outcomes
        if isinstance(o, Delivered)
        and isinstance(i, Said)
        and i.session == number
        and number_of(i) % unasked == 0
    }
    expected = []
    # Of a room that somebody has left and joined again, more than this was shown: see the model.
    rooms = {each.id for each in alone.state.conversations.values() if each.kind == "room"}
    stored = [row for row in stored if row[2] not in rooms - {LOBBY_ID}]
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
    alone = Alone()
    for place, each in enumerate(history.items):
        if place in restarts:
            alone.restart()
        alone.apply(each)
    found = alone.tables()
    found["accounts"] = [(*row[:8], *row[9:]) for row in found["accounts"]]
    found["meta"] = [row for row in found["meta"] if row[0] != "applied"]
    return found
