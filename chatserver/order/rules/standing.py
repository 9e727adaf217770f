"""Who is here and how they stand, how far they have been given everything, and have read."""

from collections.abc import Iterable

from chatserver.order.items import Acked, Busy, Came, Ended, Hidden, Idle, Read, Shown, Went
from chatserver.order.outcome import Arrived, Notice, Outcome, ReadOn, Revoked, Turned
from chatserver.order.records import LOBBY_ID, Account
from chatserver.order.rules.common import gone, names, notice
from chatserver.order.state import State


def came(state: State, item: Came) -> Outcome:
    """Somebody logs in."""
    account = state.accounts.get(item.account)
    if account is None or account.deleted is not None:
        return gone(state)
    lobby = state.conversations[LOBBY_ID]
    if item.lobby and account.id not in lobby.members:
        state.add_member(lobby, account, since=state.seq)
    changes: dict[str, object] = {"sessions": (*account.sessions, item.session)}
    if item.name != account.name:
        changes["name"] = item.name  # as its owner spells it now
    appeared = state.see(account, **changes) > 0
    return Arrived(
        state.seq,
        stays=state.stays(account),
        ended=account.ended,
        notices=_appearance(state, account) if appeared else (),
        acked=account.acked,
        since=lobby.members[account.id].since if account.id in lobby.members else 0,
        busy=account.busy,
        hidden=account.hidden,
        online=state.online(account.folded),
        invited=tuple(
            each.name for each in state.rooms() if account.id in each.invited and each.name
        ),
    )


def went(state: State, item: Went) -> Outcome:
    """A session ends by itself."""
    account = state.accounts.get(item.account)
    if account is None or item.session not in account.sessions:
        return Outcome(state.seq)
    _ack(state, account, item.acked)
    rest = tuple(each for each in account.sessions if each != item.session)
    step = state.see(account, sessions=rest)
    return Outcome(state.seq, notices=notice(state, account, "offline") if step < 0 else ())


def ended(state: State, item: Ended) -> Outcome:
    """Sessions are ended by others."""
    account = state.accounts.get(item.account)
    over = () if account is None else tuple(x for x in item.sessions if x in account.sessions)
    if account is None or not over:
        return Revoked(state.seq)
    rest = tuple(each for each in account.sessions if each not in over)
    step = state.see(account, sessions=rest)
    return Revoked(state.seq, notice(state, account, "offline") if step < 0 else (), sessions=over)


def busy(state: State, item: Busy) -> Outcome:
    """Words are held back from now on."""
    account = state.accounts.get(item.account)
    if account is None or account.deleted is not None:
        return gone(state)
    first = not account.busy
    state.see(account, busy=True, reply=item.reply)
    notices = notice(state, account, "busy") if first and account.visible else ()
    return Turned(state.seq, notices, sessions=account.sessions if first else ())


def idle(state: State, item: Idle) -> Outcome:
    """They are no longer."""
    account = state.accounts.get(item.account)
    if account is None or account.deleted is not None:
        return gone(state)
    if not account.busy:
        return Turned(state.seq)
    state.see(account, busy=False, reply="")
    notices = notice(state, account, "idle") if account.visible else ()
    return Turned(
        state.seq,
        notices,
        stays=state.stays(account),
        ended=account.ended,
        sessions=account.sessions,
    )


def hidden(state: State, item: Hidden | Shown) -> Outcome:
    """An account looks logged out, or no longer."""
    account = state.accounts.get(item.account)
    if account is None or account.deleted is not None:
        return gone(state)
    step = state.see(account, hidden=isinstance(item, Hidden))
    if step > 0:
        return Outcome(state.seq, _appearance(state, account))
    return Outcome(state.seq, notice(state, account, "offline") if step < 0 else ())


def acked(state: State, item: Acked) -> Outcome:
    """Programs have been given everything so far."""
    account = state.accounts.get(item.account)
    if account is not None:
        _ack(state, account, item.upto)
        if item.read:
            _read(state, account, account.member_of, item.upto)
    return Outcome(state.seq)


def read(state: State, item: Read) -> Outcome:
    """A person has looked at some conversations: the account's other sessions are told."""
    account = state.accounts.get(item.account)
    if account is None or item.session not in account.sessions:
        return gone(state)
    upto = min(item.upto, state.seq)
    read_on = _read(state, account, item.conversations, upto)
    return ReadOn(
        state.seq,
        conversations=tuple(
            (each.name, () if each.kind == "room" else names(state, each, account.id))
            for each in map(state.conversations.__getitem__, read_on)
        ),
        upto=upto,
        sessions=tuple(each for each in account.sessions if each != item.session),
    )


def _read(
    state: State, account: Account, conversations: Iterable[int], upto: int
) -> tuple[int, ...]:
    """Note that conversations have been read; return those in which there was something to read."""
    read_on = []
    for number in conversations:
        conversation = state.conversations.get(number)
        member = None if conversation is None else conversation.member(account.id)
        if conversation is None or member is None:
            continue
        if member.read < min(upto, conversation.newest):
            state.change_member(member, read=upto)
            read_on.append(number)
    return tuple(read_on)


def _ack(state: State, account: Account, upto: int) -> None:
    if account.acked < upto <= state.seq:
        state.set(account, "acked", upto)
        state.touch(account)


def _appearance(state: State, account: Account) -> tuple[Notice, ...]:
    """Tell that somebody is here: in the same way after a login and after hiding."""
    online = notice(state, account, "online")
    return (*online, *notice(state, account, "busy")) if account.busy else online
