"""The line at the bottom: how things stand, at a glance."""

import math
import time
from collections.abc import Sequence

from chatclient.conversation import Conversation
from chatclient.resume import LinkState
from chatwire.protocol import Event, LoginReply, Message, Reply, StatusReply

_SEPARATOR = " │ "
_NAMES_WIDTH = 30


class StatusLine:
    """What the line says, kept up by the events it hears. Used by one thread."""

    def __init__(self, me: str, place: str, security: str) -> None:
        """`place` is the server's name; `security` says what protects the link."""
        self._me = me
        self._place = place
        self._security = security
        self._link = LinkState("connected")
        self._retry_at = 0.0
        self.busy = False
        self.hidden = False
        self.held = 0
        self.unread = 0

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
            case Message(replay=replay, sender=sender) if replay is not True:
                self.unread += sender != self._me

    @property
    def connected(self) -> bool:
        """Whether there is a link."""
        return self._link.state == "connected"

    def link_changed(self, link: LinkState) -> None:
        """Take note of how the link is."""
        self._link = link
        self._retry_at = time.monotonic() + link.seconds

    def text(self, conversation: Conversation | None, here: Sequence[str], waiting: int) -> str:
        """Return the line; `waiting` is how many messages have not reached the server."""
        parts = [f"{self._place} {self._security}" if self.connected else self._link_text()]
        if conversation is not None:
            parts.append(f"→ {conversation.title}")
        if self.connected:
            parts.append(f"here: {_shortened(here)}" if here else "nobody else here")
        if self.busy:
            parts.append(f"busy, {self.held} held" if self.held else "busy")
        if self.hidden:
            parts.append("hidden")
        if waiting:
            parts.append(f"{waiting} not sent yet")
        if self.unread:
            parts.append(f"{self.unread} new")
        return " " + _SEPARATOR.join(parts)

    def _link_text(self) -> str:
        if self._link.state == "connecting":
            return f"{self._place}: connecting …"
        seconds = max(0, math.ceil(self._retry_at - time.monotonic()))
        return f"{self._place}: not connected, trying again in {seconds} s (Enter: now)"


def _shortened(names: Sequence[str]) -> str:
    """Return as many names as there is room for, and how many there are besides."""
    text = ""
    for shown, name in enumerate(names):
        longer = f"{text}, {name}" if text else name
        if text and len(longer) > _NAMES_WIDTH:
            return f"{text} +{len(names) - shown}"
        text = longer
    return text
