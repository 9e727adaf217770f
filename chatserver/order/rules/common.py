"""What several rules need: refusals, notices, and how a change is noted."""

from collections.abc import Sequence

from chatserver.order.items import Act
from chatserver.order.outcome import Change, Changed, ChangeKind, Notice, Refused, Told
from chatserver.order.records import Account, Conversation
from chatserver.order.state import State
from chatwire.events import PresenceState
from chatwire.replies import Room


def sender_of(state: State, act: Act) -> Account | None:
    """Return who acts, if its session is here."""
    account = state.accounts.get(act.account)
    return account if account is not None and act.session in account.sessions else None


def gone(state: State) -> Refused:
    """Return the refusal of what an account asks for that is no more."""
    return Refused(state.seq, code="kicked", text="This account was removed by the operator.")


def notice(state: State, account: Account, change: PresenceState) -> tuple[Notice, ...]:
    """Have the others told how an account stands now."""
    return (Notice(account.id, account.name, change, state.visible_count),)


def is_repeat(state: State, act: Act) -> int | None:
    """Return as what number this has happened before, if its key says so."""
    return None if act.key is None else state.keys.get((act.account, act.key))


def repeated(seq: int) -> Changed:
    """Return the outcome of what has happened before."""
    return Changed(seq, duplicate=True)


def changed(*told: Told, room: Room | None = None) -> Changed:
    """Return the outcome of what has happened now: the changes, the asker's own first."""
    return Changed(told[0].change.seq, changes=told, room=room)


def not_allowed(state: State, text: str) -> Refused:
    """Return the refusal of what a role or a limit does not allow."""
    return Refused(state.seq, code="not_allowed", text=text)


def names(state: State, conversation: Conversation, but: int) -> tuple[str, ...]:
    """Return who else is in a direct conversation; oneself, where nobody is."""
    others = [each for each in conversation.people if each != but] or conversation.people
    return tuple([state.accounts[each].name for each in others])


def note(
    state: State,
    conversation: Conversation,
    by: Account,
    kind: ChangeKind,
    *,
    target: int | None = None,
    who: Account | None = None,
    value: str = "",
    reads: str | None = None,
    key: str | None = None,
    mentions: tuple[int, ...] = (),
    also: Sequence[int] = (),
) -> Told:
    """Give a change its number, have it stored, and return whom to tell.

    `reads` is what a message reads now, which is told and not stored here; `also` are sessions of
    others than the members.
    """
    seq = state.seq + 1
    if target is None:
        audience = state.audience(conversation)
    else:
        audience = state.readers(conversation, target)
    others = tuple(each for each in also if each not in audience)
    if key is not None:
        state.use_key(by.id, key, seq)
    state.add_change(
        conversation,
        (
            seq,
            state.at,
            conversation.id,
            by.id,
            kind,
            target,
            None if who is None else who.id,
            value,
            key,
        ),
    )
    change = Change(
        seq=seq,
        at=state.at,
        kind=kind,
        by=by.name,
        room=conversation.name,
        to=() if conversation.kind == "room" else names(state, conversation, by.id),
        target=target,
        name=None if who is None else who.name,
        value=value if reads is None else reads,
        mentions=tuple([state.accounts[each].name for each in mentions]),
    )
    return Told(change, audience + others if others else audience)
