"""Random histories as a server could have them: every kind of item, by accounts that may not be
there, from sessions of which each is one account's and comes at most once."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

from chatserver.order.items import (
    AccountDeleted,
    AccountMade,
    AccountRole,
    Acked,
    Act,
    Again,
    Alive,
    Busy,
    Came,
    DeviceMade,
    DeviceSeen,
    DevicesEnded,
    Edited,
    Ended,
    Erased,
    Hidden,
    Idle,
    Invited,
    Item,
    Joined,
    Left,
    Muted,
    Purged,
    Reacted,
    Read,
    Reason,
    Removed,
    RoleGiven,
    RoomMade,
    RoomSet,
    RoomsForgotten,
    Said,
    Shown,
    Started,
    TopicSet,
    Trimmed,
    Went,
)
from chatserver.order.records import LOBBY_ID
from chatwire.events import Role

ROOMS = ("ops", "web", "Ops", "den")
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

    def token(self, which: int) -> str:
        """Return one of the tokens that were given; none of them if none was."""
        given = [each.token for each in self.items if isinstance(each, DeviceMade)]
        return given[which % len(given)] if given else "none"

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
            room = (LOBBY_ID, 2, 3)[n % 3] if n % 2 else None
            to = () if n % 2 else tuple(dict.fromkeys(others))
            text = f"{NAMES[n % 4]}, {len(self.items)}"
            item = Said(
                at=at,
                account=account,
                session=session,
                text=text,
                room=room,
                to=to,
                key=key,
                reply_to=n if n % 7 == 0 else None,
            )
        elif issubclass(kind, Act):
            item = self._act(kind, n, others, at, account, session, key)
        elif kind is Read:
            places = tuple(each + n % 3 for each in others)
            item = Read(at=at, account=account, session=session, conversations=places, upto=n)
        elif kind is Ended:
            reasons: tuple[Reason, ...] = ("removed", "disabled", "password", "revoked")
            item = Ended(at=at, account=account, sessions=(session,), reason=reasons[n % 4])
        elif kind in (Hidden, Shown, AccountDeleted):
            item = kind(at=at, account=account)
        else:
            item = {
                Started: Started(at=at, seen_at=at),
                Alive: Alive(at=at, rest=float(n)),
                Went: Went(at=at, account=account, session=session, acked=n),
                Busy: Busy(at=at, account=account, reply=f"reply {n}"),
                Idle: Idle(at=at, account=account, session=session),
                Acked: Acked(at=at, account=account, upto=n, read=n % 2 == 0),
                DeviceMade: DeviceMade(
                    at=at,
                    account=account,
                    token=f"token {len(self.items)}",
                    password="",
                    address="::1",
                    client="",
                    most=2,
                ),
                DeviceSeen: DeviceSeen(at=at, token=self.token(n), address="::2"),
                DevicesEnded: DevicesEnded(at=at, tokens=(self.token(n), self.token(n + 1))),
                AccountMade: AccountMade(at=at, name=NAMES[n % 4]),
                AccountRole: AccountRole(
                    at=at, account=account, role="admin" if n % 2 else "member"
                ),
                Trimmed: Trimmed(at=at, seqs=seqs),
                RoomsForgotten: RoomsForgotten(at=at, rooms=(n % 6, n % 6 + 1)),
                Purged: Purged(at=at, seqs=seqs),
            }[kind]
        self.items.append(item)

    def _act(
        self,
        kind: type[Item],
        n: int,
        others: list[int],
        at: int,
        account: int,
        session: int,
        key: str | None,
    ) -> Item:
        """Return something that somebody does in a room or to a message."""
        who = Act(at=at, account=account, session=session, key=key)
        common = {each: getattr(who, each) for each in who.__struct_fields__}
        # The lobby, the first rooms and direct conversations, and some that there are not.
        room, other, target = n % 4 + 1, others[0], n + 1
        roles: tuple[Role, ...] = ("owner", "moderator", "member")
        details: dict[type[Item], dict[str, object]] = {
            RoomMade: {"name": ROOMS[n % 4], "most": 3, "access": "closed" if n % 3 else "open"},
            RoomSet: {"room": room, "access": "open" if n % 3 else "closed"},
            TopicSet: {"room": room, "topic": f"topic {n % 3}"},
            Joined: {"room": room, "most": 3 if n % 5 == 0 else 0},
            Left: {"room": room},
            Invited: {"room": room, "who": other},
            Removed: {"room": room, "who": other, "reason": "why" if n % 2 else ""},
            RoleGiven: {"room": room, "who": other, "role": roles[n % 3]},
            Muted: {"room": room, "who": other, "minutes": n % 3},
            Edited: {"target": target, "text": f"{NAMES[n % 4]} {len(self.items)}"},
            Erased: {"target": target, "since": at - 5 if n % 5 == 0 else 0},
            Again: {"said": n % 3 > 0},
            Reacted: {"target": target, "reaction": "+1", "on": n % 3 > 0, "most": 2},
        }
        return kind(**common, **details[kind])


KINDS: tuple[type[Item], ...] = (
    *((Said,) * 10 + (Came,) * 3 + (Busy, Busy, Idle, Idle, Went)),
    *(RoomMade, RoomMade, RoomSet, TopicSet, Joined, Joined, Joined, Left, Invited, Invited),
    *(Removed, RoleGiven, Muted, Edited, Edited, Erased, Reacted, Reacted, Read, AccountRole),
    *(Hidden, Shown, Ended, AccountDeleted, AccountMade, Acked, Alive, Trimmed, Purged, Started),
    *(DeviceMade, DeviceMade, DeviceSeen, DevicesEnded),
    *(Again, Left, RoomsForgotten, RoomsForgotten),
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
