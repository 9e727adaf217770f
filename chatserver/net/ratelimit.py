"""How fast somebody may ask: token buckets; and how often in some time: sliding windows."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final
from weakref import WeakValueDictionary

_MOST_KEYS: Final = 20_000


class TokenBucket:
    """`burst` at once, then `rate` a second; a rate of 0 is no limit. Any thread.

    The connections of one account share a bucket.
    """

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock()
        self._lock = threading.Lock()

    def take(self, cost: float) -> float:
        """Take `cost` tokens; return for how many seconds the taker should wait before it goes on.

        The bucket may go below zero: then it is the wait that pays the debt.
        """
        if not self._rate:
            return 0.0
        with self._lock:
            self._fill()
            self._tokens -= cost
            return max(0.0, -self._tokens / self._rate)

    def wait_for(self, cost: float) -> float:
        """Return in how many seconds there will be `cost` tokens; none are taken."""
        if not self._rate:
            return 0.0
        with self._lock:
            self._fill()
            return max(0.0, (cost - self._tokens) / self._rate)

    @property
    def full(self) -> bool:
        """Whether it is as a new one would be."""
        return self.wait_for(self._burst) == 0

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now


class TokenBuckets:
    """A bucket for each key, in bounded memory. Tier 1.

    One that nobody holds any more is forgotten when it is full, or when there are too many.
    """

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, TokenBucket] = {}
        self._in_use: WeakValueDictionary[str, TokenBucket] = WeakValueDictionary()

    def of(self, key: str) -> TokenBucket:
        """Return the bucket of a key."""
        with self._lock:
            bucket = self._in_use.get(key)
            self._buckets.pop(key, None)
            if bucket is None:
                bucket = TokenBucket(self._rate, self._burst, self._clock)
                self._in_use[key] = bucket
            self._buckets[key] = bucket  # put back last: the order is that of use
            for old in [each for each, _ in zip(self._buckets, range(4), strict=False)]:
                spare = len(self._buckets) > _MOST_KEYS or self._buckets[old].full
                if old != key and spare:
                    del self._buckets[old]
            return bucket


class SlidingWindows:
    """At most `most` times in any `seconds`, for each key, in bounded memory. Tier 1.

    One that is empty again is forgotten, and the one used longest ago when there are too many.
    """

    def __init__(
        self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: dict[str, deque[float]] = {}  # when, by key; that used last is the last

    def take(self, key: str) -> float:
        """Take a place in the window; or return in how many seconds there is one."""
        with self._lock:
            now = self._clock()
            taken = self._taken.pop(key, None) or deque()
            self._forget(now)
            self._taken[key] = taken
            while taken and taken[0] + self._seconds <= now:
                taken.popleft()
            if len(taken) >= self._most:
                return taken[0] + self._seconds - now
            taken.append(now)
            return 0.0

    def give_back(self, key: str) -> None:
        """Give the place back that was taken last: it was not needed."""
        with self._lock:
            taken = self._taken.get(key)
            if taken:
                taken.pop()

    def _forget(self, now: float) -> None:
        """Look at a few of those used longest ago. The lock is held."""
        for old in [each for each, _ in zip(self._taken, range(4), strict=False)]:
            taken = self._taken[old]
            over = not taken or taken[-1] + self._seconds <= now
            if over or len(self._taken) > _MOST_KEYS:
                del self._taken[old]
