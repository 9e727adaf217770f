"""What follows from an item: a pure function of it and of everything before it.

No clock, file, socket or setting is looked at, so that every machine that applies the same items in
the same order has the same state, and a history that is applied again ends as it did. What depends
on anything else is checked before an item is put into the order. The rules are in `rules`, by
subject; this is the table of them.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from chatserver.order import items
from chatserver.order.items import Act, Again, Edited, Erased, Item, Reacted, Said
from chatserver.order.outcome import Outcome
from chatserver.order.rules import accounts, devices, rooms, standing, talk, upkeep
from chatserver.order.state import State


def apply(state: State, item: Item) -> Outcome:
    """Change the state by what happened and return what follows. Raises KeyError for an item that
    is not known: whoever does not know what happened must not go on."""
    rule = _RULES[type(item)]
    state.applied += 1
    state.at = max(state.at, item.at)
    return rule(state, item)


def refused_without_room(item: Item) -> bool:
    """Tell whether an item has no effect when the disk is full; the others wait in memory."""
    return isinstance(item, _REFUSED) and type(item) is not Again  # which writes nothing


def needs(items: Iterable[Item]) -> tuple[list[tuple[int, str]], list[tuple[int, int]]]:
    """Return which keys and messages on disk some items may be decided by: each account with its
    key, and each message with the account that names it. What there is of them belongs into
    `State.keys` and `State.targets` before the items are applied."""
    keys, targets = [], []
    for item in items:
        if not isinstance(item, Act):
            continue
        if item.key is not None:
            keys.append((item.account, item.key))
        if type(item) is Said:  # nearly always
            if item.reply_to is not None:
                targets.append((item.reply_to, item.account))
        elif isinstance(item, Edited | Erased | Reacted):
            targets.append((item.target, item.account))
    return keys, targets


_REFUSED: Final = (
    Act,
    items.Trimmed,
    items.RoomsForgotten,
    items.AccountDeleted,
    items.AccountRole,
    items.DeviceMade,
    items.DevicesEnded,
    items.Subscribed,
)
_RULES: Final[dict[type[Item], Callable[[State, Any], Outcome]]] = {
    items.Said: talk.said,
    items.Edited: talk.edited,
    items.Erased: talk.erased,
    items.Reacted: talk.reacted,
    items.Again: talk.again,
    items.RoomMade: rooms.made,
    items.RoomSet: rooms.set_up,
    items.TopicSet: rooms.topic_set,
    items.Joined: rooms.joined,
    items.Left: rooms.left,
    items.Invited: rooms.invited,
    items.Removed: rooms.removed,
    items.RoleGiven: rooms.role_given,
    items.Muted: rooms.muted,
    items.Read: standing.read,
    items.Came: standing.came,
    items.Went: standing.went,
    items.Busy: standing.busy,
    items.Idle: standing.idle,
    items.Hidden: standing.hidden,
    items.Shown: standing.hidden,
    items.Acked: standing.acked,
    items.Ended: standing.ended,
    items.AccountMade: accounts.account_made,
    items.AccountRole: accounts.account_role,
    items.AccountDeleted: accounts.account_deleted,
    items.DeviceMade: devices.made,
    items.DeviceSeen: devices.seen,
    items.DevicesEnded: devices.ended,
    items.Subscribed: devices.subscribed,
    items.Unsubscribed: devices.unsubscribed,
    items.Started: upkeep.started,
    items.Alive: upkeep.alive,
    items.Trimmed: upkeep.trimmed,
    items.RoomsForgotten: upkeep.rooms_forgotten,
    items.Purged: upkeep.purged,
}
