"""What time it is for items: the wall clock, but never back."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Clock:
    """The two clocks: `wall` may be set by somebody, `steady` only goes on. Seconds. Any thread."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    _last: tuple[int, float] = field(default=(0, 0.0))
    """The newest time given out (ms), and when that was (steady). Two threads at once may both
    write it; whichever stays is right, and `apply` lets no time go back."""

    def begin(self, at: int) -> None:
        """Note what time it was for the newest item so far (ms)."""
        self._last = at, self.steady()

    def now(self) -> int:
        """Return milliseconds since 1970 (UTC), for an item.

        While the wall clock is behind what it was, time passes all the same: what ends after some
        minutes ends.
        """
        wall, steady = int(self.wall() * 1000), self.steady()
        last, since = self._last
        if wall < last:
            return last + int((steady - since) * 1000)
        self._last = wall, steady
        return wall
