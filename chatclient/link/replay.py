"""The replay of one login, held back until it is whole."""

from msgspec import UNSET, structs

from chatclient.errors import LinkLost
from chatclient.link.backlog import MOST_BYTES, size_of
from chatclient.link.seen import Seen, replays
from chatwire.events import Event, Message, Replayed
from chatwire.replies import LoginReply


class Replay:
    """What comes after a login and is no answer, until the program may have it.

    What is one's own among it is known only when what was asked with the login is answered.
    """

    def __init__(self, welcome: LoginReply) -> None:
        self.whole = not replays(welcome)
        """Whether its end has come, or none was to come."""
        self._welcome = welcome
        self._held: list[Event] = []
        self._room = MOST_BYTES

    def hold(self, event: Event) -> None:
        """Keep an event. Raises LinkLost where that would be too much."""
        self._room -= size_of(event)
        if self._room < 0:
            raise LinkLost("The server replays without end: check the server.")
        self.whole = self.whole or isinstance(event, Replayed)
        self._held.append(event)

    def events(self, seen: Seen) -> list[Event]:
        """Return the welcome, which says how many messages follow, and all that is fresh."""
        fresh = [each for event in self._held for each in seen.fresh(event)]
        missed = sum(isinstance(event, Message) and event.replay is True for event in fresh)
        welcome = self._welcome
        count = welcome.missed if welcome.busy else missed
        return [structs.replace(welcome, re=UNSET, missed=count), *fresh]
