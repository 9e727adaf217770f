"""What a bot has been told to do with what it hears, and where."""

from collections.abc import Callable
from typing import Final, TypeVar

from chatwire.events import Deleted, Edited, Event, Message, Reacted, RoomChanged
from chatwire.names import fold

Answer = str | None
Handler = Callable[..., Answer]
OnMessage = Callable[[Message], Answer]
OnCommand = Callable[[Message, str], Answer]

_Handler = TypeVar("_Handler", bound=Handler)
_MessageHandler = TypeVar("_MessageHandler", bound=OnMessage)
_CommandHandler = TypeVar("_CommandHandler", bound=OnCommand)
_EditedHandler = TypeVar("_EditedHandler", bound=Callable[[Edited], Answer])
_DeletedHandler = TypeVar("_DeletedHandler", bound=Callable[[Deleted], Answer])
_ReactedHandler = TypeVar("_ReactedHandler", bound=Callable[[Reacted], Answer])
_ChangedHandler = TypeVar("_ChangedHandler", bound=Callable[[RoomChanged], Answer])

ANYWHERE: Final = ""
"""The place of what is handled wherever it happens."""

CHANGES: Final[dict[type[Event], str]] = {
    Edited: "edited",
    Deleted: "deleted",
    Reacted: "reacted",
    RoomChanged: "changed",
}
"""What the handlers of each are registered as."""


def command_called(name: str) -> str:
    """Return what the handlers of a command are registered as."""
    return f"command {name.lower()}"


class Handlers:
    """Functions by what they handle (a message, a change, a command) and by the room.

    Filled first, and read by one thread then.
    """

    def __init__(self) -> None:
        self._by: dict[tuple[str, str], list[Handler]] = {}

    def add(self, what: str, room: str, handler: Handler) -> None:
        """Have `handler` called with what happens in a room, or ANYWHERE."""
        self._by.setdefault((what, fold(room)), []).append(handler)

    def has(self, what: str, room: str) -> bool:
        """Tell whether there is one for exactly this."""
        return (what, fold(room)) in self._by

    def of(self, what: str, room: str) -> list[Handler]:
        """Return those for a room, else those for ANYWHERE, in the order they were added."""
        return self._by.get((what, fold(room))) or self._by.get((what, ANYWHERE)) or []


class Hearing:
    """What the handlers of a room, or of a bot wherever it is, are registered by."""

    def __init__(self, handlers: Handlers, room: str) -> None:
        """`room` may be ANYWHERE."""
        self._handlers = handlers
        self._room = room

    def message(self, handler: _MessageHandler) -> _MessageHandler:
        """Call this with each message that is no command or mention with a handler of its own."""
        return self._add("message", handler)

    def mention(self, handler: _MessageHandler) -> _MessageHandler:
        """Call this with each message to the bot: private, or with its name as a whole word."""
        return self._add("mention", handler)

    def command(self, name: str) -> Callable[[_CommandHandler], _CommandHandler]:
        """Call this with each message that begins with `!name`, and the text behind that.

        Raises ValueError for a name that is taken or is not one word.
        """
        called = command_called(name)
        if self._handlers.has(called, self._room) or not name or name.split() != [name]:
            raise ValueError(f"'{name}' is taken, or is not one word: choose another name.")

        def register(handler: _CommandHandler) -> _CommandHandler:
            return self._add(called, handler)

        return register

    def edited(self, handler: _EditedHandler) -> _EditedHandler:
        """Call this (with an Edited) when somebody corrects a message."""
        return self._add("edited", handler)

    def deleted(self, handler: _DeletedHandler) -> _DeletedHandler:
        """Call this when somebody deletes a message."""
        return self._add("deleted", handler)

    def reacted(self, handler: _ReactedHandler) -> _ReactedHandler:
        """Call this when somebody reacts to a message or takes that back."""
        return self._add("reacted", handler)

    def changed(self, handler: _ChangedHandler) -> _ChangedHandler:
        """Call this when somebody joins, leaves, sets a topic and so on."""
        return self._add("changed", handler)

    def _add(self, what: str, handler: _Handler) -> _Handler:
        self._handlers.add(what, self._room, handler)
        return handler
