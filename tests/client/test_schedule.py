"""What is due when, with clocks of our own."""

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from chatclient.schedule import Schedule


class Clock:
    """Measures time, and shows it on the wall."""

    def __init__(self, wall: str) -> None:
        self.seconds = 0.0
        self.wall = datetime.fromisoformat(wall).astimezone()

    def go(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall = (self.wall + timedelta(seconds=seconds)).astimezone()


@pytest.fixture
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("this system takes no zone from the environment")
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()
    assert "TZ" not in os.environ or os.environ["TZ"] != "CET-1CEST,M3.5.0,M10.5.0/3"


def schedule_of(clock: Clock) -> Schedule:
    return Schedule(lambda: clock.seconds, lambda: clock.wall)


def test_nothing_is_ever_due_without_anything_to_do() -> None:
    schedule = Schedule()
    schedule.run_due()
    assert schedule.wait() is None


def test_every_so_often_without_making_up_for_what_was_missed() -> None:
    clock = Clock("2026-11-22T12:00")
    schedule, done = schedule_of(clock), []
    schedule.every(10, lambda: done.append(clock.seconds))
    for seconds, wait in ((9, 1), (1, 10), (1, 9), (9.5, 9.5), (100, 10), (9, 1)):
        clock.go(seconds)
        schedule.run_due()
        assert schedule.wait() == pytest.approx(wait)
    assert done == [10, 20.5, 120.5]


def test_what_fails_is_done_again_at_its_next_time() -> None:
    clock = Clock("2026-11-22T12:00")
    schedule = schedule_of(clock)
    schedule.every(10, lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    clock.go(10)
    with pytest.raises(ZeroDivisionError):
        schedule.run_due()
    assert schedule.wait() == 10


@pytest.mark.usefixtures("_berlin")
@pytest.mark.parametrize(
    ("start", "days"),
    [
        ("2026-11-22T12:00", [24, 24]),
        ("2026-03-28T12:00", [23, 24]),  # the night in which the clocks go forward
        ("2026-10-24T12:00", [25, 24]),  # and back
    ],
)
def test_each_day_at_the_same_time_on_the_wall(start: str, days: list[int]) -> None:
    clock = Clock(start)
    schedule, done = schedule_of(clock), []
    schedule.daily("12:00", lambda: done.append(f"{clock.wall:%H:%M}"))
    for hours in days:
        wait = schedule.wait()
        assert wait == hours * 3600
        schedule.run_due()
        clock.go(wait)
        schedule.run_due()
        schedule.run_due()  # once a day
    assert done == ["12:00", "12:00"]


@pytest.mark.parametrize("at", ["", "9", "24:00", "09:60", "noon", "9:00:00"])
def test_times_that_are_none(at: str) -> None:
    with pytest.raises(ValueError, match="is not a time of the day"):
        Schedule().daily(at, lambda: None)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_intervals_that_are_none(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds: choose"):
        Schedule().every(seconds, lambda: None)
