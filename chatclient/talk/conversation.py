"""A conversation: a room, or some people. What is typed goes to one, and what happens is in one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from chatclient.talk.request import Request
from chatwire.events import Deleted, Edited, Event, Message, Reacted, ReadOn, RoomChanged, Typing
from chatwire.names import LOBBY, fold
from chatwire.replies import Waiting
from chatwire.text import one_line
from chatwire.usage import Value

_NAMES_WIDTH: Final = 30


@dataclass(frozen=True, slots=True)
class Conversation:
    """The accounts in `to`; or, without any, a room."""

    to: tuple[str, ...] = ()
    room: str = LOBBY

    @property
    def key(self) -> str:
        """What two have in common that are the same: names are, in any case and order."""
        return " ".join(sorted({fold(name) for name in self.to})) or f"#{fold(self.room)}"

    @property
    def is_lobby(self) -> bool:
        """Whether it is with everybody."""
        return not self.to and fold(self.room) == LOBBY

    @property
    def title(self) -> str:
        """Return what to call it: `lobby`, `#ops`, `bob`, `bob, carol`."""
        return ", ".join(self.to) or self._room_title

    @property
    def short_title(self) -> str:
        """Return the same in little room: `bob, carol +8`."""
        return shortened(self.to) or self._room_title

    @property
    def typed(self) -> str:
        """Return it as people type it: `lobby`, `#ops`, `bob`, `(bob carol)`."""
        return f"({' '.join(self.to)})" if len(self.to) > 1 else self.title

    @property
    def past(self) -> dict[str, Value]:
        """Return the fields by which `history` and `read` name it."""
        return {"with": list(self.to)} if self.to else {"room": self.room}

    @property
    def place(self) -> dict[str, Value]:
        """Return the fields by which `send` and `typing` name it."""
        return {"to": list(self.to)} if self.to else {"room": self.room}

    def request(self, text: str) -> Request:
        """Return the request that says `text` in it."""
        if self.is_lobby:
            return Request("broadcast", {"text": text})
        return Request("send", {**self.place, "text": text})

    @property
    def _room_title(self) -> str:
        return LOBBY if self.is_lobby else f"#{self.room}"


def conversation_of(event: Event | Waiting, me: str) -> Conversation | None:
    """Return where something was said or has happened, as the account `me` calls it.

    Its names go onto the screen and into the line, so they hold nothing but text.
    """
    match event:
        case Message() | Edited() | Deleted() | Reacted() | Typing():
            if event.to is not UNSET:
                return _direct((event.sender, *event.to), me)
            return Conversation(room=LOBBY if event.room is UNSET else one_line(event.room))
        case RoomChanged(room=name):
            return Conversation(room=one_line(name))
        case ReadOn(room=room, with_=others) | Waiting(room=room, with_=others):
            if room is not UNSET:
                return Conversation(room=one_line(room))
            return None if others is UNSET or not others else _direct(others, me)
    return None


def is_mentioned(event: Message | Edited, me: str) -> bool:
    """Tell whether the text of a message names the account `me`, as the server has found."""
    return event.mentions is not UNSET and fold(me) in map(fold, event.mentions)


def _direct(people: Iterable[str], me: str) -> Conversation:
    """Return the conversation of `me` with the others among some people; or with oneself."""
    others = {fold(name): one_line(name) for name in people if fold(name) != fold(me)}
    return Conversation(tuple(others.values()) or (me,))


def room_left(event: RoomChanged, me: str) -> Conversation | None:
    """Return the room that the account `me` is in no longer, if that is what has happened."""
    whom = event.sender if event.name is UNSET else event.name
    gone = event.change in ("left", "removed") and fold(whom) == fold(me)
    return Conversation(room=one_line(event.room)) if gone else None


def announcement(conversation: Conversation | None, *, known: bool = False) -> str:
    """Return the sentence that says whom what is typed goes to from now on; and how commands are
    typed then, unless that is `known`."""
    if conversation is None:
        return "What you type goes to nobody; use commands."
    title = "everybody" if conversation.is_lobby else conversation.title
    slash = "" if known else "; commands begin with a slash, as /talk does"
    return f"What you type goes to {title}{slash}."


def shortened(names: Sequence[str]) -> str:
    """Return the first names, and how many there are besides."""
    text = ""
    for shown, name in enumerate(names):
        longer = f"{text}, {name}" if text else name
        if text and len(longer) > _NAMES_WIDTH:
            return f"{text} +{len(names) - shown}"
        text = longer
    return text
