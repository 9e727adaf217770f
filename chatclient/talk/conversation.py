"""Whom what is typed goes to, while no command says otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chatclient.talk.request import Request
from chatwire.names import LOBBY

_NAMES_WIDTH: Final = 30


@dataclass(frozen=True, slots=True)
class Conversation:
    """The room, or the accounts in `to`."""

    to: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Return what to call it: `lobby`, `bob`, `bob, carol`."""
        return ", ".join(self.to) or LOBBY

    @property
    def short_title(self) -> str:
        """Return the same in little room: `bob, carol +8`."""
        return shortened(self.to) or LOBBY

    def request(self, text: str) -> Request:
        """Return the request that says `text` in it."""
        if self.to:
            return Request("send", {"to": list(self.to), "text": text})
        return Request("broadcast", {"text": text})


def announcement(conversation: Conversation | None) -> str:
    """Return the sentence that says whom what is typed goes to from now on."""
    if conversation is None:
        return "What you type goes to nobody; use commands."
    title = conversation.title if conversation.to else "everybody"
    return f"What you type goes to {title}; commands begin with a slash, as /talk does."


def shortened(names: Sequence[str]) -> str:
    """Return the first names, and how many there are besides."""
    text = ""
    for shown, name in enumerate(names):
        longer = f"{text}, {name}" if text else name
        if text and len(longer) > _NAMES_WIDTH:
            return f"{text} +{len(names) - shown}"
        text = longer
    return text
