"""Accounts: made, given a role, deleted."""

from chatserver.order.items import AccountDeleted, AccountMade, AccountRole
from chatserver.order.outcome import Outcome, Refused, Registered, Revoked, Told
from chatserver.order.records import LOBBY_ID
from chatserver.order.rules import rooms
from chatserver.order.rules.common import notice
from chatserver.order.state import State


def account_made(state: State, item: AccountMade) -> Outcome:
    """There is an account of that name."""
    account = state.account(item.name) or state.add_account(item.name)
    return Registered(state.seq, account=account.id)


def account_deleted(state: State, item: AccountDeleted) -> Outcome:
    """An account is gone for good, and out of every room."""
    account = state.accounts.get(item.account)
    if account is None or account.deleted is not None:
        return Revoked(state.seq)
    sessions, seen = account.sessions, account.visible
    told: list[Told] = []
    for number in account.member_of:
        room = state.conversations[number]
        if room.kind == "room" and number != LOBBY_ID:
            told += rooms.depart(state, room, account)
    for room in tuple(state.rooms()):
        if account.id in room.invited:
            state.invite(room, account.id, 0)
    lobby = state.conversations[LOBBY_ID]
    if lobby.member(account.id) is not None:
        state.end_member(lobby, account, state.seq)
    for token in account.devices:
        state.remove_device(state.devices[token])
    state.remove_account(account)
    notices = notice(state, account, "offline") if seen else ()
    return Revoked(state.seq, notices, tuple(told), sessions=sessions)


def account_role(state: State, item: AccountRole) -> Outcome:
    """Somebody is an admin of the server, or is so no longer."""
    account = state.accounts.get(item.account)
    if account is None or account.deleted is not None:
        return Refused(state.seq, code="no_such_user", text="There is no such account any more.")
    state.set(account, "role", item.role)
    state.touch(account)
    return Outcome(state.seq)
