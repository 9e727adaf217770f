"""The server itself: that it started, that it runs, and what it deletes."""

from chatserver.order.items import Alive, Purged, RoomsForgotten, Started, Trimmed
from chatserver.order.outcome import Outcome
from chatserver.order.state import State


def started(state: State, item: Started) -> Outcome:
    """Whatever sessions there were have ended."""
    for account in state.accounts.values():
        if account.sessions:
            state.see(account, sessions=())
        if account.seen_at is None or account.seen_at > item.seen_at:
            state.set(account, "seen_at", item.seen_at)
            state.touch(account)
    return Outcome(state.seq)


def alive(state: State, item: Alive) -> Outcome:
    """The server runs."""
    state.unsaved.alive = item.at, item.rest
    return Outcome(state.seq)


def trimmed(state: State, item: Trimmed) -> Outcome:
    """What is old is deleted."""
    state.delete(item.seqs, item.changes)
    return Outcome(state.seq)


def rooms_forgotten(state: State, item: RoomsForgotten) -> Outcome:
    """Rooms that were deleted leave nothing behind."""
    for number in item.rooms:
        room = state.conversations.get(number)
        if room is not None and room.deleted is not None:
            state.forget_room(room)
    return Outcome(state.seq)


def purged(state: State, item: Purged) -> Outcome:
    """What was deleted is nowhere any more."""
    state.note_purged(item.seqs)
    return Outcome(state.seq)
