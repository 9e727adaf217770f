"""What a bot does by the clock: every so many seconds, or at a time of the day."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

_SHORTEST: Final = 0.01
"""Seconds; anything shorter would leave no time for messages."""

_LONGEST: Final = 366 * 86400.0


@dataclass(slots=True)
class _Every:
    """Due each `seconds`; what was missed meanwhile is not made up for."""

    work: Callable[[], None]
    seconds: float
    at: float

    def wait(self, clock: float, now: datetime) -> float:  # noqa: ARG002
        return self.at - clock

    def advance(self, clock: float, now: datetime) -> None:  # noqa: ARG002
        self.at += self.seconds
        if self.at <= clock:
            self.at = clock + self.seconds


@dataclass(slots=True)
class _Daily:
    """Due when the clock on the wall shows `hour` and `minute`, also across summer time."""

    work: Callable[[], None]
    hour: int
    minute: int
    at: datetime | None = None

    def wait(self, clock: float, now: datetime) -> float:  # noqa: ARG002
        if self.at is None:
            self.at = self._next(now)
        return (self.at - now).total_seconds()

    def advance(self, clock: float, now: datetime) -> None:  # noqa: ARG002
        self.at = self._next(now)

    def _next(self, now: datetime) -> datetime:
        """Return when it is next that time. Days are counted without an offset, which changes."""
        wall = now.astimezone().replace(tzinfo=None)
        today = wall.replace(hour=self.hour, minute=self.minute, second=0, microsecond=0)
        return (today if today > wall else today + timedelta(days=1)).astimezone()


class Schedule:
    """Things to do and when. Used by one thread; `work` is done there."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        """`clock` measures time; `now` is the time of day, with its offset."""
        self._clock = clock
        self._now = now
        self._entries: list[_Every | _Daily] = []

    def every(self, seconds: float, work: Callable[[], None]) -> None:
        """Do `work` each `seconds`, for the first time after that long. Raises ValueError."""
        if not _SHORTEST <= seconds <= _LONGEST:
            raise ValueError(f"{seconds:g} seconds: choose {_SHORTEST:g} to {_LONGEST:.0f}.")
        self._entries.append(_Every(work, seconds, self._clock() + seconds))

    def daily(self, at: str, work: Callable[[], None]) -> None:
        """Do `work` each day at a local time such as "09:00". Raises ValueError."""
        try:
            moment = datetime.strptime(at, "%H:%M")
        except ValueError as error:
            raise ValueError(f"'{at}' is not a time of the day such as 09:00.") from error
        self._entries.append(_Daily(work, moment.hour, moment.minute))

    def wait(self) -> float | None:
        """Return how many seconds are left until something is due; None: nothing ever is."""
        clock, now = self._clock(), self._now()
        return min((max(0.0, each.wait(clock, now)) for each in self._entries), default=None)

    def run_due(self) -> None:
        """Do what is due, each once. What `work` raises, this raises; the rest is done later."""
        for entry in self._entries:
            clock, now = self._clock(), self._now()
            if entry.wait(clock, now) <= 0:
                entry.advance(clock, now)
                entry.work()
