"""Events as the lines a person reads, as plain text or in coloured pieces.

What others wrote is cleaned here, so nothing that reaches a screen can steer it.
"""

from datetime import date, datetime
from typing import TypeAlias

import msgspec
from msgspec import UNSET

from chatclient.talk.colours import Colours
from chatclient.talk.commandline import MORE, TALK
from chatclient.talk.mention import mentions_in
from chatwire.names import fold
from chatwire.protocol import (
    Error,
    Event,
    Hello,
    HelpReply,
    HistoryReply,
    LoginReply,
    Message,
    Replayed,
    SearchReply,
)
from chatwire.text import clean, one_line
from chatwire.wording import event_lines, message_lines, speaker

Piece: TypeAlias = tuple[str, str]
"""A style (see `Colours`) and the text that has it."""

_NO_TIME = "--:--"
_INDENT = "    "


def plain_lines(event: Event, viewer: str, columns: int = 80) -> list[str]:
    """Return the lines of an event for `viewer`, an account name, without time or colour.

    Tables are made for a screen of so many columns.
    """
    if isinstance(event, Message):
        return message_lines(_cleaned(event), viewer)
    if isinstance(event, Hello):
        return []
    if isinstance(event, HistoryReply | SearchReply):
        past = [line for message in event.messages for line in _past(message, viewer)]
        return [*past, *event_lines(event)]
    if isinstance(event, HelpReply) and len(event.commands) > 1:
        own = (TALK, MORE) if any(each.name == "history" for each in event.commands) else (TALK,)
        event = HelpReply(commands=(*event.commands, *own))
    return [
        clean(line).replace("\n", "\n" + _INDENT) for line in event_lines(event, viewer, columns)
    ]


class Transcript:
    """The lines of one session on a screen: local time before messages, a line for a new day.

    Used by one thread at a time.
    """

    def __init__(self, viewer: str, colours: Colours, today: date) -> None:
        """`viewer` is the account that reads; `today` is the day that needs no line."""
        self._viewer = viewer
        self._colours = colours
        self._day = today

    def lines(self, event: Event, columns: int = 80) -> list[list[Piece]]:
        """Return an event as lines, each a list of pieces; `columns` as in `plain_lines`."""
        if isinstance(event, Message):
            return self._message(_cleaned(event))
        if isinstance(event, LoginReply | Replayed):
            return self._marks(event)
        style = self._colours.error if isinstance(event, Error) else self._colours.notice
        return [[(style, line)] for line in plain_lines(event, self._viewer, columns)]

    def own(self, message: Message, outcome: str) -> list[list[Piece]]:
        """Return what the person here has said, and in a few words what became of it."""
        lines = self._message(_cleaned(message))
        if outcome:
            lines[-1].append((self._colours.notice, f" ({one_line(outcome)})"))
        return lines

    def pending(self, message: Message) -> Piece:
        """Return what the person here has said until the server has it, in one line."""
        lines = message_lines(_cleaned(message), self._viewer)
        text = " ⏎ ".join(line.strip() for line in lines)
        return self._colours.notice, f"{' ' * len(_NO_TIME)} {text}"

    def typed(self, text: str, prompt: str, continuation: str) -> list[list[Piece]]:
        """Return what the person here has typed, as it stood behind the prompts."""
        first, *others = clean(text).split("\n")
        return [[("", prompt + first)], *([("", continuation + other)] for other in others)]

    def notice(self, text: str) -> list[list[Piece]]:
        """Return a sentence of the client's own."""
        return [[(self._colours.notice, text)]]

    def error(self, text: str) -> list[list[Piece]]:
        """Return a sentence about something that went wrong on this side."""
        return [[(self._colours.error, clean(text).replace("\n", " "))]]

    def _message(self, message: Message) -> list[list[Piece]]:
        moment = _local(message.at)
        clock = _NO_TIME if moment is None else f"{moment:%H:%M}"
        first, *others = message_lines(message, self._viewer)
        who = speaker(message, self._viewer)
        indent = " " * (len(clock) + 1)
        lines = [
            [
                (self._colours.notice, f"{clock} "),
                (self._colours.name(message.sender), who),
                *self._text(first.removeprefix(who), message),
            ],
            *([("", indent), *self._text(other, message)] for other in others),
        ]
        if moment is not None and moment.date() != self._day:
            self._day = moment.date()
            day_line = f"--- {self._day:%A}, {self._day.day} {self._day:%B %Y} ---"
            lines.insert(0, [(self._colours.notice, day_line)])
        return lines

    def _text(self, text: str, message: Message) -> list[Piece]:
        """Return a line of a message, with the reader's own name made out where it is live."""
        if message.replay is True or fold(message.sender) == fold(self._viewer):
            return [("", text)]
        pieces: list[Piece] = []
        at = 0
        for start, end in mentions_in(text, self._viewer):
            pieces += [("", text[at:start]), (self._colours.mention, text[start:end])]
            at = end
        return [*pieces, ("", text[at:])]

    def _marks(self, event: LoginReply | Replayed) -> list[list[Piece]]:
        """Return a greeting, or the end of a replay, with what was missed marked off."""
        return [
            [(self._colours.notice, f"--- {line.rstrip('.:')} ---" if marks else line)]
            for line, marks in _marked(event, plain_lines(event, self._viewer))
        ]


def _marked(event: LoginReply | Replayed, lines: list[str]) -> list[tuple[str, bool]]:
    """Return each line with whether it is the beginning or the end of what was missed."""
    if isinstance(event, Replayed):
        return [(line, True) for line in lines]
    begins = bool(event.missed) and not event.busy
    return [(line, begins and at == len(lines)) for at, line in enumerate(lines, 1)]


def _past(message: Message, viewer: str) -> list[str]:
    """Return a message of history or search: with its day, because these jump through time."""
    moment = _local(message.at)
    stamp = "" if moment is None else f"{moment:%Y-%m-%d %H:%M} "
    first, *others = message_lines(_cleaned(message), viewer)
    return [stamp + first, *others]


def _cleaned(message: Message) -> Message:
    """Return a copy of a message in which nothing but text is left."""
    to = message.to
    return msgspec.structs.replace(
        message,
        sender=one_line(message.sender),
        to=UNSET if to is UNSET else tuple(map(one_line, to)),
        text=clean(message.text),
    )


def _local(at: str) -> datetime | None:
    """Return a time on the wire as local time; None when it is none."""
    try:
        return datetime.fromisoformat(at).astimezone()
    except (ValueError, OverflowError, OSError):
        return None
