"""The state: what it remembers of itself is what could be found out anew, and a batch that is taken
back has never been."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chatserver.order.apply import apply, refused_without_room
from chatserver.order.records import Account, Conversation, Member, Target
from chatserver.order.state import State, first_state

from .histories import History, histories


def plain(value: Any) -> Any:
    """Return all that a state is made of as values that can be compared."""
    if isinstance(value, Account | Conversation | Member | Target):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        fields.pop("audience", None)  # may be forgotten
        return plain(fields)
    if isinstance(value, dict):
        return {plain(key): plain(each) for key, each in value.items()}
    return value.copy() if isinstance(value, set | list) else value


def picture(state: State) -> dict[str, Any]:
    """Return everything in a state; of what is unsaved, what must not be written for nothing."""
    found = {name: plain(value) for name, value in vars(state).items() if name != "_busy"}
    unsaved = found.pop("unsaved")
    for name in ("messages", "changes", "edited", "erased", "reactions", "mentions", "invitations"):
        found[name] = plain(getattr(unsaved, name)).copy()
    for name in ("deleted", "forgotten", "gone", "conversations", "members"):
        found[name] = plain(getattr(unsaved, name)).copy()
    return found


@given(histories(), st.lists(st.integers(1, 5), min_size=1), st.lists(st.booleans(), min_size=1))
def test_what_is_taken_back_has_never_been(
    history: History, sizes: list[int], refused: list[bool]
) -> None:
    state, left = first_state(), list(history.items)
    turn = 0
    while left:
        size, full = sizes[turn % len(sizes)], refused[turn % len(refused)]
        batch, left = left[:size], left[size:]
        turn += 1
        if full:
            before = picture(state)
            for each in batch:
                apply(state, each)
            state.take_back()
            after = picture(state)
            assert after == before
            assert set(state.unsaved.accounts) <= set(state.accounts)
            batch = [each for each in batch if not refused_without_room(each)]
        for each in batch:
            apply(state, each)
        if full:
            state.kept()
        else:
            state.saved()


@given(histories(), st.booleans())
def test_what_is_kept_ready_is_what_would_be_found(history: History, take_back: bool) -> None:
    state = first_state()
    for each in history.items:
        if take_back:
            apply(state, each)
            state.take_back()
            consistent(state)
        apply(state, each)
        state.saved()
        consistent(state)


def consistent(state: State) -> None:
    accounts = state.accounts.values()
    for conversation in state.conversations.values():
        ready = state.audience(conversation)
        conversation.audience = None
        assert ready == state.audience(conversation)
        for number, member in conversation.members.items():
            assert (conversation.id in state.accounts[number].member_of) == (member.left is None)
    seen = sorted((each for each in accounts if each.visible), key=lambda each: each.folded)
    assert list(state.visible()) == seen
    assert state.visible_count == len(seen)
    assert state.online("") == tuple(each.name for each in seen)
    for one in seen:
        assert state.online(one.folded) == tuple(each.name for each in seen if each is not one)
    busy = {each.name: each.reply for each in accounts if each.busy and each.visible}
    assert state.busy_replies() == busy
    for account in accounts:
        assert (account.seen_at is None) == account.visible
        assert (state.account(account.name) is account) == (account.deleted is None)
