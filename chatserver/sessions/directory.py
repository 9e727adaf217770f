"""Who is here and how everything stands, behind one lock.

Only the log thread changes it, batch by batch, so that coming, going, busy and hidden have a place
in the same order as everything said. Any thread may ask; what it gets is a snapshot: of one thing,
and of long lists each as it is when its turn comes.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

from msgspec import Struct

from chatserver.errors import CommandError
from chatserver.order.apply import apply
from chatserver.order.items import Item
from chatserver.order.outcome import Outcome, Placed
from chatserver.order.records import Account
from chatserver.order.state import State
from chatserver.sessions.session import Session
from chatserver.storage.past import Stretch, Window
from chatwire.replies import Here, Seen

Thing = TypeVar("Thing")
T = TypeVar("T")

_AT_ONCE: Final = 100
"""Rooms or people that are looked at while the lock is held: a tenth of a millisecond or two."""


class Applied(Protocol):
    """An item, and where its outcome is to be put."""

    item: Item
    result: Outcome | CommandError | None


class Standing(Struct, frozen=True):
    """How an account stands."""

    busy: bool
    reply: str
    hidden: bool
    role: str


class UserDirectory:
    """The state and the sessions. Tier 1 lock: nothing else is locked or sent while it is held."""

    def __init__(self, state: State) -> None:
        self.state = state
        """The log thread's; whoever else reads it holds the lock."""
        self._lock = threading.Lock()
        self._sessions: dict[int, Session] = {}

    # -- any thread --

    @contextmanager
    def looking(self) -> Iterator[State]:
        """Hold the lock and lend the state, to be looked at only."""
        with self._lock:
            yield self.state

    def in_turns(self, things: Sequence[Thing], look: Callable[[State, Thing], T]) -> list[T]:
        """Look at many things, some at a time, and return what was found: the log thread, which
        changes all of it, need not wait until the last of them was looked at."""
        found: list[T] = []
        for at in range(0, len(things), _AT_ONCE):
            if at:
                time.sleep(0)  # a lock that is taken again at once lets nobody else have it
            with self._lock:
                found += [look(self.state, each) for each in things[at : at + _AT_ONCE]]
        return found

    def enter(self, session: Session) -> None:
        """Have a session known by its number; it is here once it has come."""
        with self._lock:
            self._sessions[session.id] = session

    def remove(self, session: Session) -> None:
        """Forget a session that has gone, or has never come."""
        with self._lock:
            self._sessions.pop(session.id, None)

    def account_id(self, name: str) -> int | None:
        """Return the number of the account that has this name now; None for one not known yet."""
        with self._lock:
            account = self.state.account(name)
            return None if account is None else account.id

    def sessions(self) -> tuple[Session, ...]:
        """Return every session that is here."""
        with self._lock:
            return tuple(each for each in self._sessions.values() if each.here)

    def numbered(self, ids: Sequence[int]) -> tuple[Session, ...]:
        """Return the sessions with these numbers that there still are."""
        with self._lock:
            found = map(self._sessions.get, ids)
            return tuple(each for each in found if each is not None)

    def sessions_of(self, account: int) -> tuple[Session, ...]:
        """Return the sessions of an account that are here."""
        with self._lock:
            found = self.state.accounts.get(account)
            ids = () if found is None else found.sessions
            return tuple(self._sessions[each] for each in ids if each in self._sessions)

    def here(self, but: int) -> tuple[Here, ...]:
        """Return the visible accounts that are here, in order of name, without `but`."""
        now = time.monotonic()

        def look(_: State, each: Account) -> Here | None:
            if each.id == but or not each.visible:
                return None
            return Here(name=each.name, busy=each.busy, idle_seconds=self._idle(each, now))

        with self._lock:
            visible = tuple(self.state.visible())
        return tuple(filter(None, self.in_turns(visible, look)))

    def seen(self, within: float) -> tuple[Seen, ...]:
        """Return who was visibly here in the last `within` seconds, the latest first."""
        now = time.time()

        def look(_: State, each: Account) -> tuple[int, str, Seen] | None:
            ago = _ago(each, now)
            here = each.visible
            if each.deleted is not None or not (here or (bool(each.seen_at) and ago <= within)):
                return None
            return ago, each.folded, Seen(name=each.name, online=here, seconds_ago=ago)

        with self._lock:
            accounts = tuple(self.state.accounts.values())
        found = sorted(filter(None, self.in_turns(accounts, look)))
        return tuple(seen for _, _, seen in found)

    def standing(self, account: int) -> Standing:
        """Return how an account stands. Raises KeyError for one that there never was."""
        with self._lock:
            found = self.state.accounts[account]
            return Standing(found.busy, found.reply, found.hidden, found.role)

    def talks(self, account: int, others: Sequence[int]) -> tuple[Stretch, ...]:
        """Return the direct conversations of an account with others: with one, all those in which
        both are; with several, or oneself, the one that these people have among themselves."""
        with self._lock:
            if len(others) == 1 and others[0] != account:
                found = list(self.state.conversations_of(account, others[0]))
            else:
                one = self.state.direct(tuple(sorted({account, *others})))
                found = [] if one is None else [one]
            return tuple(Stretch(each.id, each.members[account].since) for each in found)

    def window(self, session: Session, upto: int, placed: Placed | None = None) -> Window:
        """Return what a session lacks of the messages up to `upto`, while it is held: as its
        account stood where it was `placed`, or else as it stands now."""
        with self._lock:
            account = self.state.accounts[session.account_id]
            stays, ended = self.state.stays(account), account.ended
            if placed is not None:
                stays, ended = placed.stays, placed.ended
            behind = min(session.cursor, session.own_cursor)
            conversations = self.state.conversations
            stretches = tuple(
                Stretch(number, since)
                for number, since in stays
                # One that was left since, and is no more, has nothing to show either.
                if number in conversations and conversations[number].newest > behind
            )
        ends = tuple(each for each in ended if behind < each <= upto)
        return session.window(stretches, upto, ends)

    def visible_count(self) -> int:
        """Return how many accounts others can see to be here."""
        with self._lock:
            return self.state.visible_count

    def _idle(self, account: Account, now: float) -> int:
        sessions = (self._sessions.get(each) for each in account.sessions)
        last = [each.connection.last_command for each in sessions if each is not None]
        return int(now - max(last, default=now))

    # -- the log thread only --

    def apply(self, batch: Sequence[Applied]) -> None:
        """Apply items in their order and put what follows into each `result`."""
        with self._lock:
            state = self.state
            for each in batch:
                each.result = apply(state, each.item)

    def take_back(self) -> None:
        """Have everything as it was before what is not on disk and not kept."""
        with self._lock:
            self.state.take_back()


def _ago(account: Account, now: float) -> int:
    if account.visible or not account.seen_at:
        return 0
    return max(0, int(now - account.seen_at / 1000))  # the clock may have been set back
