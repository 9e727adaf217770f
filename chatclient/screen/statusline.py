"""The line at the bottom: how things stand, at a glance."""

import math
import time
from collections.abc import Sequence
from typing import Final

from prompt_toolkit.utils import get_cwidth

from chatclient.link.keeper import LinkState
from chatclient.talk.conversation import Conversation, shortened
from chatwire.events import Event
from chatwire.protocol import MOST_COUNTED
from chatwire.replies import LoginReply, Reply, StatusReply
from chatwire.text import one_line

_SEPARATOR: Final = " │ "
_TERSEST: Final = 4
_NO_ANSWER_SECONDS: Final = 15.0
_MOST_UNREAD: Final = (8, 8, 4, 3, 2)
"""Conversations that are named, by how terse the line is."""


class StatusLine:
    """What the line says, kept up by the events it hears. Used by one thread."""

    def __init__(self, place: str, security: str) -> None:
        """`place` is the server's name; `security` says what protects the link."""
        self._place = one_line(place)
        self._security = security
        self._link = LinkState("connected")
        self._retry_at = 0.0
        self.busy = False
        self.hidden = False
        self.held = 0
        self.urgent = ""
        """What is said instead of everything else until a key is pressed."""
        self.unanswered_seconds = 0.0

    def hear(self, event: Event) -> None:
        """Take from an event what changes how things stand."""
        match event:
            case LoginReply(busy=busy, hidden=hidden, missed=missed):
                self.busy, self.hidden = busy, hidden
                self.held = missed if busy else 0
            case StatusReply(busy=busy, hidden=hidden, held=held):
                self.busy, self.hidden, self.held = busy, hidden, held
            case Reply(op="busy"):
                self.busy = True
            case Reply(op="idle"):
                self.busy, self.held = False, 0
            case Reply(op="hide" | "appear" as op):
                self.hidden = op == "hide"

    def seen(self) -> None:
        """Take note that the person is at the keyboard."""
        self.urgent = ""

    @property
    def connected(self) -> bool:
        """Whether there is a link."""
        return self._link.state == "connected"

    @property
    def silent(self) -> bool:
        """Whether the server has not answered for so long that the link may be cut."""
        return self.unanswered_seconds >= _NO_ANSWER_SECONDS

    def link_changed(self, link: LinkState) -> None:
        """Take note of how the link is."""
        self._link = link
        self._retry_at = time.monotonic() + link.seconds

    def text(
        self,
        conversation: Conversation | None,
        here: Sequence[str],
        waiting: int,
        columns: int,
        unread: Sequence[str] = (),
        typing: str = "",
    ) -> str:
        """Return the line; `waiting` is how many messages have not reached the server, `unread` the
        conversations with something to read, in words, the most urgent first; `typing` says who is
        writing.

        Where `columns` are few, what can be learnt elsewhere is left out: first the names, then
        the server, then whom one talks to, then who is here at all. Who is writing stands last, so
        that nothing moves when that begins and ends where there is room, and never makes what
        waits shorter. What is urgent stands in for everything: a long line pushes what is said
        about it, above it, off the screen.
        """
        if self.urgent:
            return f" {one_line(self.urgent)}"
        lines = [
            " " + _SEPARATOR.join(self._parts(conversation, here, waiting, unread, terse))
            for terse in range(_TERSEST + 1)
        ]
        fits = [at for at, line in enumerate(lines) if get_cwidth(line) <= columns]
        first = fits[0] if fits else _TERSEST
        if typing:
            named = min(_MOST_UNREAD[first], len(unread))
            for at in fits:
                longer = f"{lines[at]}{_SEPARATOR}{typing}"
                if get_cwidth(longer) <= columns and min(_MOST_UNREAD[at], len(unread)) == named:
                    return longer
        return lines[first]

    def _parts(
        self,
        conversation: Conversation | None,
        here: Sequence[str],
        waiting: int,
        unread: Sequence[str],
        terse: int,
    ) -> list[str]:
        parts = []
        if not self.connected:
            parts.append(self._link_text(terse))
        elif self.silent:
            parts.append(f"no answer for {int(self.unanswered_seconds)} s")
        elif terse < 2:
            parts.append(f"{self._place} {self._security}")
        if conversation is not None and terse < 3:
            parts.append(f"→ {conversation.short_title}")
        if self.connected and terse < _TERSEST:
            parts.append(_here(here, terse))
        if self.busy:
            least = "+" if self.held >= MOST_COUNTED else ""
            parts.append(f"busy, {self.held}{least} held" if self.held else "busy")
        if self.hidden:
            parts.append("hidden")
        if waiting:
            parts.append(f"{waiting} not sent yet")
        if unread:
            parts.append(_some(unread, _MOST_UNREAD[terse]))
        return parts

    def _link_text(self, terse: int) -> str:
        place = f"{self._place}: " if terse < 1 else ""
        if self._link.state == "connecting":
            return f"{place}connecting …"
        seconds = max(0, math.ceil(self._retry_at - time.monotonic()))
        if terse >= _TERSEST:
            return f"offline, {seconds} s"
        hint = " (Enter: now)" if terse < 2 else ""
        return f"{place}not connected, trying again in {seconds} s{hint}"


def _some(words: Sequence[str], most: int) -> str:
    """Return the first ones, and how many there are besides."""
    rest = f" +{len(words) - most}" if len(words) > most else ""
    return " · ".join(words[:most]) + rest


def _here(names: Sequence[str], terse: int) -> str:
    if not names:
        return "nobody else here"
    return f"{len(names)} here" if terse else f"here: {shortened(names)}"
