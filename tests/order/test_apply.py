"""Whatever happens, in whatever batches, with restarts and full disks in between: the same items in
the same order leave the same rows."""

import sqlite3
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatserver.order.apply import apply, refused_without_room
from chatserver.order.items import (
    AccountDeleted,
    AccountMade,
    Acked,
    Alive,
    Busy,
    Came,
    Ended,
    Hidden,
    Idle,
    Item,
    Purged,
    Said,
    Shown,
    Started,
    Trimmed,
    Went,
    decode,
    encode,
)
from chatserver.order.outcome import (
    Arrived,
    Delivered,
    Outcome,
    Refused,
    Registered,
    Revoked,
    Turned,
)
from chatserver.order.records import LOBBY_ID
from chatserver.order.state import State
from chatserver.storage.rows import keys_in_use, load, write
from chatserver.storage.tables import FIRST_ROWS, TABLES

NAMES = ("alice", "bob", "Carol")
ACCOUNTS = st.integers(1, 4)
SESSIONS = st.integers(1, 4)
KEYS = st.none() | st.sampled_from(["k", "l"])

happenings = st.lists(
    st.one_of(
        st.builds(AccountMade, at=st.integers(0, 99), name=st.sampled_from(NAMES)),
        st.builds(
            Came,
            at=st.integers(0, 99),
            account=ACCOUNTS,
            session=SESSIONS,
            name=st.sampled_from(("x", "Y")),
        ).map(
            lambda came: Came(
                at=came.at, account=came.account, session=came.session, name=NAMES[came.account % 3]
            )
        ),
        st.builds(
            Went, at=st.integers(0, 99), account=ACCOUNTS, session=SESSIONS, acked=st.integers(0, 9)
        ),
        st.builds(
            Said,
            at=st.integers(0, 99),
            account=ACCOUNTS,
            session=SESSIONS,
            text=st.sampled_from(["hi", "ho"]),
            room=st.just(LOBBY_ID),
            key=KEYS,
        ),
        st.builds(
            Said,
            at=st.integers(0, 99),
            account=ACCOUNTS,
            session=SESSIONS,
            text=st.just("psst"),
            to=st.lists(ACCOUNTS, min_size=1, max_size=3).map(tuple),
            key=KEYS,
        ),
        st.builds(
            Busy, at=st.integers(0, 99), account=ACCOUNTS, reply=st.sampled_from(["", "out"])
        ),
        st.builds(Idle, at=st.integers(0, 99), account=ACCOUNTS),
        st.builds(Hidden, at=st.integers(0, 99), account=ACCOUNTS),
        st.builds(Shown, at=st.integers(0, 99), account=ACCOUNTS),
        st.builds(Acked, at=st.integers(0, 99), account=ACCOUNTS, upto=st.integers(0, 9)),
        st.builds(AccountDeleted, at=st.integers(0, 99), account=ACCOUNTS),
        st.builds(Alive, at=st.integers(0, 99)),
        st.builds(
            Ended,
            at=st.integers(0, 99),
            account=ACCOUNTS,
            sessions=st.lists(SESSIONS, max_size=2).map(tuple),
        ),
        st.builds(
            Trimmed, at=st.integers(0, 99), seqs=st.lists(st.integers(0, 9), max_size=3).map(tuple)
        ),
        st.builds(
            Purged, at=st.integers(0, 99), seqs=st.lists(st.integers(0, 9), max_size=3).map(tuple)
        ),
    ),
    max_size=40,
)


class Kept:
    """A state and its database."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.executescript(TABLES + FIRST_ROWS)
        self.state = load(self.connection)

    def apply(self, batch: Sequence[Item], *, full: bool = False) -> list[Outcome]:
        """Apply a batch and write it, or find the disk full."""
        self.state.keys = keys_in_use(
            self.connection,
            [(each.account, each.key) for each in batch if isinstance(each, Said) and each.key],
        )
        outcomes = [apply(self.state, each) for each in batch]
        if full:
            self.state.take_back()
            outcomes = [apply(self.state, each) for each in batch if not refused_without_room(each)]
            self.state.kept()
            return outcomes
        if not batch:
            return outcomes
        self.connection.execute("BEGIN")
        write(self.connection, self.state)
        self.connection.execute("COMMIT")
        self.state.saved()
        return outcomes

    def restart(self, at: int) -> None:
        """Forget what is in memory and start again."""
        self.state = load(self.connection)
        self.apply([Started(at=at, seen_at=at)])

    def tables(self) -> dict[str, list[tuple[object, ...]]]:
        """Return all rows but what differs between any two databases."""
        found = {}
        for (table,) in self.connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall():
            rows = self.connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
            found[table] = sorted((row for row in rows if row[0] != "identity"), key=repr)
        return found


@pytest.fixture
def kept() -> Kept:
    return Kept()


@given(happenings, st.lists(st.integers(1, 5), max_size=40))
def test_batches_make_no_difference(history: list[Item], sizes: list[int]) -> None:
    one, many = Kept(), Kept()
    for each in history:
        one.apply([each])
    left = list(history)
    for size in (*sizes, *[5] * len(history)):
        batch, left = left[:size], left[size:]
        many.apply(batch)
    assert left == []
    assert one.tables() == many.tables()


@given(happenings)
def test_what_is_stored_and_read_again_is_the_same_history(history: list[Item]) -> None:
    here, there = Kept(), Kept()
    outcomes = [here.apply([each]) for each in history]
    assert [there.apply([decode(encode(each))]) for each in history] == outcomes
    assert here.tables() == there.tables()


@given(happenings, st.data())
def test_a_restart_anywhere_loses_nothing(history: list[Item], data: st.DataObject) -> None:
    """But for who is here: so the sessions that go on come again."""
    whole, again = Kept(), Kept()
    at = data.draw(st.integers(0, len(history)))
    for each in history[:at]:
        whole.apply([each])
        again.apply([each])
    before = again.tables()
    again.state = load(again.connection)
    assert again.tables() == before
    assert again.state.seq == whole.state.seq
    assert again.state.at == whole.state.at
    for table in ("conversations",):
        assert again.tables()[table] == whole.tables()[table]
    # Sessions that had not ended are made up for, and then nothing tells the two apart.
    for account in whole.state.accounts.values():
        for session in account.sessions:
            again.state.see(
                again.state.accounts[account.id],
                sessions=(*again.state.accounts[account.id].sessions, session),
            )
    again.state.saved()
    for each in history[at:]:
        whole.apply([each])
        again.apply([each])
    assert again.tables() == whole.tables()


@given(happenings, st.lists(st.booleans(), min_size=40, max_size=40))
@settings(max_examples=100)
def test_a_full_disk_takes_back_what_was_said_and_nothing_else(
    history: list[Item], full: list[bool]
) -> None:
    """As if nobody had said it."""
    lucky, unlucky = Kept(), Kept()
    for each, no_room in zip(history, full, strict=False):
        unlucky.apply([each], full=no_room)
        if not (no_room and refused_without_room(each)):
            lucky.apply([each])
    last = Alive(at=100)
    lucky.apply([last])
    unlucky.apply([last])
    assert unlucky.tables() == lucky.tables()
    assert visible(unlucky.state) == visible(lucky.state)


def visible(of: State) -> list[str]:
    return [each.name for each in of.visible()]


def made(kept: Kept, *names: str) -> list[int]:
    """Make accounts that are here, each with the session of its number."""
    numbers = []
    for name in names:
        (registered,) = kept.apply([AccountMade(at=1, name=name)])
        assert isinstance(registered, Registered)
        number = registered.account
        kept.apply([Came(at=1, account=number, session=number, name=name)])
        numbers.append(number)
    return numbers


def said(kept: Kept, account: int, *to: int, text: str = "hi", key: str | None = None) -> Outcome:
    room = None if to else LOBBY_ID
    item = Said(at=2, account=account, session=account, text=text, room=room, to=to, key=key)
    return kept.apply([item])[0]


def test_a_name_used_again_inherits_nothing(kept: Kept) -> None:
    alice, bob = made(kept, "alice", "bob")
    said(kept, bob, alice)
    kept.apply([Busy(at=2, account=alice, reply="out"), AccountDeleted(at=3, account=alice)])
    again, _ = made(kept, "alice", "dave")
    assert again != alice
    account = kept.state.accounts[again]
    assert (account.busy, account.member_of) == (False, {LOBBY_ID})
    assert list(kept.state.conversations_of(again)) == []


def test_whose_account_is_gone_says_nothing_more(kept: Kept) -> None:
    alice, _ = made(kept, "alice", "bob")
    (gone,) = kept.apply([AccountDeleted(at=3, account=alice)])
    assert isinstance(gone, Revoked)
    assert gone.sessions == (alice,)
    assert isinstance(said(kept, alice), Refused)


def test_a_key_used_again_is_the_first_message(kept: Kept) -> None:
    alice, bob = made(kept, "alice", "bob")
    first, second = said(kept, alice, bob, key="k"), said(kept, alice, bob, key="k")
    assert isinstance(first, Delivered)
    assert isinstance(second, Delivered)
    assert (second.seq, second.duplicate, second.audience) == (first.seq, True, ())


def test_what_the_busy_are_sent_has_no_audience_of_theirs(kept: Kept) -> None:
    alice, bob = made(kept, "alice", "bob")
    (turned,) = kept.apply([Busy(at=2, account=bob, reply="out")])
    assert isinstance(turned, Turned)
    assert turned.sessions == (bob,)
    outcome = said(kept, alice, bob)
    assert isinstance(outcome, Delivered)
    assert outcome.audience == (alice,)
    assert outcome.busy == {"bob": "out"}


def test_time_never_goes_back(kept: Kept) -> None:
    alice, _ = made(kept, "alice", "bob")
    kept.apply([Alive(at=1000)])
    outcome = said(kept, alice)
    assert isinstance(outcome, Delivered)
    assert outcome.at == 1000


def test_the_lobby_begins_with_the_first_login(kept: Kept) -> None:
    alice, bob = made(kept, "alice", "bob")
    said(kept, alice)
    kept.apply([AccountMade(at=3, name="carol")])
    (arrived,) = kept.apply([Came(at=3, account=bob + 1, session=9, name="carol")])
    assert isinstance(arrived, Arrived)
    assert (arrived.since, arrived.online) == (1, ("alice", "bob"))


def test_a_key_is_free_again_in_the_batch_that_deletes_its_message(kept: Kept) -> None:
    (alice,) = made(kept, "alice")
    said(kept, alice, key="k")
    said(kept, alice)
    again = Said(at=3, account=alice, session=alice, text="again", room=LOBBY_ID, key="k")
    newest = Said(at=3, account=alice, session=alice, text="newest", room=LOBBY_ID)
    trimmed = Trimmed(at=3, seqs=(1, 3))
    *_, outcome, _ = kept.apply([trimmed, again, newest, trimmed, again, newest])
    assert isinstance(outcome, Delivered)
    assert (outcome.seq, outcome.duplicate) == (5, False)
