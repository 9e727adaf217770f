"""What follows from an item: a pure function of it and of everything before it.

No clock, file, socket or setting is looked at, so that every machine that applies the same items in
the same order has the same state, and a history that is applied again ends as it did. What depends
on anything else is checked before an item is put into the order.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

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
    Said,
    Shown,
    Started,
    Trimmed,
    Went,
)
from chatserver.order.outcome import (
    Arrived,
    Delivered,
    Notice,
    Outcome,
    Refused,
    Registered,
    Revoked,
    Turned,
)
from chatserver.order.state import LOBBY_ID, Account, Conversation, State
from chatwire.protocol import PresenceState


def apply(state: State, item: Item) -> Outcome:
    """Change the state by what happened and return what follows. Raises KeyError for an item that
    is not known: whoever does not know what happened must not go on."""
    rule = _RULES[type(item)]
    state.applied += 1
    state.at = max(state.at, item.at)
    return rule(state, item)


def refused_without_room(item: Item) -> bool:
    """Tell whether an item has no effect when the disk is full; the others wait in memory."""
    return isinstance(item, Said | Trimmed | AccountDeleted)


# -- what is said --


def _said(state: State, item: Said) -> Outcome:
    sender = state.accounts.get(item.account)
    if sender is None or item.session not in sender.sessions:
        return _gone(state)
    if item.room is None:
        return _said_to(state, item, sender)
    room = state.conversations.get(item.room)
    member = None if room is None else room.members.get(sender.id)
    if room is None or member is None or member.left is not None:
        return Refused(state.seq, code="bad_request", text="There is no such room.")
    busy = {name: reply for name, reply in state.busy_replies().items() if name != sender.name}
    said = Delivered(state.seq, sender=sender.name, room=room.name, busy=busy)
    if not _is_repeat(state, item, said):
        _write(state, item, room, said)
    return said


def _said_to(state: State, item: Said, sender: Account) -> Outcome:
    accounts = state.accounts
    to = [each for each in map(accounts.get, item.to) if each is not None and each.deleted is None]
    if not to:
        return Refused(state.seq, code="no_such_user", text="Nobody has these names any more.")
    said = Delivered(state.seq, sender=sender.name, to=tuple([each.name for each in to]))
    if not _is_repeat(state, item, said):
        people = tuple(sorted({sender.id, *[each.id for each in to]}))
        conversation = state.direct(people) or state.add_conversation("direct", people=people)
        _write(state, item, conversation, said)
    if (
        len(to) == 1
        and to[0] is not sender
        and to[0].visible
        and not (to[0].busy or said.duplicate)
    ):
        said.delivered = said.to  # nearly always
        return said
    _sort(said, sender, to)
    return said


def _sort(said: Delivered, sender: Account, to: Sequence[Account]) -> None:
    """Tell to whom a message was shown, for whom it waits, and who is busy."""
    delivered, stored, busy = [], [], {}
    for each in to:
        if each is sender:
            said.to_self = True
            delivered.append(each.name)
        elif said.duplicate or not each.visible:
            stored.append(each.name)
        elif each.busy:
            busy[each.name] = each.reply
        else:
            delivered.append(each.name)
    said.delivered, said.stored, said.busy = tuple(delivered), tuple(stored), busy


def _is_repeat(state: State, item: Said, said: Delivered) -> bool:
    """Tell whether the key says that this was said before, and as which message."""
    if item.key is not None:
        known = state.keys.get((item.account, item.key))
        if known is not None:
            said.seq, said.duplicate = known, True
    return said.duplicate


def _write(state: State, item: Said, conversation: Conversation, said: Delivered) -> None:
    """Give what was said its number, and have it stored and shown."""
    said.seq, said.at, said.audience = state.seq + 1, state.at, state.audience(conversation)
    if item.key is not None:
        state.use_key(item.account, item.key, said.seq)
    state.add_message(
        conversation,
        (said.seq, state.at, conversation.id, item.account, item.kind, item.text, None, item.key),
    )


# -- who is here, and how they stand --


def _came(state: State, item: Came) -> Outcome:
    account = state.accounts.get(item.account)
    if account is None or account.deleted is not None:
        return _gone(state)
    lobby = state.conversations[LOBBY_ID]
    if account.id not in lobby.members:
        state.add_member(lobby, account, since=state.seq)
    changes: dict[str, object] = {"sessions": (*account.sessions, item.session)}
    if item.name != account.name:
        changes["name"] = item.name  # as its owner spells it now
    appeared = state.see(account, **changes) > 0
    return Arrived(
        state.seq,
        notices=_appearance(state, account) if appeared else (),
        acked=account.acked,
        since=lobby.members[account.id].since,
        busy=account.busy,
        hidden=account.hidden,
        online=state.online(account.folded),
    )


def _went(state: State, item: Went) -> Outcome:
    account = state.accounts.get(item.account)
    if account is None or item.session not in account.sessions:
        return Outcome(state.seq)
    _ack(state, account, item.acked)
    rest = tuple(each for each in account.sessions if each != item.session)
    step = state.see(account, sessions=rest)
    return Outcome(state.seq, notices=_notice(state, account, "offline") if step < 0 else ())


def _ended(state: State, item: Ended) -> Outcome:
    account = state.accounts.get(item.account)
    gone = () if account is None else tuple(x for x in item.sessions if x in account.sessions)
    if account is None or not gone:
        return Revoked(state.seq)
    rest = tuple(each for each in account.sessions if each not in gone)
    step = state.see(account, sessions=rest)
    return Revoked(state.seq, _notice(state, account, "offline") if step < 0 else (), gone)


def _busy(state: State, item: Busy) -> Outcome:
    account = state.accounts.get(item.account)
    if account is None or account.deleted is not None:
        return _gone(state)
    first = not account.busy
    state.see(account, busy=True, reply=item.reply)
    notices = _notice(state, account, "busy") if first and account.visible else ()
    return Turned(state.seq, notices, account.sessions if first else ())


def _idle(state: State, item: Idle) -> Outcome:
    account = state.accounts.get(item.account)
    if account is None or account.deleted is not None:
        return _gone(state)
    if not account.busy:
        return Turned(state.seq)
    state.see(account, busy=False, reply="")
    notices = _notice(state, account, "idle") if account.visible else ()
    return Turned(state.seq, notices, account.sessions)


def _hidden(state: State, item: Hidden | Shown) -> Outcome:
    account = state.accounts.get(item.account)
    if account is None or account.deleted is not None:
        return _gone(state)
    step = state.see(account, hidden=isinstance(item, Hidden))
    if step > 0:
        return Outcome(state.seq, _appearance(state, account))
    return Outcome(state.seq, _notice(state, account, "offline") if step < 0 else ())


def _acked(state: State, item: Acked) -> Outcome:
    account = state.accounts.get(item.account)
    if account is not None:
        _ack(state, account, item.upto)
    return Outcome(state.seq)


# -- accounts --


def _account_made(state: State, item: AccountMade) -> Outcome:
    account = state.account(item.name) or state.add_account(item.name)
    return Registered(state.seq, account=account.id)


def _account_deleted(state: State, item: AccountDeleted) -> Outcome:
    account = state.accounts.get(item.account)
    if account is None or account.deleted is not None:
        return Revoked(state.seq)
    sessions, seen = account.sessions, account.visible
    state.remove_account(account)
    notices = _notice(state, account, "offline") if seen else ()
    return Revoked(state.seq, notices, sessions)


# -- the server itself --


def _started(state: State, item: Started) -> Outcome:
    for account in state.accounts.values():
        if account.sessions:
            state.see(account, sessions=())
        if account.seen_at is None or account.seen_at > item.seen_at:
            state.set(account, "seen_at", item.seen_at)
            state.touch(account)
    return Outcome(state.seq)


def _alive(state: State, item: Alive) -> Outcome:
    state.unsaved.alive = item.at, item.rest
    return Outcome(state.seq)


def _trimmed(state: State, item: Trimmed) -> Outcome:
    state.delete_messages(item.seqs)
    return Outcome(state.seq)


def _purged(state: State, item: Purged) -> Outcome:
    state.note_purged(item.seqs)
    return Outcome(state.seq)


# -- parts --


def _ack(state: State, account: Account, upto: int) -> None:
    if account.acked < upto <= state.seq:
        state.set(account, "acked", upto)
        state.touch(account)


def _appearance(state: State, account: Account) -> tuple[Notice, ...]:
    """Tell that somebody is here: in the same way after a login and after hiding."""
    online = _notice(state, account, "online")
    return (*online, *_notice(state, account, "busy")) if account.busy else online


def _notice(state: State, account: Account, change: PresenceState) -> tuple[Notice, ...]:
    return (Notice(account.id, account.name, change, state.visible_count),)


def _gone(state: State) -> Refused:
    return Refused(state.seq, code="kicked", text="This account was removed by the operator.")


_RULES: Final[dict[type[Item], Callable[[State, Any], Outcome]]] = {
    Said: _said,
    Came: _came,
    Went: _went,
    Busy: _busy,
    Idle: _idle,
    Hidden: _hidden,
    Shown: _hidden,
    Acked: _acked,
    AccountMade: _account_made,
    AccountDeleted: _account_deleted,
    Started: _started,
    Alive: _alive,
    Ended: _ended,
    Trimmed: _trimmed,
    Purged: _purged,
}
