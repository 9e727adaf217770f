"""Who is here and how they stand, behind one lock.

Only the log thread changes the directory, between messages, so that coming, going, busy and
hidden have a place in the same order as everything said. Any thread may ask; what it gets is a
snapshot.
"""

import threading
import time
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from chatserver.sessions.session import Session
from chatserver.storage.store import Standing
from chatwire.protocol import Here, Seen


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where messages for one account go now. `visible`: others can see that it is here."""

    sessions: tuple[Session, ...]
    visible: bool
    busy: bool
    reply: str


_ABSENT = Recipient((), visible=False, busy=False, reply="")


@dataclass(slots=True)
class _Entry:
    """An account that was ever here."""

    name: str
    since: int
    read: int = 0
    seen_at: float | None = None
    busy: bool = False
    reply: str = ""
    hidden: bool = False
    saved: bool = False
    sessions: tuple[Session, ...] = field(default=())
    recipient: Recipient | None = None
    """The snapshot handed out, until something in it changes."""

    @property
    def visible(self) -> bool:
        return bool(self.sessions) and not self.hidden


class UserDirectory:
    """The accounts by folded name. Tier 1 lock: nothing else is locked or sent while it is held."""

    def __init__(self, standings: Iterable[Standing]) -> None:
        self._lock = threading.Lock()
        self._entries = {
            each.key: _Entry(
                name=each.name or each.key,
                since=each.since,
                read=each.read,
                seen_at=each.seen_at,
                busy=each.busy,
                reply=each.reply,
                hidden=each.hidden,
                saved=True,
            )
            for each in standings
        }
        self._order = sorted(self._entries)  # of all names, so that no answer has to sort
        self._visible_keys: list[str] = []  # in order, and their names beside them
        self._visible_names: list[str] = []
        # Snapshots that are made again when somebody has come, gone or changed.
        self._lobby: tuple[Session, ...] | None = None
        self._busy: Mapping[str, str] | None = None

    # -- any thread --

    def lobby(self) -> tuple[Session, ...]:
        """Return the sessions that get what is said in the room: all but those of the busy."""
        with self._lock:
            if self._lobby is None:
                self._lobby = tuple(
                    session
                    for entry in self._entries.values()
                    if not entry.busy
                    for session in entry.sessions
                )
            return self._lobby

    def recipient(self, key: str) -> Recipient:
        """Return where messages for the account `key` go."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return _ABSENT
            if entry.recipient is None:
                entry.recipient = Recipient(entry.sessions, entry.visible, entry.busy, entry.reply)
            return entry.recipient

    def busy_replies(self) -> Mapping[str, str]:
        """Return what the busy say meanwhile, by name: those that others can see to be here."""
        with self._lock:
            if self._busy is None:
                self._busy = {
                    each.name: each.reply
                    for each in self._entries.values()
                    if each.busy and each.visible
                }
            return self._busy

    def sessions(self) -> tuple[Session, ...]:
        """Return every session."""
        with self._lock:
            return tuple(each for entry in self._entries.values() for each in entry.sessions)

    def here(self, but: str) -> tuple[Here, ...]:
        """Return the visible accounts that are here, in order of name, without `but`."""
        now = time.monotonic()
        with self._lock:
            return tuple(
                Here(
                    name=entry.name,
                    busy=entry.busy,
                    idle_seconds=int(now - max(_last_command(each) for each in entry.sessions)),
                )
                for key, entry in self._sorted()
                if entry.visible and key != but
            )

    def online(self, but: str) -> tuple[str, ...]:
        """Return the names of the visible accounts that are here, in order, without `but`."""
        with self._lock:
            at = bisect_left(self._visible_keys, but)
            beyond = at + (self._visible_keys[at : at + 1] == [but])
            return (*self._visible_names[:at], *self._visible_names[beyond:])

    def seen(self, within: float) -> tuple[Seen, ...]:
        """Return who was visibly here in the last `within` seconds, the latest first."""
        now = time.time()
        with self._lock:
            found = [
                Seen(name=each.name, online=each.visible, seconds_ago=_ago(each, now))
                for _, each in self._sorted()
                if each.visible or (each.seen_at is not None and _ago(each, now) <= within)
            ]
        return tuple(sorted(found, key=lambda each: each.seconds_ago))

    def since(self, key: str) -> int:
        """Return the number of the message after which the room begins for an account."""
        with self._lock:
            entry = self._entries.get(key)
            return 0 if entry is None else entry.since

    def visible_count(self) -> int:
        """Return how many accounts others can see to be here."""
        with self._lock:
            return len(self._visible_keys)

    def standing(self, key: str) -> Standing | None:
        """Return how the account stands, to be stored; None when it was never here.

        `seen_at` is None while it is visibly here.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            return Standing(
                key=key,
                name=entry.name,
                since=entry.since,
                read=entry.read,
                seen_at=None if entry.visible else entry.seen_at,
                busy=entry.busy,
                reply=entry.reply,
                hidden=entry.hidden,
            )

    # -- the log thread only --

    def join(self, session: Session, last_seq: int, *, known: bool) -> bool:
        """Add a session; tell whether the account has become visible by it.

        For an account that was never here, the room begins after message `last_seq`. That is also
        one whose standing had been saved and is no longer on disk (not `known`): it was deleted,
        and this is a new one of that name.
        """
        with self._lock:
            entry = self._entries.get(session.key)
            if entry is not None and entry.saved and not known and not entry.sessions:
                entry = self._entries[session.key] = _Entry(session.account, since=last_seq)
            elif entry is None:
                entry = self._entries[session.key] = _Entry(session.account, since=last_seq)
                insort(self._order, session.key)
            entry.name = session.account  # as its owner spells it now
            return self._change(session.key, entry, sessions=(*entry.sessions, session)) > 0

    def leave(self, session: Session) -> bool:
        """Remove this very session; tell whether the account has become invisible by it.

        One that is not there, because it never came to join, is no error.
        """
        with self._lock:
            entry = self._entries.get(session.key)
            if entry is None or session not in entry.sessions:
                return False
            rest = tuple(each for each in entry.sessions if each is not session)
            return self._change(session.key, entry, sessions=rest) < 0

    def saved(self) -> frozenset[str]:
        """Return the accounts whose standing is on disk, unless it was deleted there."""
        with self._lock:
            return frozenset(key for key, entry in self._entries.items() if entry.saved)

    def forget(self, key: str) -> None:
        """Forget an account that was deleted, once none of its sessions is left."""
        with self._lock:
            if self._entries.pop(key, None) is not None:
                self._order.remove(key)
                self._lobby = self._busy = None

    def set_busy(self, key: str, reply: str | None) -> None:
        """Make the account busy with that reply (it may be empty), or not busy with None."""
        with self._lock:
            entry = self._entries[key]
            entry.busy, entry.reply = reply is not None, reply or ""
            entry.recipient = self._lobby = self._busy = None

    def set_hidden(self, key: str, hidden: bool) -> int:
        """Hide the account or show it again.

        Return 1 when it has become visible by that, -1 when invisible, else 0.
        """
        with self._lock:
            return self._change(key, self._entries[key], hidden=hidden)

    def note_saved(self, keys: Iterable[str]) -> None:
        """Note that the standing of these accounts is on disk."""
        with self._lock:
            for key in keys:
                if key in self._entries:
                    self._entries[key].saved = True

    def note_read(self, key: str, upto: int) -> bool:
        """Move the account's read position forward; tell whether it moved."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return False
            moved = upto > entry.read
            entry.read = max(entry.read, upto)
            return moved

    def _sorted(self) -> Iterator[tuple[str, _Entry]]:
        return ((key, self._entries[key]) for key in self._order)

    def _change(
        self,
        key: str,
        entry: _Entry,
        sessions: tuple[Session, ...] | None = None,
        hidden: bool | None = None,
    ) -> int:
        """Change an entry; return by how much the number of visible accounts changed."""
        before = entry.visible
        entry.recipient = self._lobby = self._busy = None
        if sessions is not None:
            entry.sessions = sessions
        if hidden is not None:
            entry.hidden = hidden
        step = int(entry.visible) - int(before)
        at = bisect_left(self._visible_keys, key)
        if step > 0:
            self._visible_keys.insert(at, key)
            self._visible_names.insert(at, entry.name)
        elif step < 0:
            del self._visible_keys[at], self._visible_names[at]
            entry.seen_at = time.time()
        elif entry.visible:
            self._visible_names[at] = entry.name  # as its owner spells it now
        return step


def _last_command(session: Session) -> float:
    return session.connection.last_command


def _ago(entry: _Entry, now: float) -> int:
    if entry.visible or entry.seen_at is None:
        return 0
    return max(0, int(now - entry.seen_at))  # the clock may have been set back
