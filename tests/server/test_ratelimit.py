"""The rate limit: a burst, then so many a second, and waiting pays the debt."""

import pytest

from chatserver.net.ratelimit import _MOST_KEYS, SlidingWindows, TokenBucket, TokenBuckets

from .fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_burst_is_free_and_then_a_debt_grows_with_every_take(clock: FakeClock) -> None:
    bucket = TokenBucket(2, 30, clock)
    assert [bucket.take(1) for _ in range(30)] == [0.0] * 30
    assert [bucket.take(1) for _ in range(2)] == [0.5, 1.0]


def test_whoever_waits_as_told_gets_the_rate(clock: FakeClock) -> None:
    bucket = TokenBucket(10, 5, clock)
    start = clock()
    for _ in range(105):
        clock.advance(bucket.take(1))
    assert clock() - start == pytest.approx(10)


def test_time_fills_the_bucket_up_to_the_burst(clock: FakeClock) -> None:
    bucket = TokenBucket(10, 3, clock)
    for _ in range(3):
        bucket.take(1)
    clock.advance(0.2)
    assert bucket.take(2) == 0.0
    clock.advance(3600)
    assert [bucket.take(1) for _ in range(3)] == [0.0] * 3
    assert bucket.take(1) > 0


def test_cheap_requests_cost_little(clock: FakeClock) -> None:
    bucket = TokenBucket(10, 1, clock)
    assert sum(bucket.take(0.05) > 0 for _ in range(20)) <= 1  # but for rounding
    assert bucket.take(0.05) > 0


def test_a_rate_of_zero_is_no_limit(clock: FakeClock) -> None:
    bucket = TokenBucket(0, 1, clock)
    assert [bucket.take(100) for _ in range(10)] == [0.0] * 10


def test_a_look_takes_nothing(clock: FakeClock) -> None:
    bucket = TokenBucket(1, 1, clock)
    assert bucket.wait_for(1) == bucket.wait_for(1) == 0
    bucket.take(1)
    assert bucket.wait_for(1) == 1


def test_a_bucket_is_one_as_long_as_somebody_holds_it(clock: FakeClock) -> None:
    buckets = TokenBuckets(1, 5, clock)
    held = buckets.of("bob")
    for number in range(100):  # full ones are forgotten
        buckets.of(str(number))
    assert buckets.of("bob") is held
    assert len(buckets._buckets) < 10


def test_an_empty_bucket_is_not_forgotten_when_its_holder_goes(clock: FakeClock) -> None:
    buckets = TokenBuckets(1, 5, clock)
    buckets.of("bob").take(5)
    for number in range(100):
        buckets.of(str(number))
    assert buckets.of("bob").take(1) == 1


def test_a_window_slides(clock: FakeClock) -> None:
    """However the times lie, there are never more in it."""
    windows = SlidingWindows(20, 86_400, clock)
    taken = []
    for _ in range(2000):
        clock.advance(600)
        if not windows.take("a"):
            taken.append(clock())
    assert all(later - sooner >= 86_400 for sooner, later in zip(taken, taken[20:], strict=False))
    assert len(taken) == 20 * 14
    wait = windows.take("a")
    assert wait > 0
    clock.advance(wait)
    assert windows.take("a") == 0
    assert windows.take("b") == 0


def test_a_place_in_a_window_can_be_given_back(clock: FakeClock) -> None:
    windows = SlidingWindows(2, 60, clock)
    for _ in range(9):
        assert windows.take("a") == 0
        windows.give_back("a")
    assert [windows.take("a") for _ in range(3)] == [0, 0, 60]


def test_windows_are_forgotten_when_they_are_empty_or_too_many(clock: FakeClock) -> None:
    windows = SlidingWindows(1, 60, clock)
    for number in range(_MOST_KEYS + 50):
        windows.take(str(number))
        assert len(windows._taken) <= _MOST_KEYS + 1
    clock.advance(60)
    for number in range(_MOST_KEYS):
        windows.take(f"b{number % 2}")
    assert len(windows._taken) == 2
