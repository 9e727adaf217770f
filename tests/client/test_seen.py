"""What a program has had or said itself is known again; against a naive model of the same."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from chatclient.link.seen import Seen
from chatwire.protocol import Message, Replayed

STEPS = st.lists(
    st.tuples(
        st.sampled_from(("said", "came")), st.sampled_from(("me", "ME", "bob")), st.integers(1, 30)
    ),
    max_size=60,
)


def message(sender: str, seq: int, *, replay: bool = False) -> Message:
    at = "2030-01-01T00:00:00.000Z"
    return Message(seq=seq, at=at, sender=sender, text="hi", replay=replay or UNSET)


@given(st.integers(0, 20), STEPS)
def test_nothing_is_given_twice_or_back_to_who_said_it(
    upto: int, steps: list[tuple[str, str, int]]
) -> None:
    seen = Seen("Me", upto)
    had, said = {*range(upto + 1)}, set[int]()
    for what, sender, seq in steps:
        if what == "said":
            seen.note_said(seq)
            said.add(seq)
            continue
        own = sender != "bob" and seq in said
        assert bool(seen.fresh(message(sender, seq))) == (not own and seq not in had)
        had |= {*range(seq + 1)}
        said.discard(seq)
        assert seen.upto == max(had)


def test_the_newest_of_many_that_were_said_are_known_again() -> None:
    seen = Seen("me")
    for seq in range(1, 5001):
        seen.note_said(seq)
    assert not any(seen.fresh(message("me", seq)) for seq in range(4001, 5001))


def test_the_end_of_a_replay_counts_what_was_given_of_it() -> None:
    seen = Seen("me")
    seen.note_said(2)
    held = [
        message("bob", 1, replay=True),
        message("me", 2, replay=True),
        Replayed(count=2, more=0),
    ]
    assert [each for event in held for each in seen.fresh(event)] == [
        held[0],
        Replayed(count=1, more=0),
    ]
    assert seen.fresh(Replayed(count=1, more=0)) == []  # nobody has seen it begin
    assert seen.fresh(Replayed(count=1, more=5)) == [Replayed(count=0, more=5)]
