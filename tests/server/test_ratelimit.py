"""The rate limit: a burst, then so many a second, and waiting pays the debt."""

import pytest

from chatserver.ratelimit import TokenBucket

from .fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_burst_is_free(clock: FakeClock) -> None:
    bucket = TokenBucket(10, 30, clock)
    assert [bucket.take(1) for _ in range(30)] == [0.0] * 30
    assert bucket.take(1) == pytest.approx(0.1)


def test_whoever_waits_as_told_gets_the_rate(clock: FakeClock) -> None:
    bucket = TokenBucket(10, 5, clock)
    start = clock()
    for _ in range(105):
        clock.advance(bucket.take(1))
    assert clock() - start == pytest.approx(10)


def test_a_debt_grows_with_every_take(clock: FakeClock) -> None:
    bucket = TokenBucket(2, 1, clock)
    assert [bucket.take(1) for _ in range(3)] == [0.0, 0.5, 1.0]


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
