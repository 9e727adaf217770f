"""Retention: what is older than is kept is deleted, from every file, step by step; so is, at once,
what was said in rooms that there are no more.

It trusts no clock that has jumped: a message's age is what the wall clock said then and says now.
After a jump of more than a day, forwards or backwards, while the server ran or between two starts,
nothing is deleted for seven days of running, so that somebody can set the clock right. (Between two
starts a jump looks like a server that was off; resting costs nothing then.)

A private message that a recipient has not read stays until it is read, and at most twice as long.
What was done to a message goes with it.
"""

import logging
from collections.abc import Iterable
from typing import Final

from chatserver.order.clock import Clock
from chatserver.order.items import Alive, Item, Purged, RoomsForgotten, Trimmed
from chatserver.order.order import Order
from chatserver.order.outcome import Outcome
from chatserver.order.pending import Waiter
from chatserver.search.index import SearchIndex
from chatserver.storage.past import StoredMessage
from chatserver.storage.store import Store
from chatwire.wording import duration

_log = logging.getLogger(__name__)

_DAY: Final = 86_400
_MS: Final = 1000
_REST_SECONDS: Final = 7.0 * _DAY
_ALIVE_SECONDS: Final = 60.0
_ROOMS_SECONDS: Final = 20.0
_SWEEP_SECONDS: Final = 3600.0
_WHOLE_SWEEPS: Final = 24
"""Every so often a sweep goes through everything, and does not end at the first that is young: a
message may carry the date of a clock that was far ahead, and younger ones come after it."""

_STEP: Final = 1000
"""Messages looked at in one step, and deleted at most: the log thread takes some milliseconds."""

_STEP_CHARACTERS: Final = 1_000_000


class Retention:
    """All of it happens in the housekeeper thread; what is to be written becomes items."""

    def __init__(
        self, store: Store, index: SearchIndex, order: Order, days: int, clock: Clock
    ) -> None:
        """0 `days` keep everything."""
        self._store = store
        self._index = index
        self._order = order
        self._days = days
        self._clock = clock
        self._trimming: tuple[Waiter, int] | None = None  # how many old messages are being deleted
        self._last: tuple[float, float] | None = None  # both clocks, when they last agreed
        self._counted_at = 0.0
        self._rest = store.rest()
        self._noted_at = float("-inf")
        self._sweep_at = float("-inf")
        self._sweeps = 0
        self._rooms_at = float("-inf")
        self._former_at = float("-inf")
        self._after: int | None = None  # how far the sweep is that goes on
        self._changes_wait = False  # for the end of that sweep
        self._deleted = 0
        index.forget(store.gone())

    def tick(self) -> None:
        """Do a step of what is to be done."""
        now = self._clock.steady()
        self._watch_clock(now)
        self._note_deleted()
        if self._trimming is not None:
            pass  # it is looked at again when it is done
        elif now >= self._rooms_at and self._clear_rooms(now):
            pass
        elif self._days and not self._rest and (self._after is not None or now >= self._sweep_at):
            self._sweep(now)
        elif self._changes_wait and not self._rest:
            self._sweep_changes()
        elif self._deleted:
            _log.info("%d messages older than %d days were deleted", self._deleted, self._days)
            self._deleted = 0
        self._note_purged()
        if now >= self._former_at:
            self._former_at = now + _SWEEP_SECONDS
            self._store.forget_former(self._clock.now())

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
        if now - self._noted_at >= _ALIVE_SECONDS or self._store.untidy:
            self._noted_at = now
            self._order.append(Alive(at=int(wall * 1000), rest=self._rest))

    def _clear_rooms(self, now: float) -> bool:
        """Have some of what is left of rooms deleted that there are no more, first what was said
        there, then who was in them; tell whether there was any. Whatever the clock says: somebody
        has left them for good."""
        messages, changes = self._store.of_deleted_rooms(_STEP)
        # The newest of all stays for the numbering, until there is a newer one.
        if {*messages, *changes} - {self._store.last_seq}:
            self._delete(messages, changes)
            return True
        rooms = self._store.empty_rooms(_STEP)
        if rooms:
            self._append(RoomsForgotten(at=self._clock.now(), rooms=tuple(rooms)))
            return True
        self._rooms_at = now + _ROOMS_SECONDS
        return False

    def _sweep(self, now: float) -> None:
        """Look at some more messages, and have the old ones among them deleted."""
        if self._after is None:
            self._after = 0
            self._sweeps += 1
        found = self._store.following(self._after, _STEP, _STEP_CHARACTERS)
        old = self._expired(found)
        if old:
            self._delete([each.seq for each in old], old=len(old))
        whole = self._sweeps % _WHOLE_SWEEPS == 1
        if found and found[-1].seq < self._store.last_seq and (old or whole):
            self._after = found[-1].seq
        else:
            self._after = None
            self._sweep_at = now + _SWEEP_SECONDS
            self._changes_wait = True

    def _sweep_changes(self) -> None:
        """Have some of the old changes deleted, if there are any."""
        kept = int((self._clock.wall() - self._days * _DAY) * _MS)
        old = self._store.old_changes(kept, _STEP)
        if set(old) - {self._store.last_seq}:
            self._delete(changes=old)
        else:
            self._changes_wait = False

    def _expired(self, messages: Iterable[StoredMessage]) -> list[StoredMessage]:
        """Return the messages that are not kept any longer.

        The newest stays whatever its age, because numbering goes on from it.
        """
        now = self._clock.wall()
        kept = int((now - self._days * _DAY) * _MS)
        kept_unread = int((now - 2 * self._days * _DAY) * _MS)
        newest = self._store.last_seq
        old = [each for each in messages if each.at < kept and each.seq < newest]
        acked = self._store.acked({number for each in old for number in each.people})

        def waits(message: StoredMessage) -> bool:
            return message.at >= kept_unread and any(
                acked[number] < message.seq
                for number in message.people
                if number != message.sender_id and number in acked
            )

        return [each for each in old if not waits(each)]

    def _delete(
        self, messages: Iterable[int] = (), changes: Iterable[int] = (), old: int = 0
    ) -> None:
        """Have messages and changes deleted, so many of them as `old` messages."""
        self._append(
            Trimmed(at=self._clock.now(), seqs=tuple(messages), changes=tuple(changes)), old
        )

    def _append(self, item: Item, old: int = 0) -> None:
        """Have something deleted: nothing else is looked for until that is done."""
        waiter = Waiter()
        self._order.append(item, waiter)
        self._trimming = waiter, old

    def _note_deleted(self) -> None:
        """Count what has been deleted by now."""
        if self._trimming is None or self._trimming[0].result is None:
            return
        waiter, old = self._trimming
        self._trimming = None
        if isinstance(waiter.result, Outcome):
            self._deleted += old

    def _note_purged(self) -> None:
        """Have it forgotten that the index had what is cleared out of its file."""
        purged = self._index.purged()
        if purged:
            self._order.append(Purged(at=self._clock.now(), seqs=tuple(purged)))
