"""The search index: a full-text index of all messages, beside the database, never in its way.

The indexer, a thread of its own, follows the log: it reads messages that have been committed and
writes their words into a file of its own (`parts`), so that neither commits nor each other's locks
are waited for. The file can be deleted at any time: it is made again from `chat.db`. After a crash
it goes on behind the last message that it has.

Who may read a message that was not said in the lobby is in the index too, as words for its
conversation and its readers, so that a search never looks at what the asker may not see.
"""

import bisect
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chatserver.errors import CommandError
from chatserver.search.parts import Part, Parts, Scope, connect, look_for, remove
from chatserver.storage.store import Store
from chatserver.system.allocator import give_back
from chatserver.system.processors import roaming

FILE_NAME: Final = "search.db"

_log = logging.getLogger(__name__)

_STEP: Final = 1000
"""Messages indexed in one transaction: some hundredths of a second."""

_STEP_CHARACTERS: Final = 64_000
"""And what they may have together: a thousand of the longest would take a hundred megabytes."""

_MANY: Final = 100
"""After so many messages in a row, what their words took of memory is given back to the system."""

_PAUSE_SECONDS: Final = 0.5
"""How long the indexer lets messages pile up: an index entry costs less in company."""

_RETRY_SECONDS: Final = 5.0
"""How long the indexer rests after an error, such as a full disk."""

_REST: Final = 19.0
"""How many times as long as it works the indexer rests while messages come: a flood keeps all but a
twentieth of what it would have to share, and the index is behind for that long."""

_PATIENCE: Final = 1.0
"""How long a search waits for messages of a moment ago: longer only while an index is made."""

_FAR_BEHIND: Final = 20_000
"""Messages that the index may lack before a search says so."""

_SETTLE_SECONDS: Final = 20.0
"""How long a full part waits to be made anew, which takes a second, and another one in proportion:
what is deleted is often many messages, step by step, and people correct themselves all the time."""

_SEARCHES: Final = 2
"""Searches at once: each takes milliseconds, and may take _BUDGET_SECONDS of a core."""

_BUDGET_SECONDS: Final = 0.25
_TURN_SECONDS: Final = 5.0
"""How long a search waits for its turn."""


class SearchIndex:
    """The index and its thread. `search` may be called from any thread."""

    def __init__(self, path: Path, store: Store) -> None:
        """Open the index, or make a new one where it is missing or damaged. Raises OSError."""
        self._store = store
        try:
            self._open(path)
        except sqlite3.Error as error:
            _log.warning("the search index cannot be used (%s); it is made again", error)
            remove(path)
            self._open(path)
        self._progress = threading.Condition()
        self._wanted = threading.Event()  # somebody waits for the newest messages, or for the end
        self._stopping = False
        self._changed: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
        self._renewal = _Renewal()
        self._purged: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
        self._upto = self._parts.upto()
        self._thread = threading.Thread(target=self._run, name="indexer", daemon=True)

    @property
    def upto(self) -> int:
        """The number of the newest message that can be found."""
        return self._upto

    def start(self) -> None:
        """Start the indexer thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop it and close the files."""
        self._stopping = True
        self._wanted.set()
        self._thread.join()
        self.close()

    def close(self) -> None:
        """Close the files, once the searches that go on have ended."""
        self._parts.close()
        self._turns.close()

    def search(self, query: str, account: int, scope: Scope, size: int) -> Generator[list[int]]:
        """Yield the numbers of the messages that match, the newest first, `size` at a time at most.
        Whoever asks closes it, in the same thread.

        Only messages in the scope of `account`, and some from before that begins. What is on disk
        when it is called is found. Raises CommandError when it is not, and TooMuch where the rest
        would be too much work.
        """
        self._catch_up(self._store.last_seq)
        with self._turns.of(account) as reader, roaming():
            try:
                yield from look_for(reader, query, account, scope, size, _BUDGET_SECONDS)
            except sqlite3.Error as error:
                _log.warning("a search failed: %s", error)
                raise CommandError(
                    "internal", "The search failed; it is logged. Try again later."
                ) from error

    def forget(self, seqs: Iterable[int]) -> None:
        """Have what messages read before they were edited or deleted taken out of the file. Any
        thread.

        They may be found by it for some seconds, and are looked up. What was taken out before is
        forgotten once more without harm.
        """
        self._changed.put(list(seqs))

    def purged(self) -> list[int]:
        """Return of which messages no word that they do not read is left in the file, since this
        was asked last."""
        seqs: list[int] = []
        while not self._purged.empty():
            seqs += self._purged.get()
        return seqs

    def _catch_up(self, upto: int) -> None:
        """Wait until messages up to this number can be found, but not for long."""
        if self._upto >= upto:
            return
        self._wanted.set()
        with self._progress:
            self._progress.wait_for(lambda: self._upto >= upto or self._stopping, _PATIENCE)
        if upto - self._upto > _FAR_BEHIND:
            raise CommandError(
                "try_later",
                "The search index is being made; try again in a minute.",
                retry_after=30,
            )

    def _open(self, path: Path) -> None:
        self._parts = Parts(path, self._store.identity, self._store.last_seq)
        self._turns = _Turns([connect(path) for _ in range(_SEARCHES)])

    # -- the indexer thread only --

    def _run(self) -> None:
        with roaming():
            while not self._stopping:
                self._wanted.wait(_PAUSE_SECONDS)
                self._wanted.clear()
                began = self._upto
                try:
                    while not self._stopping and self._step_politely():
                        pass
                    if self._upto - began > _MANY:
                        give_back()
                except sqlite3.Error as error:
                    _log.warning("the search index is behind: %s", error)
                    self._wanted.wait(_RETRY_SECONDS)

    def _step_politely(self) -> bool:
        """Do a step, and rest after it while people talk, unless a search waits."""
        newest, started = self._store.last_seq, time.monotonic()
        more = self._step()
        more = self._purge(started) or more
        if more and self._store.last_seq > newest:
            self._wanted.wait(_REST * (time.monotonic() - started))
        return more

    def _step(self) -> bool:
        """Index the next messages; tell whether there may be more at once."""
        newest = self._store.last_seq
        self._note_changed()
        if self._upto >= newest:
            return False
        messages = self._store.following(self._upto, _STEP, _STEP_CHARACTERS)
        if messages:
            self._parts.add(messages)
        with self._progress:
            # What comes after the last message is nothing that has words.
            self._upto = messages[-1].seq if messages else newest
            self._progress.notify_all()
        return True

    def _note_changed(self) -> None:
        """Have messages that read differently now found by their new words, and their old ones
        taken out later."""
        while not self._changed.empty():
            seqs = self._changed.get()
            parts = self._parts.all()
            self._renewal.note(seqs, parts, time.monotonic())
            edited = [each for each in self._store.numbered(seqs) if each.seq <= self._upto]
            new = self._renewal.new
            for part in [*parts, new] if new is not None else parts:
                again = [each for each in edited if part.first <= each.seq <= part.last]
                if again:
                    self._parts.add_again(part, again)

    def _purge(self, now: float) -> bool:
        """Do a step of taking out what is deleted; tell whether there is more to do at once.

        A part that has waited long enough at `now` (monotonic) is made anew.
        """
        renewal = self._renewal
        if renewal.new is not None:
            self._renew(renewal, renewal.new)
            return True
        due = renewal.due(self._parts.all(), now) if renewal.waiting else None
        if due is not None:
            renewal.begin(self._parts.begin(due))
            return True
        if renewal.dropped:
            if self._parts.give_back():
                return True
            if self._parts.empty_log():  # else a search is reading it: next time
                self._purged.put(renewal.dropped)
                renewal.dropped = []
        return False

    def _renew(self, renewal: "_Renewal", new: Part) -> None:
        """Index some more of a part that is made anew, or put it in its place."""
        last = min(new.last, self._upto)
        messages = self._store.following(max(renewal.upto, new.first - 1), _STEP, _STEP_CHARACTERS)
        messages = [each for each in messages if each.seq <= last]
        if messages:
            self._parts.fill(new, messages)
            renewal.upto = messages[-1].seq
        else:
            self._parts.replace(new, is_empty=not renewal.upto)
            renewal.finish()


@dataclass
class _Renewal:
    """Which parts have to be made anew, and how far the one is that is being made."""

    waiting: dict[int, tuple[float, list[int]]] = field(default_factory=dict)
    """Parts by their first message: since when (monotonic), and what was changed in them."""

    new: Part | None = None
    upto: int = 0
    taken: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    """Messages that are in no part as they were, but maybe in what the file has freed."""

    def note(self, seqs: list[int], parts: list[Part], now: float) -> None:
        """Note what was changed."""
        firsts = [part.first for part in reversed(parts)]
        for seq in seqs:
            at = bisect.bisect_right(firsts, seq)
            if at:
                self.waiting.setdefault(firsts[at - 1], (now, []))[1].append(seq)
            else:
                self.dropped.append(seq)

    def due(self, parts: list[Part], now: float) -> Part | None:
        """Return a part that has waited long enough at `now`."""
        for part in parts:
            since, _ = self.waiting.get(part.first, (float("inf"), ()))
            if since + part.share * _SETTLE_SECONDS < now:
                return part
        return None

    def begin(self, new: Part) -> None:
        """Note that a part is being made anew."""
        self.new, self.upto = new, 0
        self.taken = self.waiting.pop(new.first)[1]

    def finish(self) -> None:
        """Note that the part is in its place."""
        self.dropped += self.taken
        self.new, self.taken = None, []


class _Turns:
    """Who searches: a few at once, and for one account only one. One lock; nobody holds it long."""

    def __init__(self, readers: list[sqlite3.Connection]) -> None:
        self._readers = readers
        self._many = len(readers)
        self._changed = threading.Condition()
        self._accounts: set[int] = set()

    @contextmanager
    def of(self, account: int) -> Iterator[sqlite3.Connection]:
        """Lend a reader to an account. Raises CommandError (try_later) when that takes too long."""
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._readers and account not in self._accounts, _TURN_SECONDS
            ):
                raise CommandError(
                    "try_later", "Too many searches at once; try again.", retry_after=5
                )
            reader = self._readers.pop()
            self._accounts.add(account)
        try:
            yield reader
        finally:
            with self._changed:
                self._readers.append(reader)
                self._accounts.remove(account)
                self._changed.notify_all()

    def close(self) -> None:
        """Close the readers, once they are all back."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._readers) == self._many, _TURN_SECONDS)
            while self._readers:
                self._readers.pop().close()
