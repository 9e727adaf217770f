"""What follows from an item, in whatever batches and with full disks in between; that restarts
change nothing either is in test_seam."""

from hypothesis import given, settings
from hypothesis import strategies as st
from kept import ALICE, BOB, NOW, Kept, item
from storage.conftest import kept, path

from chatserver.order.apply import refused_without_room
from chatserver.order.items import (
    AccountDeleted,
    AccountMade,
    Acked,
    Alive,
    Busy,
    Came,
    Trimmed,
    decode,
    encode,
)
from chatserver.order.outcome import Delivered, Refused, Revoked
from chatserver.order.records import LOBBY_ID

from .alone import Alone
from .histories import History, histories

__all__ = ["kept", "path"]

NOBODY = 99
"""The number of no account."""


@given(histories())
def test_what_is_stored_and_read_again_is_the_same_history(history: History) -> None:
    assert [decode(encode(each)) for each in history.items] == history.items


@given(histories(), st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1))
@settings(max_examples=100)
def test_a_full_disk_takes_back_what_was_said_or_deleted_and_nothing_else(
    history: History, turns: list[tuple[int, bool]]
) -> None:
    """As if nobody had said it; and in batches it is as it would be one by one."""
    lucky, unlucky = Alone(), Alone()
    left, turn = list(history.items), 0
    while left:
        size, full = turns[turn % len(turns)]
        batch, left, turn = left[:size], left[size:], turn + 1
        unlucky.apply(*batch, full=full)
        for each in batch:
            if not (full and refused_without_room(each)):
                lucky.apply(each)
    for each in (lucky, unlucky):
        each.apply(Alive(at=1000))
    assert unlucky.tables() == lucky.tables()
    assert unlucky.state.online("") == lucky.state.online("")


def test_a_name_used_again_inherits_nothing(kept: Kept) -> None:
    kept.say("hi", BOB, ALICE)
    kept.apply(Busy(at=NOW, account=ALICE, reply="out"), AccountDeleted(at=NOW, account=ALICE))
    kept.apply(AccountMade(at=NOW, name="alice"), Came(at=NOW, account=5, session=5, name="alice"))
    account = kept.state.accounts[5]
    assert (account.busy, account.member_of) == (False, (LOBBY_ID,))
    assert list(kept.state.conversations_of(5)) == []


def test_whose_account_is_gone_says_and_is_sent_nothing_more(kept: Kept) -> None:
    gone, *said = kept.apply(
        AccountDeleted(at=NOW, account=ALICE), item("hi", ALICE), item("hi", BOB, ALICE)
    )
    assert isinstance(gone, Revoked)
    assert gone.sessions == (ALICE,)
    assert [type(each) for each in said] == [Refused, Refused]


def test_nobody_was_given_what_is_not_said_yet(kept: Kept) -> None:
    given = {ALICE: 1, BOB: 2, NOBODY: 1}
    kept.apply(item("hi"), *(Acked(at=NOW, account=who, upto=n) for who, n in given.items()))
    assert kept.store.acked([ALICE, BOB]) == {ALICE: 1, BOB: 0}


def test_time_never_goes_back(kept: Kept) -> None:
    _, said = kept.apply(Alive(at=NOW + 1000), item("hi", at=NOW))
    assert isinstance(said, Delivered)
    assert said.at == NOW + 1000


def test_a_key_used_again_in_a_batch_is_the_first_message(kept: Kept) -> None:
    first, second = kept.apply(*[item("hi", BOB, ALICE, key="k")] * 2)
    assert isinstance(first, Delivered)
    assert isinstance(second, Delivered)
    assert (second.seq, second.duplicate, second.audience) == (first.seq, True, ())


def test_a_key_is_free_again_in_the_batch_that_deletes_its_message(kept: Kept) -> None:
    kept.apply(item("first", key="k"), item("second"))
    again, newest, trimmed = item("again", key="k"), item("newest"), Trimmed(at=NOW, seqs=(1, 3))
    *_, outcome, _ = kept.apply(trimmed, again, newest, trimmed, again, newest)
    assert isinstance(outcome, Delivered)
    assert (outcome.seq, outcome.duplicate) == (5, False)
