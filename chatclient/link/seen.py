"""What a program has had, said or changed itself, so that a replay gives none of it again."""

from typing import Final

from msgspec import UNSET, structs

from chatwire.events import Event, Message, Numbered, Replayed
from chatwire.names import fold
from chatwire.replies import LoginReply

_MOST_OWN: Final = 1000
"""Of what it has said and changed a client knows so much again; of each a replay has 500."""


class Seen:
    """What one client, logged in as `name`, has had over all its links. For the keeper alone;
    any thread may read `upto`, `heard` and `told`."""

    def __init__(self, name: str = "", upto: int = 0) -> None:
        self.upto = upto
        """The number of the last message or change that the program has had."""
        self.heard = 0
        """The number of the last message of somebody else among them, where there was one."""
        self.told = 0
        """The same of what was said in private."""
        self._name = fold(name)
        self._own: dict[int, type[Event]] = {}  # what may still come back in a replay
        self._replayed = 0  # messages of the present replay that the program has had

    @classmethod
    def since(cls, welcome: LoginReply, since: int | None) -> "Seen":
        """Return what a program has had that has just been let in, and knew all up to `since`."""
        return cls(welcome.name, (since or 0) if replays(welcome) else welcome.seq)

    def note_own(self, seq: int, kind: type[Event]) -> None:
        """Take note of what the server has taken from this very client, and others see as `kind`.

        The number may be that of something else, where what was asked for was so already.
        """
        self._own[seq] = kind
        if len(self._own) > 2 * _MOST_OWN:
            self._own = dict(sorted(self._own.items())[-_MOST_OWN:])

    def fresh(self, event: Event) -> list[Event]:
        """Return an event as the program is to have it, if at all; note that it has.

        Not what it has had, said or changed; and the end of a replay counts what it was given.
        """
        if isinstance(event, Replayed):
            count, self._replayed = self._replayed, 0
            return [structs.replace(event, count=count)] if count or event.more else []
        if isinstance(event, Numbered) and not self._is_new(event):
            return []
        if isinstance(event, Message):
            self._replayed += event.replay is True
            self._note(event)
        return [event]

    def _note(self, message: Message) -> None:
        if fold(message.sender) != self._name:
            self.heard = message.seq
            self.told = message.seq if message.to is not UNSET else self.told

    def _is_new(self, event: Numbered) -> bool:
        own = fold(event.sender) == self._name and self._own.get(event.seq) is type(event)
        self._own.pop(event.seq, None)
        had = event.seq <= self.upto
        self.upto = max(event.seq, self.upto)
        return not own and not had


def replays(welcome: LoginReply) -> bool:
    """Tell whether a replay follows a login."""
    return not welcome.busy and (welcome.replay is True or bool(welcome.missed))
