"""How fast one client is read: a token bucket, in the handler thread of that client alone."""

import time
from collections.abc import Callable


class TokenBucket:
    """`burst` at once, then `rate` a second; a rate of 0 is no limit."""

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock()

    def take(self, cost: float) -> float:
        """Take `cost` tokens; return for how many seconds the taker should wait before it goes on.

        The bucket may go below zero: then it is the wait that pays the debt.
        """
        if not self._rate:
            return 0.0
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        self._tokens -= cost
        return max(0.0, -self._tokens / self._rate)
