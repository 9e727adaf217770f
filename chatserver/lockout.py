"""Three tries, sixty seconds: wrong passwords are counted per name and address.

The pair is what counts, so a guesser cannot lock somebody out elsewhere, and counting is here
and not in the connection, so reconnecting does not reset it. An IPv6 caller owns at least a /64
and is counted as one.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Final

from chatwire.names import fold

_FORGET_SECONDS: Final = 600.0
"""A try that nobody followed up is forgotten after this long."""

_MOST_PAIRS: Final = 100_000
"""About 30 MB of memory; beyond it the longest unused pair is forgotten first."""

_Pair = tuple[str, str]


@dataclass(slots=True)
class _Record:
    failures: int = 0
    running: int = 0
    blocked_until: float = 0.0
    forget_at: float = 0.0


class Lockout:
    """Counts of failed logins. Tier 1: its lock is taken alone and never held while waiting for
    anything but a login that is being checked."""

    def __init__(
        self,
        attempts: int,
        block_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._attempts = attempts
        self._block_seconds = block_seconds
        self._clock = clock
        self._records: dict[_Pair, _Record] = {}
        self._changed = threading.Condition()

    def begin(self, name: str, address: str) -> int:
        """Start a try. Return 0, or the seconds left of the block: then there is no try.

        Every 0 must be followed by one `failed`, `succeeded` or `abandoned`. Waits while as many
        tries as are left are being checked at this moment, so that trying ten passwords at once
        is no way around the count.
        """
        pair = _pair(name, address)
        with self._changed:
            while True:
                now = self._clock()
                record = self._records.pop(pair, None) or _Record()
                self._records[pair] = record  # put back last: the order is that of use
                if record.blocked_until > now:
                    return max(1, ceil(record.blocked_until - now))
                if record.forget_at <= now and record.running == 0:
                    record.failures = 0
                if record.failures + record.running < self._attempts:
                    record.running += 1
                    record.forget_at = now + _FORGET_SECONDS
                    self._prune(now)
                    return 0
                self._changed.wait()

    def failed(self, name: str, address: str) -> int:
        """Count a wrong password; return the tries left. At 0 the pair is blocked."""
        with self._changed:
            record = self._finish(name, address)
            record.failures += 1
            left = max(0, self._attempts - record.failures)
            if left == 0:
                record.failures = 0
                record.blocked_until = self._clock() + self._block_seconds
            return left

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of the pair."""
        with self._changed:
            self._finish(name, address).failures = 0

    def abandoned(self, name: str, address: str) -> None:
        """Take the try back: nothing was checked."""
        with self._changed:
            self._finish(name, address)

    def _finish(self, name: str, address: str) -> _Record:
        record = self._records.setdefault(_pair(name, address), _Record(running=1))
        record.running = max(0, record.running - 1)
        self._changed.notify_all()
        return record

    def _prune(self, now: float) -> None:
        """Forget what is over, from the longest unused on; a few a call, so no call is slow."""
        for pair in self._oldest(4):
            record = self._records[pair]
            over = record.forget_at <= now and record.blocked_until <= now
            if record.running == 0 and (over or len(self._records) > _MOST_PAIRS):
                del self._records[pair]

    def _oldest(self, count: int) -> list[_Pair]:
        return [pair for pair, _ in zip(self._records, range(count), strict=False)]


def network(address: str) -> str:
    """Return what an address counts as: itself, or the /64 of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64)) + "/64"
    return address


def _pair(name: str, address: str) -> _Pair:
    return fold(name), network(address)
