"""The lockout: three failures block a key, however they come."""

import pytest

from chatserver.accounts import lockout as module
from chatserver.accounts.lockout import WINDOW_SECONDS, Lockout, TooManyAtOnce

from .fakes import DEADLINE, FakeClock, begun

BOB = ("bob", "192.0.2.1")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def lockout(clock: FakeClock) -> Lockout:
    return Lockout(3, 60, clock)


def fail(lockout: Lockout, times: int = 1, key: tuple[str, ...] = BOB) -> list[int]:
    left = []
    for _ in range(times):
        assert lockout.begin(key, wait=True) == 0
        left.append(lockout.failed(key))
    return left


def fail_all(lockout: Lockout, keys: range, times: int = 1) -> None:
    for number in keys:
        fail(lockout, times, (str(number),))


def test_three_failures_block_for_sixty_seconds_however_often_one_asks(
    lockout: Lockout, clock: FakeClock
) -> None:
    assert fail(lockout, 3) == [2, 1, 0]
    assert lockout.begin(BOB, wait=True) == 60
    clock.advance(59.5)
    assert lockout.begin(BOB, wait=True) == 1
    clock.advance(0.5)
    assert fail(lockout, 3) == [2, 1, 0]


def test_failures_are_forgotten_after_a_while(lockout: Lockout, clock: FakeClock) -> None:
    fail(lockout, 2)
    clock.advance(WINDOW_SECONDS - 1)
    assert lockout.begin(BOB, wait=True) == 0
    lockout.abandoned(BOB)
    clock.advance(1)
    assert fail(lockout, 2) == [2, 1]


def test_the_first_failure_opens_the_window(lockout: Lockout, clock: FakeClock) -> None:
    fail(lockout)
    clock.advance(WINDOW_SECONDS - 1)
    fail(lockout)
    clock.advance(1)
    assert fail(lockout) == [2]


def test_a_block_of_no_seconds_blocks_nobody(clock: FakeClock) -> None:
    lockout = Lockout(3, 0, clock)
    assert fail(lockout, 6) == [2, 1, 0, 2, 1, 0]


def test_a_try_waits_while_the_others_are_being_checked(lockout: Lockout) -> None:
    for _ in range(3):
        lockout.begin(BOB, wait=True)
    waiting = begun(lambda: lockout.begin(BOB, wait=True))
    with pytest.raises(TimeoutError):
        waiting.result(0.05)
    lockout.succeeded(BOB)
    assert waiting.result(DEADLINE) == 0


def test_whoever_does_not_want_to_wait_is_told(lockout: Lockout) -> None:
    for _ in range(3):
        lockout.begin(BOB, wait=False)
    with pytest.raises(TooManyAtOnce):
        lockout.begin(BOB, wait=False)
    lockout.abandoned(BOB)
    assert lockout.begin(BOB, wait=False) == 0


def test_what_is_over_is_forgotten(lockout: Lockout, clock: FakeClock) -> None:
    fail_all(lockout, range(100))
    clock.advance(WINDOW_SECONDS)
    fail_all(lockout, range(100, 140))
    assert len(lockout._records) <= 41


def test_memory_is_bounded_and_the_longest_unused_goes_first(
    lockout: Lockout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_KEYS", 50)
    fail_all(lockout, range(200), times=2)
    assert len(lockout._records) <= 51
    assert fail(lockout, 1, ("199",)) == [0]
    assert fail(lockout, 1, ("0",)) == [2]


def test_a_try_that_is_being_checked_is_never_forgotten(
    lockout: Lockout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_KEYS", 5)
    for _ in range(3):
        lockout.begin(BOB, wait=True)
    fail_all(lockout, range(20))
    with pytest.raises(TooManyAtOnce):
        lockout.begin(BOB, wait=False)


def test_a_success_takes_back_its_own_failures_alone(clock: FakeClock) -> None:
    lockout = Lockout(5, 60, clock)
    here = ("192.0.2.1",)
    for whose in ("bob", "carol", "bob", "dave"):
        assert lockout.begin(here, wait=False) == 0
        left = lockout.failed(here, whose)
    assert left == 1
    lockout.begin(here, wait=False)
    lockout.forgiven(here, "bob")
    lockout.begin(here, wait=False)
    assert lockout.failed(here, "eve") == 2
