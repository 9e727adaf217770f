"""From committed messages to outboxes. Everything here runs in the log thread.

A run of messages to the room is rendered and joined once per renderer, and every recipient's
outbox gets a reference to those same bytes, so that the cost of a crowd is one append and one
send each, however many messages there are.

The answers go first, each with what the directory says at that moment; then the recipients are
served. So how long an answer takes says nothing about who is hidden.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from chatserver.errors import CommandError
from chatserver.sessions.connection import Connection
from chatserver.sessions.directory import UserDirectory
from chatserver.sessions.session import Session
from chatserver.speech import Answer, Asked, Renderer, rendered
from chatwire.names import LOBBY, fold
from chatwire.protocol import BroadcastReply, Message, SendReply, timestamp

_log = logging.getLogger(__name__)

_FAULT: Final = CommandError(
    "internal", "Something went wrong on the server; look whether it was sent before you try again."
)


class Post:
    """A message on its way through the log: from a handler thread, for the log thread.

    `to` is None for the room. The log fills in `seq`, `at` and `duplicate` when it has been
    committed, or `error` when it could not be; then it is `answered`, then `delivered`.
    """

    __slots__ = (
        "answered",
        "at",
        "delivered",
        "duplicate",
        "error",
        "key",
        "origin",
        "request",
        "seq",
        "text",
        "to",
        "unknown",
    )

    def __init__(
        self,
        origin: Session,
        request: Asked | None,
        text: str,
        key: str | None,
        to: tuple[str, ...] | None = None,
        unknown: tuple[str, ...] = (),
    ) -> None:
        self.origin = origin
        self.request = request
        self.text = text
        self.key = key
        self.to = to
        self.unknown = unknown
        self.seq = 0
        self.at = 0
        self.duplicate = False
        self.error: CommandError | None = None
        self.answered = False
        self.delivered = False

    def event(self) -> Message:
        """Return the message as its readers get it."""
        message = Message(
            seq=self.seq, at=timestamp(self.at), sender=self.origin.account, text=self.text
        )
        if self.to is None:
            message.room = LOBBY
        else:
            message.to = self.to
        return message


class Delivery:
    """Answers senders and fills outboxes; `drain` then sends, once per outbox and batch."""

    def __init__(self, directory: UserDirectory) -> None:
        self._directory = directory
        self._touched: set[Connection] = set()

    def deliver(self, posts: Sequence[Post]) -> None:
        """Answer and deliver messages between which nobody came, went, hid or became busy."""
        for post in posts:
            if post.error is None:
                post.origin.note_said(post.seq)
        self._answer(posts)
        run: list[Post] = []
        for post in posts:
            if post.error is not None or post.duplicate:
                post.delivered = True
            elif post.to is None:
                run.append(post)
            else:
                self._to_room(run)
                run = []
                self._to_accounts(post)
        self._to_room(run)

    def abandon(self, posts: Iterable[Post]) -> None:
        """End what could not be finished, after a fault in the middle.

        Whoever waits for an answer gets an error. Whoever may lack a message that is on disk is
        cut off before anything follows it, comes back, and has it replayed.
        """
        for post in posts:
            connection = post.origin.connection
            if not post.answered:
                self._answer_one(connection, [post], lambda _: _FAULT.event())
            if post.seq and post.error is None and not post.delivered:
                for session in self._recipients(post):
                    session.connection.cut()
                post.delivered = True

    def drain(self) -> None:
        """Send what the batch put into outboxes."""
        touched, self._touched = self._touched, set()
        for connection in touched:
            try:
                connection.drain()
            except BaseException:
                connection.cut()
                _log.exception("an outbox could not be drained")

    def _answer(self, posts: Sequence[Post]) -> None:
        busy = self._directory.busy_replies()
        senders: dict[Connection, list[Post]] = {}
        for post in posts:
            senders.setdefault(post.origin.connection, []).append(post)
        for connection, its in senders.items():
            self._answer_one(connection, its, lambda post: self._reply(post, busy))

    def _answer_one(
        self,
        connection: Connection,
        posts: Sequence[Post],
        reply: Callable[[Post], Answer],
    ) -> None:
        """Answer what came on one connection; where that fails it is ended. Raises nothing."""
        try:
            answers = [self._rendered_answer(post, reply) for post in posts]
            connection.push_bytes(b"".join(answers), ahead=True)
            connection.drain()
        except BaseException:
            connection.cut()
            _log.exception("a message could not be answered")
        for post in posts:
            post.answered = True
            connection.answered()

    def _rendered_answer(self, post: Post, reply: Callable[[Post], Answer]) -> bytes:
        renderer, account = post.origin.connection.renderer, post.origin.account
        try:
            return renderer.answer(post.request, reply(post), account)
        except Exception:
            _log.exception("an answer could not be rendered as %s", renderer.name)
            return renderer.answer(post.request, _FAULT.event(), account)

    def _reply(self, post: Post, busy: Mapping[str, str]) -> Answer:
        if post.error is not None:
            return post.error.event()
        reply: BroadcastReply | SendReply
        if post.to is None:
            others = {name: text for name, text in busy.items() if fold(name) != post.origin.key}
            reply = BroadcastReply(seq=post.seq, busy=others)
        else:
            reply = self._send_reply(post, post.to)
        if post.duplicate:
            reply.duplicate = True
        return reply

    def _send_reply(self, post: Post, to: tuple[str, ...]) -> SendReply:
        delivered, stored, busy = [], [], {}
        for name in to:
            recipient = self._directory.recipient(fold(name))
            if fold(name) == post.origin.key:
                delivered.append(name)
            elif not recipient.visible or post.duplicate:
                stored.append(name)
            elif recipient.busy:
                busy[name] = recipient.reply
            else:
                delivered.append(name)
        return SendReply(
            seq=post.seq,
            delivered=tuple(delivered),
            stored=tuple(stored),
            busy=busy,
            unknown=post.unknown,
        )

    def _to_room(self, run: list[Post]) -> None:
        if not run:
            return
        events = [post.event() for post in run]
        senders = {post.origin for post in run}
        frames: dict[Renderer, list[bytes]] = {}
        joined: dict[Renderer, bytes] = {}
        newest = run[-1].seq
        for session in self._directory.lobby():
            connection = session.connection
            renderer = connection.renderer
            if renderer not in joined:
                frames[renderer] = [rendered(renderer, event) for event in events]
                joined[renderer] = b"".join(frames[renderer])
            data = joined[renderer]
            if session in senders and not renderer.traits.echoes:
                data = b"".join(
                    frame
                    for frame, post in zip(frames[renderer], run, strict=True)
                    if post.origin is not session
                )
                if not data:
                    continue
            self._push(connection, data, newest)
        for post in run:
            post.delivered = True

    def _to_accounts(self, post: Post) -> None:
        event = post.event()
        for session in self._recipients(post):
            connection = session.connection
            data = rendered(connection.renderer, event, session.account)
            self._push(connection, data, post.seq)
        post.delivered = True

    def _recipients(self, post: Post) -> list[Session]:
        """Return who is to be shown a message now: nobody who is busy, nor, where there is no
        echo, who said it."""
        echoes = post.origin.connection.renderer.traits.echoes
        if post.to is None:
            return [each for each in self._directory.lobby() if each is not post.origin or echoes]
        to = {fold(name) for name in post.to}
        return [
            session
            for key in to | {post.origin.key}
            for recipient in (self._directory.recipient(key),)
            if not recipient.busy
            for session in recipient.sessions
            if session is not post.origin or key in to or echoes
        ]

    def _push(self, connection: Connection, data: bytes, seq: int) -> None:
        """Queue a message; whoever it cannot be queued for is ended, the others get theirs."""
        try:
            connection.push_bytes(data, seq)
        except BaseException:
            connection.cut()
            _log.exception("a message could not be queued")
        self._touched.add(connection)
