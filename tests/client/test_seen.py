"""What a program has had or said itself is known again; against a naive model of the same."""

from hypothesis import given
from hypothesis import strategies as st

from chatclient.link.seen import Seen
from chatwire.protocol import Message

STEPS = st.lists(
    st.tuples(
        st.sampled_from(("said", "came")), st.sampled_from(("me", "ME", "bob")), st.integers(1, 30)
    ),
    max_size=60,
)


def message(sender: str, seq: int) -> Message:
    return Message(seq=seq, at="2030-01-01T00:00:00.000Z", sender=sender, text="hi")


@given(st.integers(0, 20), STEPS)
def test_nothing_is_given_twice_or_back_to_who_said_it(
    upto: int, steps: list[tuple[str, str, int]]
) -> None:
    seen = Seen(upto)
    had, said = {*range(upto + 1)}, set[int]()
    for what, sender, seq in steps:
        if what == "said":
            seen.note_said(seq)
            said.add(seq)
            continue
        own = sender != "bob" and seq in said
        assert seen.is_new(message(sender, seq), "Me") == (not own and seq not in had)
        had |= {*range(seq + 1)}
        said.discard(seq)
        assert seen.upto == max(had)


def test_the_newest_of_many_that_were_said_are_known_again() -> None:
    seen = Seen()
    for seq in range(1, 5001):
        seen.note_said(seq)
    assert not any(seen.is_new(message("me", seq), "me") for seq in range(4001, 5001))
