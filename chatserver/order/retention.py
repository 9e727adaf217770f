"""Retention: messages that are older than is kept are deleted, from every file, step by step.

It trusts no clock that has jumped: a message's age is what the wall clock said then and says now.
After a jump of more than a day, forwards or backwards, while the server ran or between two starts,
nothing is deleted for seven days of running, so that somebody can set the clock right. (Between two
starts a jump looks like a server that was off; resting costs nothing then.)

A private message that a recipient has not read stays until it is read, and at most twice as long.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from chatserver.order.log import Log
from chatserver.search.index import SearchIndex
from chatserver.storage.store import Batch, Store, StoredMessage
from chatwire.names import fold
from chatwire.wording import duration

_log = logging.getLogger(__name__)

_DAY: Final = 86_400
_MS: Final = 1000
_REST_SECONDS: Final = 7.0 * _DAY
_ALIVE_SECONDS: Final = 60.0
_SWEEP_SECONDS: Final = 3600.0
_WHOLE_SWEEPS: Final = 24
"""Every so often a sweep goes through everything, and does not end at the first that is young: a
message may carry the date of a clock that was far ahead, and younger ones come after it."""

_STEP: Final = 1000
"""Messages looked at in one step, and deleted at most: the log thread takes some milliseconds."""

_STEP_CHARACTERS: Final = 1_000_000

_CLEAN_SECONDS: Final = 20.0
"""How often, while a sweep goes on, what it deleted is cleared out of the files."""


@dataclass(frozen=True)
class Clock:
    """The two clocks: `wall` may be set by somebody, `steady` only goes on. Seconds."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic


class Retention:
    """All of it happens in the housekeeper thread; the log thread is asked to write."""

    def __init__(  # the parts it works on
        self,
        store: Store,
        index: SearchIndex,
        log: Log,
        exists: Callable[[str], bool],
        days: int,
        clock: Clock | None = None,
    ) -> None:
        """`exists` tells whether there is an account of a (folded) name; 0 `days` keep all."""
        self._store = store
        self._index = index
        self._log = log
        self._exists = exists
        self._days = days
        self._clock = clock or Clock()
        self._last: tuple[float, float] | None = None  # both clocks, when they last agreed
        self._counted_at = 0.0
        self._rest = store.rest()
        self._noted_at = float("-inf")
        self._sweep_at = float("-inf")
        self._sweeps = 0
        self._after: int | None = None  # how far the sweep is that goes on
        self._deleted = 0
        self._dirty = True  # a server before this one may not have come to it
        self._clean_at = float("-inf")
        index.forget(store.gone())

    def tick(self) -> None:
        """Do a step of what is to be done."""
        now = self._clock.steady()
        self._watch_clock(now)
        if self._days and not self._rest and (self._after is not None or now >= self._sweep_at):
            self._sweep(now)
        elif self._deleted:
            _log.info("%d messages older than %d days were deleted", self._deleted, self._days)
            self._deleted = 0
        self._clean(now)

    def _watch_clock(self, now: float) -> None:
        """Rest after a jump; note once a minute what the clock says and how long the rest is."""
        wall = self._clock.wall()
        if self._last is None:
            alive = self._store.alive()
            jump = 0.0 if alive is None else wall - alive
        else:
            jump = (wall - self._last[0]) - (now - self._last[1])
            self._rest = max(0.0, self._rest - (now - self._counted_at))
        self._counted_at = now
        if self._last is None or abs(jump) > _DAY:
            self._last = wall, now
        if abs(jump) > _DAY:
            self._rest = _REST_SECONDS
            self._noted_at = float("-inf")  # before the new time is known, so is the rest
            if self._days:
                _log.warning(
                    "the clock is %s %s of what it was, or the server was off:"
                    " no message is deleted for seven days; see that the clock is right",
                    duration(int(abs(jump))),
                    "ahead" if jump > 0 else "short",
                )
        if now - self._noted_at >= _ALIVE_SECONDS:
            self._noted_at = now
            rest = self._rest

            def note(batch: Batch) -> None:  # the log thread
                batch.put_alive(wall)
                batch.put_rest(rest)

            self._log.save(note)

    def _sweep(self, now: float) -> None:
        """Look at some more messages, and have the old ones among them deleted."""
        if self._after is None:
            self._after = 0
            self._sweeps += 1
        found = self._store.following(self._after, _STEP, _STEP_CHARACTERS)
        old = self._expired(found)
        if old:
            self._delete(old)
        whole = self._sweeps % _WHOLE_SWEEPS == 1
        if found and found[-1].seq < self._store.last_seq and (old or whole):
            self._after = found[-1].seq
        else:
            self._after = None
            self._sweep_at = now + _SWEEP_SECONDS

    def _expired(self, messages: Iterable[StoredMessage]) -> list[StoredMessage]:
        """Return the messages that are not kept any longer.

        The newest stays whatever its age, because numbering goes on from it.
        """
        now = self._clock.wall()
        kept = int((now - self._days * _DAY) * _MS)
        kept_unread = int((now - 2 * self._days * _DAY) * _MS)
        newest = self._store.last_seq
        old = [each for each in messages if each.at < kept and each.seq < newest]
        read = self._store.read_upto({fold(name) for each in old for name in each.to})

        def waits(message: StoredMessage) -> bool:
            return message.at >= kept_unread and any(
                read.get(name, 0) < message.seq and self._exists(name)
                for name in map(fold, message.to)
                if name != fold(message.sender)
            )

        return [each for each in old if not waits(each)]

    def _delete(self, old: list[StoredMessage]) -> None:
        def deleted() -> None:  # the log thread, once they are gone
            self._index.forget(each.seq for each in old)
            self._deleted += len(old)
            self._dirty = True

        self._log.save(lambda batch: batch.delete(old), deleted)

    def _clean(self, now: float) -> None:
        """Have what is deleted cleared out of the files, and forget that the index had it."""
        purged = self._index.purged()
        if purged:
            self._log.save(lambda batch: batch.note_purged(purged))
        if self._dirty and now >= self._clean_at:
            self._dirty = False
            if self._after is not None:
                self._clean_at = now + _CLEAN_SECONDS
            self._log.run_later(self._give_back)

    def _give_back(self, _: int) -> None:  # the log thread
        if not self._store.give_back():
            self._dirty = True
            self._clean_at = float("-inf")
