"""How events become bytes: what the sessions and the order know of a dialect."""

import logging
from typing import Protocol, TypeAlias

from msgspec import Struct

from chatwire.events import Error, Event
from chatwire.replies import Reply

_log = logging.getLogger(__name__)

Answer: TypeAlias = Reply | Error


class Traits(Struct, frozen=True):
    """What may be expected of the clients that read a renderer's bytes."""

    acknowledges: bool = False
    """Whether they say what they have read; otherwise what has arrived counts as read. The same
    for all renderers of a dialect: the outbox is told once."""
    in_order: bool = False
    """Whether a request waits for the answer to the one before it."""
    can_ping: bool = False
    """Whether they answer the event `ping`."""
    echoes: bool = False
    """Whether a session is shown what it said itself, at its place among what others say."""


class Asked(Protocol):
    """A request, as far as the order knows it: it only passes it on to the renderer, which knows
    those of its own dialect, with the numbers or labels that they have there."""

    op: str


class Renderer(Protocol):
    """How events are written in one dialect: a value that can be hashed.

    Any number of connections may have equal ones, and share the bytes of what all of them read. Any
    thread may call it.
    """

    @property
    def name(self) -> str:
        """What the log calls it."""
        ...

    @property
    def traits(self) -> Traits:
        """What its readers are like."""
        ...

    def event(self, event: Event, viewer: str = "") -> bytes:
        """Return the event as bytes for the account `viewer`; empty when it is not shown."""
        ...

    def answer(self, request: Asked | None, event: Answer, viewer: str = "") -> bytes:
        """Return the answer to `request` as bytes; None: to what was no request at all.

        The event is this answer's alone and may be filled in.
        """
        ...


def rendered(renderer: Renderer, event: Event, viewer: str = "") -> bytes:
    """Return the event as bytes, or none when that fails: a bug must not keep it from others, nor
    what follows it from anybody. Raises MemoryError, which is no bug of the event's."""
    try:
        return renderer.event(event, viewer)
    except MemoryError:
        raise
    except Exception:
        _log.exception("an event could not be rendered as %s", renderer.name)
        return b""
