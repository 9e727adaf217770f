"""What is said, corrected, taken back and reacted to."""

import re
from collections.abc import Sequence
from typing import Final

from chatserver.order.items import Act, Again, Edited, Erased, Reacted, Said
from chatserver.order.outcome import Changed, Delivered, Outcome, Refused
from chatserver.order.records import LOBBY_ID, Account, Conversation, Target
from chatserver.order.rules import rooms
from chatserver.order.rules.common import (
    changed,
    gone,
    is_repeat,
    not_allowed,
    note,
    repeated,
    sender_of,
)
from chatserver.order.state import State
from chatwire.names import WORD

_MINUTE_MS: Final = 60_000

_WORD: Final = re.compile(WORD)

_NEARLY: Final = bytes(
    ord(chr(at).lower()) if at < 128 and (chr(at).isalnum() or chr(at) in "._-") else ord(" ")
    for at in range(256)
)
"""What makes words of ASCII, folded, without regard to what stands around them: all that may be
names are among these."""

_NO_MESSAGE: Final = "There is no such message that you can read."


def said(state: State, item: Said) -> Outcome:
    """Something is said, once, by who may speak there."""
    sender = sender_of(state, item)
    if sender is None:
        return gone(state)
    if item.room is None:
        return _said_to(state, item, sender)
    room = state.conversations.get(item.room)
    if room is None or room.name is None:
        return _said_before(state, item, sender) or rooms.no_such_room(state, room)
    outcome = Delivered(state.seq, sender=sender.name, room=room.name, lobby=room.id == LOBBY_ID)
    if item.key is not None and _is_said(state, item, outcome):
        return outcome
    refusal = speaking_refused(state, room, sender)
    if refusal is None and item.reply_to is not None:
        refusal = _reply_refused(state, item.reply_to, sender, room)
    if refusal is not None:
        return refusal
    mentions = _mentions(state, room, item.text, sender)
    _write(state, item, room, outcome, mentions)
    busy = state.busy_replies()
    if busy:
        # To the lobby everybody who is busy answers; elsewhere only who is meant.
        outcome.busy = {
            name: reply
            for name, reply in busy.items()
            if name != sender.name and (outcome.lobby or name in outcome.mentions)
        }
    return outcome


def _said_to(state: State, item: Said, sender: Account) -> Outcome:
    accounts = state.accounts
    to = [each for each in map(accounts.get, item.to) if each is not None and each.deleted is None]
    if not to:
        return _said_before(state, item, sender) or Refused(
            state.seq, code="no_such_user", text="Nobody has these names any more."
        )
    outcome = Delivered(state.seq, sender=sender.name, to=tuple([each.name for each in to]))
    if item.key is None or not _is_said(state, item, outcome):
        people = tuple(sorted({sender.id, *[each.id for each in to]}))
        conversation = state.direct(people)
        if item.reply_to is not None:
            refusal = _reply_refused(state, item.reply_to, sender, conversation)
            if refusal is not None:
                return refusal
        conversation = conversation or state.add_conversation("direct", people=people)
        _write(
            state, item, conversation, outcome, _mentions(state, conversation, item.text, sender)
        )
    if (
        len(to) == 1
        and to[0] is not sender
        and to[0].visible
        and not (to[0].busy or outcome.duplicate)
    ):
        outcome.delivered = outcome.to  # nearly always
        return outcome
    _sort(outcome, sender, to)
    return outcome


def _sort(outcome: Delivered, sender: Account, to: Sequence[Account]) -> None:
    """Tell to whom a message was shown, for whom it waits, and who is busy."""
    delivered, stored, busy = [], [], {}
    for each in to:
        if each is sender:
            outcome.to_self = True
            delivered.append(each.name)
        elif outcome.duplicate or not each.visible:
            stored.append(each.name)
        elif each.busy:
            busy[each.name] = each.reply
        else:
            delivered.append(each.name)
    outcome.delivered, outcome.stored, outcome.busy = tuple(delivered), tuple(stored), busy


def _said_before(state: State, item: Act, sender: Account) -> Delivered | None:
    """Return the outcome of what was said before, if it was, whatever has become of the place."""
    known = is_repeat(state, item)
    return None if known is None else Delivered(known, sender=sender.name, duplicate=True)


def _is_said(state: State, item: Said, outcome: Delivered) -> bool:
    """Tell whether the key says that this was said before, and as which message."""
    known = is_repeat(state, item)
    if known is not None:
        outcome.seq, outcome.duplicate = known, True
    return outcome.duplicate


def _write(
    state: State,
    item: Said,
    conversation: Conversation,
    outcome: Delivered,
    mentions: tuple[int, ...],
) -> None:
    """Give what was said its number, and have it stored and shown."""
    seq = outcome.seq = state.seq + 1
    outcome.at, outcome.audience = state.at, state.audience(conversation)
    if mentions:
        outcome.mentions = tuple([state.accounts[each].name for each in mentions])
    if item.key is not None:
        state.use_key(item.account, item.key, seq)
    state.add_message(
        conversation,
        (
            seq,
            state.at,
            conversation.id,
            item.account,
            item.kind,
            item.text,
            item.reply_to,
            item.key,
        ),
        mentions,
    )


def _mentions(
    state: State, conversation: Conversation, text: str, sender: Account
) -> tuple[int, ...]:
    """Return the others in a conversation whose names are in a text as whole words."""
    if text.isascii():  # nearly always; and nearly always nobody is named, which is found out fast
        near = text.encode().translate(_NEARLY).decode().split()
        if "." in text or "-" in text or "_" in text:
            near += [each.strip("._-") for each in near]
        if state.is_nobody(near):
            return ()
    text = text.lower()
    words = _WORD.findall(text)
    # At the end of a sentence a name has a stop behind it, which could be part of another.
    words += [each.rstrip("._-") for each in words if each[-1] in "._-"]
    found = state.mentioned(conversation, words)
    return tuple([each for each in found if each != sender.id]) if found else ()


def again(state: State, item: Again) -> Outcome:
    """Something is asked for that cannot be done, and was done before or not."""
    sender = sender_of(state, item)
    if sender is None:
        return gone(state)
    if item.said:
        found: Outcome | None = _said_before(state, item, sender)
    else:
        known = is_repeat(state, item)
        found = None if known is None else repeated(known)
    return found or Refused(state.seq, text="That cannot be done, and has not been done before.")


# -- what was said --


def edited(state: State, item: Edited) -> Outcome:
    """The words of one's own message are others now."""
    found = _ready(state, item)
    if isinstance(found, Outcome):
        return found
    by, target, conversation = found
    if target.sender != by.id:
        return not_allowed(state, "You can correct only what you have said yourself.")
    if target.at < item.since:
        return _too_late(state)
    refusal = speaking_refused(state, conversation, by)
    if refusal is not None:
        return refusal
    mentions = _mentions(state, conversation, item.text, by)
    state.unsaved.edited.append((item.text, state.at, item.target))
    state.unsaved.mentions[item.target] = conversation.id, mentions
    state.reindex(item.target)
    told = note(
        state,
        conversation,
        by,
        "edit",
        target=item.target,
        reads=item.text,
        key=item.key,
        mentions=mentions,
    )
    return changed(told)


def erased(state: State, item: Erased) -> Outcome:
    """The words of a message are gone: one's own, or a moderator thinks better so."""
    found = _ready(state, item)
    if isinstance(found, Outcome):
        return found
    by, target, conversation = found
    moderates = conversation.kind == "room" and rooms.rank(conversation, by) > 0
    if not moderates and target.sender != by.id:
        return not_allowed(
            state, "You can delete only what you have said yourself; in a room its moderators can."
        )
    if not moderates and target.at < item.since:
        return _too_late(state)
    state.aim(item.target, Target(target.conversation, target.sender, target.at, deleted=True))
    state.unsaved.erased.append((state.at, item.target))
    state.unsaved.mentions[item.target] = conversation.id, ()
    state.unsaved.edited[:] = [each for each in state.unsaved.edited if each[2] != item.target]
    state.reindex(item.target)
    told = note(state, conversation, by, "delete", target=item.target, key=item.key)
    return changed(told)


def reacted(state: State, item: Reacted) -> Outcome:
    """Somebody reacts to a message, or takes that back."""
    found = _ready(state, item)
    if isinstance(found, Outcome):
        return found
    by, target, conversation = found
    mine = (by.id, item.reaction)
    if (mine in target.reactions) == item.on:
        return Changed(state.seq)
    refusal = muted_refused(state, conversation, by)
    if refusal is not None:
        return refusal
    others = target.reactions - {mine}
    if item.on and 0 < item.most <= sum(account == by.id for account, _ in others):
        return not_allowed(state, f"You have reacted to that {item.most} times; that is enough.")
    reactions = target.reactions | {mine} if item.on else others
    state.aim(
        item.target,
        Target(target.conversation, target.sender, target.at, reactions=frozenset(reactions)),
    )
    state.unsaved.reactions.append((item.target, by.id, item.reaction, item.on))
    told = note(
        state,
        conversation,
        by,
        "react" if item.on else "unreact",
        target=item.target,
        value=item.reaction,
        key=item.key,
    )
    return changed(told)


def _ready(
    state: State, item: Edited | Erased | Reacted
) -> tuple[Account, Target, Conversation] | Outcome:
    """Return who changes something, the message and where it was said, or why nothing follows: it
    has happened before, or there is no such message for him."""
    by = sender_of(state, item)
    if by is None:
        return gone(state)
    known = is_repeat(state, item)
    if known is not None:
        return repeated(known)
    found = _aim(state, item.target, by)
    return found if isinstance(found, Refused) else (by, *found)


# -- who may --


def speaking_refused(state: State, room: Conversation, sender: Account) -> Refused | None:
    """Return why somebody may not speak somewhere, if so."""
    if room.kind != "room":
        return None
    member = room.members.get(sender.id)
    if member is None or member.left is not None:
        return rooms.not_a_member(state, room, sender)
    if room.speaking == "moderators" and rooms.rank(room, sender) < 1:
        return not_allowed(state, f"Only moderators speak in #{room.name}.")
    return muted_refused(state, room, sender) if member.muted > state.at else None


def muted_refused(state: State, room: Conversation, sender: Account) -> Refused | None:
    """Return the refusal of somebody who is muted there, if so."""
    member = room.member(sender.id)
    if member is None or member.muted <= state.at:
        return None
    minutes = -(-(member.muted - state.at) // _MINUTE_MS)
    unit = "minute" if minutes == 1 else "minutes"
    return Refused(
        state.seq, code="muted", text=f"You are muted in #{room.name} for {minutes} more {unit}."
    )


def _reply_refused(
    state: State, reply_to: int, sender: Account, conversation: Conversation | None
) -> Refused | None:
    """Return why a message may not be answered there, if so: it is to have been said there."""
    found = _aim(state, reply_to, sender)
    if isinstance(found, Refused):
        return found
    if found[1] is not conversation:
        return Refused(
            state.seq,
            code="bad_request",
            text="That message was said elsewhere; answer it where it was said.",
        )
    return None


def _aim(state: State, seq: int, by: Account) -> tuple[Target, Conversation] | Refused:
    """Return a message that somebody in its conversation can read, and that has its words yet.

    What one may not read is refused like what there is not.
    """
    target = state.target(seq)
    conversation = None if target is None else state.conversations.get(target.conversation)
    if target is None or conversation is None or not _may_read(conversation, by, seq):
        return Refused(state.seq, code="no_such_message", text=_NO_MESSAGE)
    if conversation.member(by.id) is None:
        return rooms.not_a_member(state, conversation, by)
    if target.deleted:
        return Refused(state.seq, code="no_such_message", text="That message was deleted.")
    return target, conversation


def _may_read(place: Conversation, account: Account, seq: int) -> bool:
    """Tell whether somebody can read a message of a conversation: also who is outside can, in an
    open room that has all of its past."""
    member = place.member(account.id)
    if member is None:
        anybody = place.kind == "room" and place.access == "open" and place.deleted is None
        return anybody and place.history == "all"
    return place.history == "all" or seq > member.since


def _too_late(state: State) -> Refused:
    return Refused(
        state.seq, code="too_late", text="It is too late to change that; say something new."
    )
