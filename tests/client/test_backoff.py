"""Pauses double up to the longest, never quite alike, and are never shorter than asked for."""

from hypothesis import given
from hypothesis import strategies as st

from chatclient.link.backoff import Backoff


@given(st.floats(0.01, 10), st.floats(1, 100), st.lists(st.floats(0, 200), min_size=1, max_size=12))
def test_pauses_double_up_to_the_longest(first: float, longest: float, asked: list[float]) -> None:
    backoff = Backoff(first, longest)
    about = first
    for asked_for in asked:
        pause = backoff.next(asked_for)
        assert max(0.8 * about, asked_for) <= pause <= max(1.2 * about, 1.5 * asked_for)
        about = min(2 * about, longest)


def test_pauses_are_not_alike() -> None:
    assert len({Backoff().next() for _ in range(20)}) > 1
