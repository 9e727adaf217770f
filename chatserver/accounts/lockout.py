"""So many failures, then a block: counted here and not in the connection, so that reconnecting
resets nothing.

What is counted is up to the caller: a name and an address together (so that a guesser cannot lock
somebody out elsewhere), or an address alone (so that he cannot go on to the next name).
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from typing import Final

WINDOW_SECONDS: Final = 600.0
"""Failures count together when they come within this time."""

_MOST_NAMES: Final = 1000
"""Whose failures are told apart for one key; those of others cannot be taken back."""

_MOST_KEYS: Final = 100_000
"""About 30 MB of memory; beyond it the longest unused key is forgotten first."""

Key = tuple[str, ...]


class TooManyAtOnce(Exception):
    """As many tries as are left are being checked already."""


@dataclass(slots=True)
class _Record:
    failures: int = 0
    running: int = 0
    blocked_until: float = 0.0
    forget_at: float = 0.0
    of: dict[str, int] = field(default_factory=dict)
    """How many of the failures are whose, so that they can be taken back."""


class Lockout:
    """Counts of failures by key. Tier 1: its lock is taken alone.

    `attempts` failures within WINDOW_SECONDS block a key for `block_seconds`.
    """

    def __init__(
        self,
        attempts: int,
        block_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.block_seconds = block_seconds
        self._attempts = attempts
        self._clock = clock
        self._records: dict[Key, _Record] = {}
        self._changed = threading.Condition()

    def begin(self, key: Key, *, wait: bool) -> int:
        """Start a try. Return 0, or the seconds left of the block: then there is no try.

        Every 0 must be followed by one `failed`, `succeeded` or `abandoned`. While as many tries
        as are left are being checked at this moment, trying ten passwords at once must be no way
        around the count: then this waits for them, or raises TooManyAtOnce.
        """
        with self._changed:
            while True:
                now = self._clock()
                record = self._records.pop(key, None) or _Record()
                self._records[key] = record  # put back last: the order is that of use
                if record.blocked_until > now:
                    return max(1, ceil(record.blocked_until - now))
                if record.forget_at <= now:
                    record.failures = 0
                    record.of.clear()
                if record.failures + record.running < self._attempts:
                    record.running += 1
                    self._prune(now)
                    return 0
                if not wait:
                    raise TooManyAtOnce
                self._changed.wait()

    def failed(self, key: Key, whose: str = "") -> int:
        """Count a failure; return the tries left. At 0 the key is blocked.

        What is `whose` can be taken back with `forgive`.
        """
        with self._changed:
            record = self._finish(key)
            now = self._clock()
            if not record.failures:
                record.forget_at = now + WINDOW_SECONDS
            record.failures += 1
            if whose and (whose in record.of or len(record.of) < _MOST_NAMES):
                record.of[whose] = record.of.get(whose, 0) + 1
            left = max(0, self._attempts - record.failures)
            if left == 0:
                record.failures = 0
                record.of.clear()
                record.blocked_until = now + self.block_seconds
            return left

    def succeeded(self, key: Key) -> None:
        """Forget the failures of the key."""
        with self._changed:
            self._finish(key).failures = 0

    def forgiven(self, key: Key, whose: str) -> None:
        """End a try, and take the failures of `whose` back: they were mistakes of its owner."""
        with self._changed:
            record = self._finish(key)
            record.failures = max(0, record.failures - record.of.pop(whose, 0))

    def abandoned(self, key: Key) -> None:
        """Take the try back, as if it had not been."""
        with self._changed:
            self._finish(key)

    def _finish(self, key: Key) -> _Record:
        record = self._records.setdefault(key, _Record(running=1))
        record.running = max(0, record.running - 1)
        self._changed.notify_all()
        return record

    def _prune(self, now: float) -> None:
        """Forget what is over, from the longest unused on; a few a call, so no call is slow."""
        for key in [each for each, _ in zip(self._records, range(4), strict=False)]:
            record = self._records[key]
            over = record.forget_at <= now and record.blocked_until <= now
            if record.running == 0 and (over or len(self._records) > _MOST_KEYS):
                del self._records[key]
