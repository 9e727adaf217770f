"""From a batch that is on disk to outboxes. Everything here runs in the log thread.

Everything happens in its order: messages are shown, sessions come, go, begin and end to hold back.
Of messages between which nothing else happened, the answers go first. Those to the same audience
that follow each other are rendered and joined once for each renderer, and every recipient's outbox
gets a reference to those same bytes, so that the cost of a crowd is one append and one send each,
however many messages there are.

What an answer says was settled when the item was applied. So how long it takes says nothing about
who is hidden.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from chatserver.errors import CommandError
from chatserver.order.items import Act, Said
from chatserver.order.outcome import Changed, Delivered, Outcome, ReadOn, Refused
from chatserver.order.pending import Entry, Question, Waiter
from chatserver.order.presence import Presence
from chatserver.search.events import event_of_change
from chatserver.sessions.connection import Connection
from chatserver.sessions.directory import UserDirectory
from chatserver.sessions.session import Session
from chatserver.speech import Answer, Renderer, rendered
from chatwire.events import Message
from chatwire.events import ReadOn as ReadEvent
from chatwire.protocol import timestamp
from chatwire.replies import BroadcastReply, ChangeReply, RoomReply, SendReply

_log = logging.getLogger(__name__)

_FAULT: Final = CommandError(
    "internal", "Something went wrong on the server; look whether it was sent before you try again."
)


_MADE: Final = (Delivered, Changed)
"""What a session may have made happen itself. (A union would be made anew at each look.)"""

_AUDIENCES: Final = 256
"""Audiences whose sessions are known without looking; those of sessions that have gone, too."""


class Delivery:
    """Answers who asked and tells whom it concerns; outboxes are sent once a batch."""

    def __init__(
        self,
        directory: UserDirectory,
        presence: Presence,
        alert: Callable[[Sequence[Entry]], None] | None = None,
    ) -> None:
        """`alert` sees to those whom messages concern and who are not here; it never blocks."""
        self._alert = alert
        self._directory = directory
        self._presence = presence
        self._touched: set[Connection] = set()
        self._audiences: dict[tuple[int, ...], tuple[Session, ...]] = {}

    def tell(self, batch: Sequence[Entry]) -> None:
        """Answer and tell everything that follows from a batch. May raise: see `abandon`."""
        messages: list[Entry] = []
        for entry in batch:
            if type(entry.item) is Said:
                messages.append(entry)
                continue
            self._say(messages)
            messages = []
            if isinstance(entry.item, Act):
                self._note_own(entry)
                self._answer([entry])
            else:
                self._presence.follow(entry)
            self._tell_changes(entry)
            entry.told = True
        self._say(messages)
        for entry in batch:
            if isinstance(entry.ticket, Waiter):
                entry.ticket.settle(_outcome(entry))
        self._drain()

    def abandon(self, batch: Sequence[Entry]) -> None:
        """End what could not be finished, after a fault in the middle.

        Whoever waits for an answer gets an error. Whoever may lack something that is on disk is
        cut off before anything follows it, comes back, and has it replayed.
        """
        for entry in batch:
            try:
                self._abandon(entry)
            except BaseException:
                self._cut_all()
                _log.exception("it is not known who lacks something")
            ticket, told = entry.ticket, entry.told
            entry.told = True
            if isinstance(ticket, Waiter):
                ticket.settle(_outcome(entry) if told else _FAULT)
        self._drain()

    def _abandon(self, entry: Entry) -> None:
        if isinstance(entry.ticket, Question) and not entry.answered:
            self._answer_one(entry.ticket.session.connection, [entry], _FAULT)
        if not entry.told and isinstance(entry.result, Delivered):
            for session in self._of(entry.result.audience):
                session.connection.cut()
        elif not entry.told:
            self._presence.abandon(entry)
            for told in entry.result.changes if isinstance(entry.result, Outcome) else ():
                for session in self._of(told.audience):
                    session.connection.cut()

    def _cut_all(self) -> None:
        """Cut off everybody: better that all come back than that one misses something."""
        for session in self._directory.sessions():
            session.connection.cut()

    # -- answers --

    def _answer(self, batch: Sequence[Entry]) -> None:
        askers: dict[Connection, list[Entry]] = {}
        for entry in batch:
            if type(entry.ticket) is Question:
                askers.setdefault(entry.ticket.session.connection, []).append(entry)
        for connection, its in askers.items():
            self._answer_one(connection, its)

    def _answer_one(
        self, connection: Connection, entries: Sequence[Entry], error: CommandError | None = None
    ) -> None:
        """Answer what came on one connection; where that fails it is ended. Raises nothing."""
        try:
            answers = [_answer_to(entry, error) for entry in entries]
            connection.push_bytes(b"".join(answers), ahead=True)
            connection.drain()  # now: how long it takes says nothing about who is told next
        except BaseException:
            connection.cut()
            _log.exception("a message could not be answered")
        for entry in entries:
            entry.answered = True
            connection.answered()

    def _note_own(self, entry: Entry) -> None:
        """Have a session know what it has said and changed itself: it is not shown that again."""
        result = entry.result
        if isinstance(entry.ticket, Question) and isinstance(result, _MADE):
            entry.ticket.session.note_said(result.seq)

    # -- what else has happened --

    def _tell_changes(self, entry: Entry) -> None:
        """Show changes to whom it concerns, but to the session that made them."""
        outcome = entry.result
        if isinstance(outcome, ReadOn):
            self._tell_read(outcome)
        asker = entry.ticket.session if isinstance(entry.ticket, Question) else None
        for told in outcome.changes if isinstance(outcome, Outcome) else ():
            change = told.change
            event = event_of_change(change)
            frames: dict[tuple[Renderer, str], bytes] = {}
            for session in self._of(told.audience):
                renderer = session.connection.renderer
                if session is asker and not renderer.traits.echoes:
                    continue
                # In a room all read the same but those who are named.
                named = change.room is None or session.account in (change.by, change.name)
                key = renderer, session.account if named else ""
                if key not in frames:
                    frames[key] = rendered(renderer, event, key[1])
                self._push(session.connection, frames[key], change.seq)

    def _tell_read(self, outcome: ReadOn) -> None:
        """Tell an account's other sessions what has been read on this one."""
        for session in self._of(outcome.sessions):
            for room, others in outcome.conversations:
                event = ReadEvent(upto=outcome.upto)
                if room is None:
                    event.with_ = others
                else:
                    event.room = room
                self._push(session.connection, rendered(session.connection.renderer, event), 0)

    # -- messages --

    def _say(self, messages: Sequence[Entry]) -> None:
        """Answer and show messages between which nobody came, went, hid or became busy."""
        for entry in messages:  # before the answer: who has that may ask what is held for him
            self._note_own(entry)
        self._answer(messages)
        run: list[Entry] = []
        for entry in messages:
            if not isinstance(entry.result, Delivered) or entry.result.duplicate:
                entry.told = True
            elif run and not _go_together(run[-1], entry):
                self._show(run)
                run = [entry]
            else:
                run.append(entry)
        self._show(run)
        if messages and self._alert is not None:
            self._alert(messages)

    def _show(self, run: Sequence[Entry]) -> None:
        """Show messages to their audience, which is the same for all of them."""
        if run and isinstance(run[0].result, Delivered):
            self._fan_out(run, run[0].result)
        for entry in run:
            entry.told = True

    def _fan_out(self, run: Sequence[Entry], first: Delivered) -> None:
        events = [_event(entry) for entry in run]
        senders = {entry.ticket.session for entry in run if isinstance(entry.ticket, Question)}
        frames: dict[object, list[bytes]] = {}
        joined: dict[object, bytes] = {}
        newest = events[-1].seq
        for session in self._of(first.audience):
            renderer = session.connection.renderer
            own = session in senders and not renderer.traits.echoes
            if own and all(_is_own(entry, session) for entry in run):
                continue
            # In a room all read the same; a private message reads differently for each.
            key = renderer if first.room is not None else (renderer, session.account)
            if key not in joined:
                frames[key] = [rendered(renderer, each, session.account) for each in events]
                joined[key] = b"".join(frames[key])
            data = joined[key]
            if own:
                each = zip(frames[key], run, strict=True)
                data = b"".join([frame for frame, entry in each if not _is_own(entry, session)])
            self._push(session.connection, data, newest)

    def _of(self, audience: tuple[int, ...]) -> tuple[Session, ...]:
        """Return the sessions of an audience. Numbers are never used again, so they stay true."""
        found = self._audiences.get(audience)
        if found is None:
            if len(self._audiences) >= _AUDIENCES:
                self._audiences.clear()
            found = self._audiences[audience] = self._directory.numbered(audience)
        return found

    def _push(self, connection: Connection, data: bytes, seq: int) -> None:
        """Queue a message; whoever it cannot be queued for is ended, the others get theirs."""
        try:
            connection.push_bytes(data, seq)
        except BaseException:
            connection.cut()
            _log.exception("a message could not be queued")
        self._touched.add(connection)

    def _drain(self) -> None:
        """Send what the batch put into outboxes."""
        touched, self._touched = self._touched, set()
        for connection in touched:
            try:
                connection.drain()
            except BaseException:
                connection.cut()
                _log.exception("an outbox could not be drained")


def _go_together(one: Entry, other: Entry) -> bool:
    """Tell whether two messages that follow each other are shown to the same."""
    assert isinstance(one.result, Delivered)
    assert isinstance(other.result, Delivered)
    return one.result.audience is other.result.audience and one.result.room == other.result.room


def _is_own(entry: Entry, session: Session) -> bool:
    """Tell whether a session said this, and to others: it is not shown that again."""
    assert isinstance(entry.result, Delivered)
    said_here = isinstance(entry.ticket, Question) and entry.ticket.session is session
    return said_here and not entry.result.to_self


def _event(entry: Entry) -> Message:
    """Return a message as its readers get it."""
    said = entry.result
    assert isinstance(said, Delivered)
    assert isinstance(entry.item, Said)
    message = Message(seq=said.seq, at=timestamp(said.at), sender=said.sender, text=entry.item.text)
    if said.room is None:
        message.to = said.to
    else:
        message.room = said.room
    if said.mentions:
        message.mentions = said.mentions
    if entry.item.reply_to is not None:
        message.reply_to = entry.item.reply_to
    if entry.item.kind != "text":
        message.kind = entry.item.kind
    return message


def _outcome(entry: Entry) -> Outcome | CommandError:
    """Return what whoever waits for an entry is told."""
    result = entry.result
    if isinstance(result, Refused):
        return CommandError(result.code, result.text)
    return _FAULT if result is None else result


def _answer_to(entry: Entry, error: CommandError | None) -> bytes:
    """Return the answer to a message, or else an error, as its sender's client reads it."""
    question = entry.ticket
    assert isinstance(question, Question)
    session, request = question.session, question.request
    renderer = session.connection.renderer
    try:
        event = _reply(entry) if error is None else error.event()
        return renderer.answer(request, event, session.account)
    except Exception:
        _log.exception("an answer could not be rendered as %s", renderer.name)
        return renderer.answer(request, _FAULT.event(), session.account)


def _reply(entry: Entry) -> Answer:
    outcome, question = entry.result, entry.ticket
    assert isinstance(question, Question)
    if isinstance(outcome, CommandError):
        return outcome.event()
    if isinstance(outcome, Refused):
        refusal = question.refusal or CommandError(outcome.code, outcome.text)
        return (question.session.revoked or refusal).event()
    if not isinstance(outcome, Delivered | Changed):
        return _FAULT.event()
    reply = _reply_to(outcome, question)
    if outcome.duplicate:
        reply.duplicate = True
    return reply


def _reply_to(
    outcome: Delivered | Changed, question: Question
) -> BroadcastReply | SendReply | RoomReply | ChangeReply:
    if isinstance(outcome, Changed):
        if outcome.room is None:
            return ChangeReply(op=question.op, seq=outcome.seq)
        return RoomReply(op=question.op, seq=outcome.seq, room=outcome.room)
    if question.op == "broadcast":
        return BroadcastReply(seq=outcome.seq, busy=dict(outcome.busy))
    return SendReply(
        op=question.op,
        seq=outcome.seq,
        delivered=outcome.delivered,
        stored=outcome.stored,
        busy=dict(outcome.busy),
        unknown=question.unknown,
    )
