"""From committed messages to outboxes. Everything here runs in the log thread.

A run of messages to the room is rendered and joined once per dialect, and every recipient's
outbox gets a reference to those same bytes, so that the cost of a crowd is one append and one
send each, however many messages there are.

The answers go first, each with what the directory says at that moment; then the recipients are
served. So how long an answer takes says nothing about who is hidden.
"""

import logging
from collections.abc import Mapping, Sequence

from chatserver.connection import Connection, Renderer
from chatserver.directory import UserDirectory
from chatserver.errors import CommandError
from chatserver.session import Session
from chatwire.names import LOBBY, fold
from chatwire.protocol import BroadcastReply, Error, Event, Message, Reply, SendReply, timestamp

_log = logging.getLogger(__name__)


class Post:
    """A message on its way through the log: from a handler thread, for the log thread.

    `to` is None for the room. The log fills in `seq`, `at` and `duplicate` when it has been
    committed, or `error` when it could not be.
    """

    __slots__ = (
        "at",
        "duplicate",
        "error",
        "key",
        "origin",
        "re",
        "seq",
        "text",
        "to",
        "unknown",
    )

    def __init__(
        self,
        origin: Session,
        re: int | None,
        text: str,
        key: str | None,
        to: tuple[str, ...] | None = None,
        unknown: tuple[str, ...] = (),
    ) -> None:
        self.origin = origin
        self.re = re
        self.text = text
        self.key = key
        self.to = to
        self.unknown = unknown
        self.seq = 0
        self.at = 0
        self.duplicate = False
        self.error: CommandError | None = None

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
        self._answer(posts)
        fresh = [post for post in posts if post.error is None and not post.duplicate]
        run: list[Post] = []
        for post in fresh:
            if post.to is None:
                run.append(post)
                continue
            self._to_room(run)
            run = []
            self._to_accounts(post)
        self._to_room(run)

    def drain(self) -> None:
        """Send what the batch put into outboxes."""
        touched, self._touched = self._touched, set()
        for connection in touched:
            connection.drain()

    def _answer(self, posts: Sequence[Post]) -> None:
        busy = self._directory.busy_replies()
        senders: dict[Connection, list[bytes]] = {}
        for post in posts:
            connection = post.origin.connection
            event = answer(post.re, self._reply(post, busy))
            rendered = _render(connection.renderer, event, post.origin.account)
            senders.setdefault(connection, []).append(rendered)
        for connection, answers in senders.items():
            connection.push_bytes(b"".join(answers))
            connection.drain()
            for _ in answers:
                connection.answered()

    def _reply(self, post: Post, busy: Mapping[str, str]) -> Reply | CommandError:
        if post.error is not None:
            return post.error
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
                frames[renderer] = [_render(renderer, event) for event in events]
                joined[renderer] = b"".join(frames[renderer])
            data = joined[renderer]
            if session in senders:
                data = b"".join(
                    frame
                    for frame, post in zip(frames[renderer], run, strict=True)
                    if post.origin is not session
                )
                if not data:
                    continue
            connection.push_bytes(data, newest)
            self._touched.add(connection)
        for post, event in zip(run, events, strict=True):
            self._to_busy_sender(post, event)

    def _to_busy_sender(self, post: Post, event: Message) -> None:
        """Show what a busy account says to its other sessions: only others' words are held."""
        sender = self._directory.recipient(post.origin.key)
        if sender.busy:
            for session in sender.sessions:
                if session is not post.origin:
                    self._push(session, event, seq=0)

    def _to_accounts(self, post: Post) -> None:
        event = post.event()
        to = {fold(name) for name in post.to or ()}
        for key in to | {post.origin.key}:
            recipient = self._directory.recipient(key)
            own = key == post.origin.key
            if recipient.busy and not own:
                continue
            for session in recipient.sessions:
                if session is not post.origin or key in to:
                    # A busy account's position stays where its held messages begin.
                    self._push(session, event, seq=0 if recipient.busy else post.seq)

    def _push(self, session: Session, event: Message, seq: int) -> None:
        connection = session.connection
        connection.push_bytes(_render(connection.renderer, event, session.account), seq)
        self._touched.add(connection)


def _render(renderer: Renderer, event: Event, viewer: str = "") -> bytes:
    """Return the event as bytes, or none when that fails: a bug must not keep it from others."""
    try:
        return renderer.render(event, viewer)
    except Exception:
        _log.exception("an event could not be rendered as %s", renderer.name)
        return b""


def answer(re: int | None, result: Reply | CommandError) -> Reply | Error:
    """Return the event that answers request `re`: the reply, or the error in its wire form."""
    event: Reply | Error
    if isinstance(result, CommandError):
        event = Error(code=result.code, text=result.text)
        if result.attempts_left is not None:
            event.attempts_left = result.attempts_left
        if result.retry_after is not None:
            event.retry_after = result.retry_after
    else:
        event = result
    if re is not None:
        event.re = re
    return event
