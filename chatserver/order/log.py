"""apply → commit → tell: what the log thread does with each batch of the order.

All of a batch is applied to the state, then written in one transaction, and only then is anybody
told. A batch that the disk refuses is taken back; what has an effect all the same (who comes and
goes is no matter of disks) is applied again and waits in memory for the next transaction.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from chatserver.errors import CommandError
from chatserver.order.apply import needs, refused_without_room
from chatserver.order.delivery import Delivery
from chatserver.order.items import Said
from chatserver.order.pending import Entry
from chatserver.sessions.directory import UserDirectory
from chatserver.storage.store import StorageFull, Store

_log = logging.getLogger(__name__)

_TIDY_SECONDS: Final = 1.0
"""How often room of what was deleted is given back: some milliseconds each time."""


class Log:
    """Follows the order. Everything happens in one thread, the log thread."""

    def __init__(
        self,
        store: Store,
        directory: UserDirectory,
        delivery: Delivery,
        reindex: Callable[[list[int]], None],
    ) -> None:
        """`reindex` has somebody see to messages that read differently now, and never blocks."""
        self._store = store
        self._reindex = reindex
        self._directory = directory
        self._delivery = delivery
        self._tidied_at = 0.0

    def follow(self, batch: Sequence[Entry]) -> None:
        """Apply a batch, put it on disk, tell whom it concerns. Raises nothing: it is given up."""
        try:
            self._commit(batch)
            self._delivery.tell(batch)
            self._tidy()
        except BaseException as error:
            self._give_up(batch, error)

    def finish(self) -> None:
        """Write what the disk had no room for so far, when no more items come. Raises nothing."""
        state = self._directory.state
        if state.unsaved:
            try:
                self._store.write(state)
                state.saved()
            except BaseException:
                _log.exception("what the disk had no room for is lost")

    def _commit(self, batch: Sequence[Entry]) -> None:
        """Set the result of each entry: what followed, now on disk, or why nothing did."""
        state = self._directory.state
        try:
            self._look_up(batch)
            self._directory.apply(batch)
            self._store.write(state)
            changed = [seq for seq, still in state.unsaved.gone.items() if still]
            state.saved()
            if changed:
                self._reindex(changed)
        except StorageFull as error:
            self._go_without(batch, error)
        except BaseException:
            # A bug. One item must not take the others of its batch with it.
            _log.exception("a batch of %d could not be applied", len(batch))
            self._directory.take_back()
            if len(batch) > 1:
                for entry in batch:
                    self._commit([entry])
            for entry in batch if len(batch) == 1 else ():
                entry.result = CommandError("internal", "Something went wrong; nothing was done.")

    def _look_up(self, batch: Sequence[Entry]) -> None:
        """Have the state know what is on disk that these items may be decided by."""
        state = self._directory.state
        keys, targets = needs(entry.item for entry in batch)
        state.keys = self._store.keys_in_use(keys) if keys else {}
        state.targets = self._store.targets(targets) if targets else {}

    def _go_without(self, batch: Sequence[Entry], error: StorageFull) -> None:
        """Have what may wait take effect in memory, and refuse the rest."""
        _log.error("a batch of %d could not be stored: %s", len(batch), error)
        self._directory.take_back()
        waits = [entry for entry in batch if not refused_without_room(entry.item)]
        self._directory.apply(waits)
        self._directory.state.kept()
        for entry in batch:
            if refused_without_room(entry.item):
                lost = "it was not sent" if type(entry.item) is Said else "nothing was changed"
                entry.result = CommandError(
                    "storage_full", f"The server cannot store messages at the moment; {lost}."
                )

    def _tidy(self) -> None:
        """Now and then, give back the room of what was deleted."""
        if self._store.untidy and time.monotonic() - self._tidied_at > _TIDY_SECONDS:
            self._store.tidy()
            self._tidied_at = time.monotonic()

    def _give_up(self, batch: Sequence[Entry], error: BaseException) -> None:
        """End what a fault has left unfinished: nobody waits for what does not come."""
        with suppress(BaseException):
            self._delivery.abandon(batch)
        with suppress(BaseException):
            _log.critical("the log met a fault and goes on", exc_info=error)
