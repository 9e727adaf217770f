"""The rate limit: a burst, then so many a second, and waiting pays the debt."""

import pytest

from chatserver.net.ratelimit import TokenBucket, TokenBuckets

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
