"""What a dialect is: requests out of bytes, however it frames them, and a renderer.

To add one: a file with a Dialect and a Renderer (see `chatserver.speech`), and an offer of it in
`chatserver.app.dialects`. The handler, the commands and the order know none of them.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from msgspec import Struct

from chatserver.commands.registry import Command, Registry, Request
from chatserver.errors import CommandError
from chatserver.speech import Renderer


class Direct(NamedTuple):
    """What a dialect answers by itself: bytes, or none, that go out before anything that follows.

    `cost` is what that takes out of the client's rate, as for a command.
    """

    data: bytes = b""
    cost: float = 1.0


class Refusal:
    """A request that cannot be understood: it costs and is answered like any that is refused."""

    op = ""

    def __init__(self, error: CommandError) -> None:
        self._error = error

    def find(self, _: Registry) -> Command | None:
        """Raise what is wrong with it."""
        raise self._error

    def arguments(self, _: Command) -> Struct:
        """Raise the same."""
        raise self._error


class Dialect(Protocol):
    """One connection's dialect, for its handler thread alone."""

    renderer: Renderer
    """How events are written. It may change on the way; from then on everything that is rendered
    for the connection is rendered with the new one."""

    over_http: bool = False
    """Whether a conversation in HTTP comes before it, and it is spoken in a WebSocket."""

    more_read: bool = False
    """Whether what it yields is followed by more that has already come. Somebody who has ended his
    side is there until that has been carried out."""

    def opening(self) -> bytes:
        """Return the first bytes for a new client."""
        ...

    def receive(self, data: bytes) -> Iterator[Request | Direct]:
        """Take the next bytes, of any number, and yield what they complete.

        Each item is carried out before the next one is asked for, so what is read after a login may
        depend on it. Raises CommandError when nothing that follows can be read: the connection ends
        with that.
        """
        ...

    def ready(self, logged_in: bool) -> bytes:  # noqa: ARG002 - for those that need it
        """Learn that the opening is said, or an item carried out, and whether somebody is logged in
        now. Return what shows that the next may come."""
        return b""
