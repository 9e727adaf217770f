"""From where an account may come without its password: devices that have a token."""

from chatserver.order.items import (
    DeviceMade,
    DeviceSeen,
    DevicesEnded,
    Subscribed,
    Unsubscribed,
)
from chatserver.order.outcome import Outcome, Refused
from chatserver.order.rules.common import gone
from chatserver.order.state import State


def made(state: State, item: DeviceMade) -> Outcome:
    """There is one more; of too many the one goes that was not seen for longest."""
    account = state.accounts.get(item.account)
    if account is None or account.deleted is not None:
        return gone(state)
    while item.most and len(account.devices) >= item.most:
        devices = [state.devices[each] for each in account.devices]
        state.remove_device(min(devices, key=lambda each: (each.seen, each.number)))
    state.add_device(account, item.token, item.password, item.address, item.client)
    return Outcome(state.seq)


def seen(state: State, item: DeviceSeen) -> Outcome:
    """Somebody has come from one."""
    device = state.devices.get(item.token)
    if device is None:
        return Refused(state.seq, code="logged_out", text="This device was logged out.")
    state.change_device(device, seen=state.at, address=item.address)
    return Outcome(state.seq)


def ended(state: State, item: DevicesEnded) -> Outcome:
    """They are logged out."""
    for token in item.tokens:
        device = state.devices.get(token)
        if device is not None:
            state.remove_device(device)
    return Outcome(state.seq)


def subscribed(state: State, item: Subscribed) -> Outcome:
    """One is reached by a push service, and what is reached there is that one alone: a browser in
    which somebody else has logged in since does not get what is for who was there before."""
    device = state.devices.get(item.token)
    if device is None:
        return Refused(state.seq, code="logged_out", text="This device was logged out.")
    _forget(state, item.endpoint, but=item.token)
    state.change_device(device, endpoint=item.endpoint, push=item.push)
    return Outcome(state.seq)


def unsubscribed(state: State, item: Unsubscribed) -> Outcome:
    """None is reached there."""
    _forget(state, item.endpoint)
    return Outcome(state.seq)


def _forget(state: State, endpoint: str, but: str = "") -> None:
    for device in tuple(state.reached.values()):
        if device.endpoint == endpoint and device.token != but:
            state.change_device(device, endpoint="", push="")
