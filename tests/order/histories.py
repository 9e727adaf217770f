"""Random histories as a server could have them: every kind of item, by accounts that may not be
there, from sessions of which each is one account's and comes at most once."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

from chatserver.order.items import (
    AccountDeleted,
    AccountMade,
    Acked,
    Alive,
    Busy,
    Came,
    Ended,
    Hidden,
    Idle,
    Item,
    Purged,
    Reason,
    Said,
    Shown,
    Started,
    Trimmed,
    Went,
)
from chatserver.order.records import LOBBY_ID

NAMES = ("alice", "bob", "Carol", "dave")


@dataclass
class History:
    """Items, and whose each session is that comes in them."""

    items: list[Item] = field(default_factory=list)
    owners: dict[int, int] = field(default_factory=dict)
    _at: int = 0

    def session(self, account: int, which: int) -> int:
        """Return one of the sessions of an account; one that never comes if it has none."""
        its = [each for each, owner in self.owners.items() if owner == account]
        return its[which % len(its)] if its else 1000 + account

    def add(self, kind: type[Item], account: int, n: int, others: list[int], step: int) -> None:
        """Have something of a kind happen; `n`, `others` and `step` fill in what it needs."""
        at = self._at = self._at + step  # the clock may be set back
        session = self.session(account, n)
        key = (None, None, "k", "l")[n % 4]
        seqs = tuple(each + n % 4 for each in others)  # of the first, so that there are some
        item: Item
        if kind is Came:
            number = len(self.owners) + 1
            self.owners[number] = account
            name = NAMES[(account - 1) % 4]
            name = name.upper() if n % 5 == 0 else name
            item = Came(at=at, account=account, session=number, name=name)
        elif kind is Said:
            room = LOBBY_ID if n % 2 else None
            to = () if n % 2 else tuple(dict.fromkeys(others))
            text = f"{len(self.items)}"
            item = Said(
                at=at, account=account, session=session, text=text, room=room, to=to, key=key
            )
        elif kind is Ended:
            reasons: tuple[Reason, ...] = ("removed", "disabled", "password")
            item = Ended(at=at, account=account, sessions=(session,), reason=reasons[n % 3])
        elif kind in (Hidden, Shown, AccountDeleted):
            item = kind(at=at, account=account)
        else:
            item = {
                Started: Started(at=at, seen_at=at),
                Alive: Alive(at=at, rest=float(n)),
                Went: Went(at=at, account=account, session=session, acked=n),
                Busy: Busy(at=at, account=account, reply=f"reply {n}"),
                Idle: Idle(at=at, account=account, session=session),
                Acked: Acked(at=at, account=account, upto=n),
                AccountMade: AccountMade(at=at, name=NAMES[n % 4]),
                Trimmed: Trimmed(at=at, seqs=seqs),
                Purged: Purged(at=at, seqs=seqs),
            }[kind]
        self.items.append(item)


KINDS: tuple[type[Item], ...] = (
    *((Said,) * 10 + (Came,) * 3 + (Busy, Busy, Idle, Idle, Went)),
    *(Hidden, Shown, Ended, AccountDeleted, AccountMade, Acked, Alive, Trimmed, Purged, Started),
)
ACCOUNTS = st.integers(1, 4)


@st.composite
def histories(draw: st.DrawFn, most: int = 50) -> History:
    """Give a history that begins with some accounts, of which some are here."""
    history = History()
    for n in range(4):
        history.add(AccountMade, 1, n, [1], 1)
    for account in (1, 2, 2, 3):
        history.add(Came, account, 1, [1], 1)
    rest = st.tuples(
        st.sampled_from(KINDS),
        ACCOUNTS,
        st.integers(0, 20),
        st.lists(ACCOUNTS, min_size=1, max_size=2),
        st.integers(-1, 5),
    )
    # Long ones find more than many: what somebody does has to meet what was done before.
    for each in draw(st.lists(rest, min_size=most // 2, max_size=most)):
        history.add(*each)
    return history
