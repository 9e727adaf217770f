"""What a screen asks and tells the server by itself: what is unread, what was read, who is here.

Everything happens in the asyncio loop of `terminal`.
"""

import time
from collections.abc import Callable
from typing import Final

from chatclient.talk.attention import Attention
from chatclient.talk.conversation import Conversation, conversation_of, room_left
from chatclient.talk.request import Request
from chatclient.talk.unread import Unread
from chatwire.events import Deleted, Edited, Error, Event, Message, Reacted, ReadOn, RoomChanged
from chatwire.replies import ConversationsReply, Reply
from chatwire.usage import Value

_ACTIVE_SECONDS: Final = 60.0
"""How often the server is told, at most, that somebody presses keys."""

_WRITING_SECONDS: Final = 3.0
"""How often the server is told, at most, that somebody writes."""

_HELD_IS_NEWS_FOR: Final = 10.0
"""While busy, a key asks how much is held, if that was not known for so many seconds."""

_MOST_AT_ONCE: Final = 20
"""Conversations of which is told at once, at most, that they were read."""


class Upkeep:
    """Knows what waits to be read; what it asks has answers that nobody is shown."""

    def __init__(
        self,
        me: str,
        can: frozenset[str],
        unread: Unread,
        post: Callable[[Request], int],
        tell: Callable[[Request], None],
    ) -> None:
        """`can` are the requests that the server takes; `post` sends one, and `tell` one that has
        no answer and may be lost."""
        self._me = me
        self._can = can
        self._unread = unread
        self._post = post
        self._tell = tell
        self._attention = Attention()
        self._asked: dict[int, tuple[Conversation, int] | None] = {}  # what was told as read
        self._held_at = 0.0
        self._active_at: float | None = None
        self._wrote_at: float | None = None

    def begin(self) -> None:
        """Ask what waits, after a login."""
        self._ask("conversations")

    def key(self, here: Conversation | None, rows: int, *, busy: bool) -> None:
        """Note that somebody who talks `here` pressed a key: what was shown on the last `rows` is
        read by that."""
        now = time.monotonic()
        for conversation, upto in self._attention.key(now, here, rows):
            self._unread.read(conversation, upto)
        if self._active_at is None or now >= self._active_at + _ACTIVE_SECONDS:
            self._active_at = now
            if "read" in self._can:  # a server that knows of reading knows of `active`
                self._ask("ping", active=True)
        if busy and now > self._held_at + _HELD_IS_NEWS_FOR:
            self._held_at = now
            self._asked[self._post(Request("status", {}))] = None

    def wrote(self, conversation: Conversation) -> None:
        """Note that somebody is writing what is going to be said there."""
        now = time.monotonic()
        due = self._wrote_at is None or now >= self._wrote_at + _WRITING_SECONDS
        if due and "typing" in self._can:
            self._wrote_at = now
            self._tell(Request("typing", conversation.place))

    def shown(self, event: Event, lines: int) -> None:
        """Note that something was shown, in so many lines."""
        if isinstance(event, Message | Edited | Deleted | Reacted | RoomChanged):
            conversation = conversation_of(event, self._me)
            if conversation is not None and self._attention.shown(
                conversation, event.seq, time.monotonic()
            ):
                self._unread.read(conversation, event.seq)
        self._attention.printed(lines)

    def opened(self, conversation: Conversation, seq: int) -> None:
        """Note that somebody went to a conversation and was shown it up to a number."""
        if self._attention.opened(conversation, seq, time.monotonic()):
            self._unread.read(conversation, seq)

    def read(self, conversation: Conversation | None, upto: int) -> None:
        """Note that a conversation, or all of them, was read elsewhere or by a command."""
        self._attention.read(conversation, upto)
        self._unread.read(conversation, upto)

    def tick(self) -> None:
        """Tell the server what was read; called each second while there is a link."""
        due = self._attention.due() if "read" in self._can else None
        if due is not None:
            conversation, upto = due
            number = self._post(Request("read", conversation.past | {"upto": upto}))
            self._asked[number] = due

    def flush(self) -> None:
        """Tell now what was read: at the end, and before it is asked what was not."""
        for _ in range(_MOST_AT_ONCE):
            self.tick()

    def hear(self, event: Event) -> None:
        """Take what changes what waits."""
        match event:
            case Message():
                self._unread.hear(event)
            case Edited() | Deleted():
                self._unread.change(event)
            case ConversationsReply():
                self._unread.learn(event)
            case ReadOn():
                self.read(conversation_of(event, self._me), event.upto)
            case RoomChanged() if (room := room_left(event, self._me)) is not None:
                self._unread.forget(room)

    def answers(self, event: Event) -> bool:
        """Tell whether this is the answer to something that was asked here."""
        if not isinstance(event, Reply | Error) or event.re not in self._asked:
            return False
        assert isinstance(event.re, int)
        told = self._asked.pop(event.re)
        if told is not None and isinstance(event, Error) and event.code == "link_lost":
            self._attention.shown(*told, time.monotonic())  # once more on the next link
        return True

    def _ask(self, op: str, **fields: Value) -> None:
        if op in self._can:
            self._asked[self._post(Request(op, fields))] = None
