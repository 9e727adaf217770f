"""Events as the lines a person reads, as plain text or in coloured pieces.

What others wrote is cleaned here, so nothing that reaches a screen can steer it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import TypeAlias

import msgspec
from msgspec import UNSET

from chatclient.talk.colours import Colours
from chatclient.talk.commandline import MORE, TALK
from chatclient.talk.conversation import is_mentioned
from chatclient.talk.recent import Recent
from chatwire.events import Edited, Error, Event, Hello, Message, Reacted, Replayed
from chatwire.names import WORD, fold
from chatwire.replies import HelpReply, HistoryReply, LoginReply, SearchReply
from chatwire.text import clean, one_line
from chatwire.wording import event_lines, message_lines, speaker

Piece: TypeAlias = tuple[str, str]
"""A style (see `Colours`) and the text that has it."""

_WORD = re.compile(WORD, re.IGNORECASE)
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
        names = {each.name for each in event.commands}
        own = [each for each in (TALK, MORE) if each.name not in names]
        if MORE in own and "history" not in names:
            own.remove(MORE)
        event = HelpReply(commands=(*event.commands, *own))
    return [
        clean(line).replace("\n", "\n" + _INDENT) for line in event_lines(event, viewer, columns)
    ]


def _places_of(name: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield where a name begins and ends in a text in which it is known to be."""
    for found in _WORD.finditer(text):
        if fold(name) in (fold(found[0]), fold(found[0].rstrip("._-"))):
            yield found.start(), found.start() + len(name)


class Transcript:
    """The lines of one session on a screen: local time before messages, a line for a new day.

    Used by one thread at a time.
    """

    def __init__(
        self, viewer: str, colours: Colours, today: date, recent: Recent | None = None
    ) -> None:
        """`viewer` is the account that reads; `today` is the day that needs no line; `recent` has
        what is quoted."""
        self.numbers = False
        """Whether messages are shown with their numbers, also as they come."""
        self._viewer = viewer
        self._colours = colours
        self._day = today
        self._recent = Recent(viewer) if recent is None else recent

    def lines(
        self, event: Event, columns: int = 80, *, numbered: bool = False
    ) -> list[list[Piece]]:
        """Return an event as lines, each a list of pieces; `columns` as in `plain_lines`.

        `numbered`: messages of the past have their numbers.
        """
        match event:
            case Message():
                return self._message(_cleaned(event))
            case Edited():
                return self._corrected(event)
            case LoginReply() | Replayed():
                return self._marks(event)
            case HistoryReply() | SearchReply():
                end = [[(self._colours.notice, clean(line))] for line in event_lines(event)]
                return [*self._past(event.messages, numbered=numbered), *end]
            case Reacted():
                return self.about(event, event.target)
        style = self._colours.error if isinstance(event, Error) else self._colours.notice
        return [[(style, line)] for line in plain_lines(event, self._viewer, columns)]

    def about(self, event: Event, target: int) -> list[list[Piece]]:
        """Return an event as lines, with the message that it is about in a few words."""
        style = self._colours.notice
        lines = [[(style, line)] for line in plain_lines(event, self._viewer)]
        if lines:
            lines[-1].append((style, f" ({one_line(self._recent.quote(target))})"))
        return lines

    def page(self, messages: Sequence[Message], read: int | None) -> list[list[Piece]]:
        """Return the last messages of a conversation, with a mark before the first that somebody
        else has said after number `read`, if that is known."""
        me = fold(self._viewer)
        others = [each.seq for each in messages if fold(each.sender) != me]
        new = [seq for seq in others if read is not None and seq > read]
        if not new:
            return self._past(messages, today=self._day)
        before = [each for each in messages if each.seq < new[0]]
        mark = self.notice(f"--- {len(new)} new ---")
        after = messages[len(before) :]
        return [
            *self._past(before, today=self._day),
            *mark,
            *self._past(after, today=self._day),
        ]

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

    def kept(self, line: str) -> Piece:
        """Return what the person here has asked for until the server has it, in one line."""
        text = " ⏎ ".join(clean(line).split("\n"))
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
            *self._quote(message, indent),
            [
                (self._colours.notice, f"{clock} {self._number(message, self.numbers)}"),
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

    def _past(
        self, messages: Iterable[Message], *, numbered: bool = False, today: date | None = None
    ) -> list[list[Piece]]:
        """Return messages of the past: with their day, for these jump through time, but `today`."""
        lines: list[list[Piece]] = []
        for message in map(_cleaned, messages):
            first, *others = message_lines(message, self._viewer)
            who = speaker(message, self._viewer)
            number = self._number(message, numbered or self.numbers)
            stamp = _stamp(message, today)
            lines += [
                *self._quote(message, " " * len(stamp)),
                [
                    (self._colours.notice, f"{stamp}{number}"),
                    (self._colours.name(message.sender), who),
                    ("", first.removeprefix(who)),
                ],
                *([("", other)] for other in others),
            ]
        return lines

    def _corrected(self, event: Edited) -> list[list[Piece]]:
        """Return the new words of a message as they come, with the time, as it has."""
        moment = _local(event.at)
        clock = _NO_TIME if moment is None else f"{moment:%H:%M}"
        who = one_line(event.sender)
        event = msgspec.structs.replace(event, sender=who, text=clean(event.text))
        first, *others = (clean(line) for line in event_lines(event, self._viewer))
        number = f"^{event.target} " if self.numbers else ""
        return [
            [
                (self._colours.notice, f"{clock} {number}"),
                (self._colours.name(who), who),
                ("", first.removeprefix(who)),
            ],
            *([("", f"{' ' * (len(clock) + 1)}{other}")] for other in others),
        ]

    def _quote(self, message: Message, indent: str) -> list[list[Piece]]:
        """Return a line with what a message answers, if it answers one."""
        if message.reply_to is UNSET or message.deleted is True:
            return []
        quoted = one_line(self._recent.quote(message.reply_to))
        return [[(self._colours.notice, f"{indent}↱ {quoted}")]]

    def _number(self, message: Message, numbered: bool) -> str:
        """Return the number of a message as people type it, if it is to be shown and has one."""
        return f"^{message.seq} " if numbered and message.seq else ""

    def _text(self, text: str, message: Message) -> list[Piece]:
        """Return a line of a message, with the reader's own name made out where it is live and the
        server has found that it names the reader."""
        if message.replay is True or not is_mentioned(message, self._viewer):
            return [("", text)]
        pieces: list[Piece] = []
        at = 0
        for start, end in _places_of(self._viewer, text):
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
    first, *others = message_lines(_cleaned(message), viewer)
    return [_stamp(message) + first, *others]


def _stamp(message: Message, today: date | None = None) -> str:
    moment = _local(message.at)
    if moment is None:
        return ""
    return f"{moment:%H:%M} " if moment.date() == today else f"{moment:%Y-%m-%d %H:%M} "


def _cleaned(message: Message) -> Message:
    """Return a copy of a message in which nothing but text is left."""
    room, to, reactions = message.room, message.to, message.reactions
    return msgspec.structs.replace(
        message,
        sender=one_line(message.sender),
        room=UNSET if room is UNSET else one_line(room),
        to=UNSET if to is UNSET else tuple(map(one_line, to)),
        text=clean(message.text),
        reactions=UNSET if reactions is UNSET else _cleaned_reactions(reactions),
    )


def _cleaned_reactions(reactions: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {one_line(each): tuple(map(one_line, names)) for each, names in reactions.items()}


def _local(at: str) -> datetime | None:
    """Return a time on the wire as local time; None when it is none."""
    try:
        return datetime.fromisoformat(at).astimezone()
    except (ValueError, OverflowError, OSError):
        return None
