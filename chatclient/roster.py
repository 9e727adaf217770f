"""The names heard of so far: what Tab can complete."""

import threading

from msgspec import UNSET

from chatwire.names import fold
from chatwire.protocol import Event, LastReply, LoginReply, Message, Presence, WhoReply


class Roster:
    """Names of other people, kept as they were last written. Any thread may use it; one lock."""

    def __init__(self, me: str) -> None:
        self._me = fold(me)
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}

    def hear(self, event: Event) -> None:
        """Remember every name in `event`."""
        with self._lock:
            for name in _names_in(event):
                if fold(name) != self._me:
                    self._names[fold(name)] = name

    def names(self) -> tuple[str, ...]:
        """Return the names in alphabetical order."""
        with self._lock:
            return tuple(self._names[key] for key in sorted(self._names))


def _names_in(event: Event) -> tuple[str, ...]:
    match event:
        case LoginReply(online=names):
            return names
        case WhoReply(users=here):
            return tuple(user.name for user in here)
        case LastReply(users=seen):
            return tuple(user.name for user in seen)
        case Presence(name=name):
            return (name,)
        case Message(sender=sender, to=to):
            return (sender,) if to is UNSET else (sender, *to)
    return ()
