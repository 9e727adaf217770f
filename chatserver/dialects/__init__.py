"""The languages spoken on the port. Each turns lines into requests, and events into bytes."""

from typing import Protocol

from chatserver.commands.registry import Request
from chatserver.sessions.connection import Renderer


class Dialect(Protocol):
    """One connection's dialect. Used by its handler thread alone."""

    @property
    def renderer(self) -> Renderer:
        """How events are written in it."""
        ...

    def greeting(self) -> bytes:
        """Return the first bytes for a new client."""
        ...

    def read(self, line: bytes, logged_in: bool) -> Request | None:
        """Return the request in a line; None when it takes more lines, or is empty.

        Raises CommandError for a line that is no request at all.
        """
        ...

    def prompt(self, logged_in: bool) -> bytes:
        """Return what is to be shown when the next line may come."""
        ...
