"""append → commit → deliver: the one order of everything, made by the log thread.

Handler threads append; the log thread takes all that has piled up, gives each message its number,
commits the batch, then has it answered and delivered. Load makes batches bigger instead of queues
longer. Nothing after `append` knows how the messages were numbered, so that a log shared between
machines could take this one's place: `append` may fail, may be slow, and answers later.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Generic, TypeVar, cast

from chatserver.errors import CommandError
from chatserver.order.delivery import Delivery, Post
from chatserver.sessions.directory import UserDirectory
from chatserver.storage.store import Batch, Standing, StorageFull, Store
from chatwire.names import LOBBY

_log = logging.getLogger(__name__)

_INBOX_BYTES: Final = 4_000_000
"""What may wait for the log thread; whoever comes then waits for room (up to _PATIENCE)."""

_BATCH_BYTES: Final = 64_000
"""So that one batch, rendered, stays below the limit of the smallest outbox there may be."""

_OVERHEAD: Final = 100
"""What a message counts for beside its text: about its envelope on the wire."""

_PATIENCE: Final = 10.0

_RUN_SECONDS: Final = 60.0
"""How long somebody waits for a change: longer than any disk takes that still works."""

_LOOK_SECONDS: Final = 1.0
"""How often somebody who waits looks whether the log thread is there."""

_REST_SECONDS: Final = 0.05
"""After a fault, so that one which does not go away takes no whole core."""

_Chore = tuple[Callable[[Batch], None], Callable[[], None]]

T = TypeVar("T")


def nothing() -> None:
    """Do nothing, once something has been saved."""


class _Change(Generic[T]):
    """Something to be done between messages; the handler thread waits for `done`."""

    __slots__ = ("accounts", "action", "done", "error", "result")

    def __init__(self, action: Callable[[int], T], accounts: Iterable[str]) -> None:
        self.action = action
        self.accounts = tuple(accounts)
        self.done = threading.Event()
        self.result: T | None = None
        self.error: BaseException | None = None


class Log:
    """The log thread and its inbox. `append` and `run` may be called from any other thread."""

    def __init__(
        self,
        store: Store,
        directory: UserDirectory,
        delivery: Delivery,
        exists: Callable[[str], bool],
        forget: Callable[[str], None],
    ) -> None:
        """`exists` tells whether there is an account of a (folded) name; `forget` is called, in
        the log thread, for one that was deleted on disk."""
        self._exists = exists
        self._forget = forget
        self._store = store
        self._directory = directory
        self._delivery = delivery
        self._inbox: deque[Post | _Change[object]] = deque()
        self._waiting = 0  # bytes in the inbox, about
        self._stopping = False
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._emptied = threading.Condition(self._lock)
        self._unsaved: set[str] = set()  # accounts whose standing is newer than the disk's
        self._chores: list[_Chore] = []
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    @property
    def last_seq(self) -> int:
        """The number of the newest message on disk."""
        return self._store.last_seq

    def has_standing(self, key: str) -> bool:
        """Tell whether the standing of an account is on disk. For a change (`run`) only."""
        return self._store.has_standing(key)

    def start(self) -> None:
        """Start the log thread."""
        self._thread.start()

    def stop(self) -> None:
        """Refuse what comes from now on, finish what has come, and wait for the thread."""
        with self._lock:
            self._stopping = True
            self._filled.notify_all()
            self._emptied.notify_all()
        self._thread.join()

    def append(self, post: Post) -> None:
        """Put a message in the order. It is answered later, by the log thread.

        Waits while the inbox is full. Raises CommandError: try_later, or shutting_down.
        """
        size = _size(post)
        with self._lock:
            if self._waiting > _INBOX_BYTES:
                self._emptied.wait_for(self._has_room, _PATIENCE)
            if self._stopping:
                raise CommandError("shutting_down", "The server is shutting down.")
            if not self._has_room():
                raise CommandError(
                    "try_later", "The server is overloaded; try again.", retry_after=1
                )
            self._inbox.append(post)
            self._waiting += size
            if len(self._inbox) == 1:
                self._filled.notify()

    def run(self, action: Callable[[int], T], *accounts: str) -> T:
        """Do something between messages, in the log thread, and return its result.

        `action` is given the number of the newest message delivered before it. The standing of
        `accounts` is saved afterwards. Raises what the action raises, and CommandError:
        shutting_down, try_later when its turn did not come in time, and internal when its turn
        came and its end did not.
        """
        change = self.run_later(action, *accounts)
        self._wait_for(change)
        if change.error is not None:
            raise change.error
        return cast(T, change.result)

    def run_later(self, action: Callable[[int], T], *accounts: str) -> "_Change[T]":
        """As `run`, without waiting for it."""
        change: _Change[T] = _Change(action, accounts)
        with self._lock:
            if self._stopping:
                raise CommandError("shutting_down", "The server is shutting down.")
            self._inbox.append(cast(_Change[object], change))
            self._filled.notify()
        return change

    def save(self, chore: Callable[[Batch], None], saved: Callable[[], None] = nothing) -> None:
        """Have something written with one of the next batches, by nobody waited for.

        `saved` is called, by the log thread, once it is on disk; when it could not be written,
        neither is tried again.
        """
        with self._lock:
            self._chores.append((chore, saved))
            self._filled.notify()

    def _wait_for(self, change: _Change[T]) -> None:
        deadline = time.monotonic() + _RUN_SECONDS
        while not change.done.wait(_LOOK_SECONDS):
            if self._thread.is_alive() and time.monotonic() < deadline:
                continue
            with self._lock:
                waited = cast(_Change[object], change) in self._inbox
                if waited:
                    self._inbox.remove(cast(_Change[object], change))
            if waited:
                raise CommandError(
                    "try_later", "The server is overloaded; try again.", retry_after=1
                )
            if not change.done.is_set():
                raise CommandError("internal", "The server does not get on; connect again.")

    def _has_room(self) -> bool:
        return self._stopping or self._waiting <= _INBOX_BYTES

    # -- the log thread only --

    def _run(self) -> None:
        while self._turn():
            pass
        self._save([])

    def _turn(self) -> bool:
        """Wait for something to do and do it; False when it is time to stop. Raises nothing."""
        batch: list[Post | _Change[object]] = []
        try:
            with self._lock:
                while not (self._inbox or self._chores or self._stopping):
                    self._filled.wait()
                self._take(batch)
                chores, self._chores = self._chores, []
            if not (batch or chores):
                return False  # stopping, and everything is done
            self._process(batch, chores)
        except BaseException as error:
            self._give_up(batch, error)
        return True

    def _take(self, batch: list[Post | _Change[object]]) -> None:
        """Move the next batch out of the inbox. The caller holds the lock."""
        size = 0
        while self._inbox and size < _BATCH_BYTES:
            item = self._inbox[0]
            batch.append(item)
            self._inbox.popleft()
            if isinstance(item, Post):
                size += _size(item)
        self._waiting -= size
        if size:
            self._emptied.notify_all()

    def _process(self, batch: list[Post | _Change[object]], chores: list[_Chore]) -> None:
        before = self._store.last_seq
        self._commit([item for item in batch if isinstance(item, Post)])
        changes: list[_Change[object]] = []
        run: list[Post] = []
        for item in batch:
            if isinstance(item, Post):
                run.append(item)
            else:
                before = self._deliver(run, before)
                run = []
                self._apply(item, before)
                changes.append(item)
        self._deliver(run, before)
        self._save(chores)
        for change in changes:
            change.done.set()
        self._delivery.drain()

    def _give_up(self, batch: list[Post | _Change[object]], error: BaseException) -> None:
        """End what a fault has left unfinished: nobody waits for what does not come."""
        for item in batch:
            if not isinstance(item, Post) and not item.done.is_set():
                item.error = item.error or CommandError("internal", "Something went wrong.")
                item.done.set()
        with suppress(BaseException):
            self._delivery.abandon([item for item in batch if isinstance(item, Post)])
        with suppress(BaseException):
            self._delivery.drain()
        with suppress(BaseException):
            _log.critical("the log met a fault and goes on", exc_info=error)
        time.sleep(_REST_SECONDS)

    def _commit(self, posts: list[Post]) -> None:
        """Number the messages and put them on disk, or note on each why it could not be."""
        if not posts:
            return
        now = time.time_ns() // 1_000_000
        try:
            with self._store.batch() as batch:
                self._forget_deleted(batch)
                for post in posts:
                    if post.origin.revoked is None:
                        self._number(post, batch, now)
                    else:
                        post.error = post.origin.revoked
        except StorageFull as error:
            _log.error("messages could not be stored: %s", error)
            for post in posts:
                post.error = CommandError(
                    "storage_full",
                    "The server cannot store messages at the moment; it was not sent.",
                )
        except BaseException:
            # A bug. One message must not take the others of its batch with it.
            _log.exception("a batch of %d could not be stored", len(posts))
            if len(posts) == 1:
                posts[0].error = CommandError("internal", "Something went wrong; it was not sent.")
            else:
                for post in posts:
                    self._commit([post])

    def _forget_deleted(self, batch: Batch) -> None:
        """Forget the accounts that `chat deluser` has deleted, before anything else is said.

        Their sessions end here, inside the transaction: what comes after it is in the log can be
        another's of the same name.
        """
        if batch.touched:
            for key in self._directory.saved() - batch.stored():
                try:
                    self._forget(key)
                except Exception:
                    _log.exception("a deleted account could not be forgotten")

    def _number(self, post: Post, batch: Batch, now: int) -> None:
        room = LOBBY if post.to is None else None
        post.at = now
        post.seq, post.duplicate = batch.add(
            now, post.origin.account, room, post.to or (), post.text, post.key
        )

    def _deliver(self, posts: list[Post], before: int) -> int:
        """Deliver a run of messages; return the number of the newest message delivered."""
        if not posts:
            return before
        try:
            self._delivery.deliver(posts)
        except BaseException:
            self._delivery.abandon(posts)
            _log.exception("messages up to %d could not be delivered", posts[-1].seq)
        return max([before, *(post.seq for post in posts if post.error is None)])

    def _standings(self) -> list[Standing]:
        """Return what is to be written of how accounts stand.

        A new entry only if there still is the account: a later one of its name starts afresh.
        """
        saved = self._directory.saved()
        return [
            each
            for each in map(self._directory.standing, self._unsaved)
            if each is not None and (each.key in saved or self._exists(each.key))
        ]

    def _apply(self, change: _Change[object], before: int) -> None:
        try:
            change.result = change.action(before)
        except BaseException as error:
            change.error = error
        self._unsaved.update(change.accounts)

    def _save(self, chores: list[_Chore]) -> None:
        """Write how accounts stand. What the disk does not take now is tried again later."""
        if not (self._unsaved or chores):
            return
        try:
            with self._store.batch() as batch:
                self._forget_deleted(batch)
                standings = self._standings()
                batch.put(standings)
                for chore, _ in chores:
                    chore(batch)
        except StorageFull as error:
            _log.error("the standing of accounts could not be stored: %s", error)
        except BaseException:
            _log.exception("the standing of accounts could not be stored")
        else:
            self._unsaved.clear()
            self._directory.note_saved(each.key for each in standings)
            for _, saved in chores:
                try:
                    saved()
                except BaseException:
                    _log.exception("what follows a write failed")


def _size(post: Post) -> int:
    """Return what a message counts for: its bytes on the wire, about, without encoding it."""
    return len(post.text) * (1 if post.text.isascii() else 4) + _OVERHEAD
