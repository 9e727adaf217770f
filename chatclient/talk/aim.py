"""Which message is meant by edit, delete, react and reply, and where an answer goes.

That is settled when it is typed: what is sent later, over another link, means the same.
"""

import re
from typing import Final

from chatclient.talk.conversation import Conversation
from chatclient.talk.recent import Recent, Remembered
from chatclient.talk.request import Request
from chatwire.text import one_line
from chatwire.usage import TAKE_BACK, UsageError

_OWN: Final = ("edit", "delete")
_OTHERS: Final = ("react", "reply")
AIMED: Final = frozenset({*_OWN, *_OTHERS, "answer"})
"""The requests that mean a message which need not be named."""

_TO_CORRECT: Final = re.compile(r"(/?)edit(?:\s+\^([0-9]{1,18}))?\s*", re.IGNORECASE)

_NOT_THERE_YET: Final = "What you said last is not on the server yet; do that when it is."


def aimed(
    request: Request, conversation: Conversation | None, recent: Recent, *, waiting: bool
) -> Request:
    """Return a request with the message that it means: the last one in a `conversation`, or
    anywhere. `waiting`: what was said there last has no number yet. Raises UsageError."""
    if request.op == "answer":
        to = recent.last_private()
        return request if to is None else to.request(str(request.fields["text"]))
    if request.op not in (*_OWN, *_OTHERS):
        return request
    target = request.fields.get("target")
    if not isinstance(target, int):
        if waiting and request.op in _OWN:
            raise UsageError(_NOT_THERE_YET)
        last = _last_reacted if request.fields.get("on") is False else _last
        target = last(request, conversation, recent).seq
    found = recent.find(target)
    if request.op == "reply" and found is not None:
        return _reply(found, str(request.fields["text"]))
    return Request(request.op, request.fields | {"target": target})


def to_correct(line: str, conversation: Conversation | None, recent: Recent) -> str | None:
    """Return the line that corrects a message, to be edited, where `edit` was typed alone.

    Raises UsageError where no message of one's own is known that it could mean.
    """
    found = _TO_CORRECT.fullmatch(line.strip())
    if found is None or (conversation is not None and not found[1]):
        return None
    if found[2] is None:
        own = _last(Request("edit", {}), conversation, recent)
    else:
        picked = recent.find(int(found[2]))
        if picked is None or not picked.own:
            number = f"^{found[2]}"
            raise UsageError(
                f"{number} is no message of yours that is known here: history -n shows their"
                f" numbers, and edit {number} with new words corrects it all the same."
            )
        own = picked
    return None if own.whole is None else f"{found[1]}edit ^{own.seq} {own.whole}"


def _last(request: Request, conversation: Conversation | None, recent: Recent) -> Remembered:
    own = request.op in _OWN
    found = recent.last(conversation, own=own)
    if found is None:
        where = "" if conversation is None else f" in {conversation.title}"
        who = "that you have said" if own else "of somebody else"
        raise UsageError(
            f"No message {who}{where} is known here: pick one by its number, which history -n"
            f" shows, as in {request.op} ^12."
        )
    return found


def _last_reacted(
    request: Request, conversation: Conversation | None, recent: Recent
) -> Remembered:
    reaction = str(request.fields["reaction"])
    found = recent.last_reacted(conversation, reaction)
    if found is None:
        where = "" if conversation is None else f" in {conversation.title}"
        raise UsageError(
            f"No message{where} is known here that has your {one_line(reaction[:40])}: pick one by"
            f" its number, which history -n shows, as in react ^12 {TAKE_BACK}👍."
        )
    return found


def _reply(to: Remembered, text: str) -> Request:
    return Request("send", {**to.conversation.place, "text": text, "reply_to": to.seq})
