"""Who is writing something just now, as the server tells."""

from typing import Final

from chatclient.talk.conversation import Conversation, conversation_of
from chatwire.events import Event, Message, Presence, Typing
from chatwire.names import fold
from chatwire.replies import LoginReply
from chatwire.text import one_line

_SHOWN_SECONDS: Final = 6.0
"""How long somebody is taken to be writing of whom it is not told again: two of the pauses that a
client makes."""

_MOST: Final = 100
"""Of others, in all conversations together; more are not noted."""


class Writers:
    """The others who are writing where the account `me` can read it.

    Times are in seconds of any steady clock. Used by one thread.
    """

    def __init__(self, me: str) -> None:
        self._me = fold(me)
        self._until: dict[tuple[str, str], tuple[Conversation, str, float]] = {}  # first come first

    def hear(self, event: Event, now: float) -> None:
        """Take what begins it, and what ends it: the message, or that somebody goes."""
        match event:
            case Typing(sender=sender):
                there, who = conversation_of(event, self._me), fold(sender)
                if there is None or who == self._me:
                    return
                key = there.key, who
                if key in self._until or len(self._until) < _MOST:
                    # One who goes on keeps the place, so that the names do not change about.
                    self._until[key] = there, one_line(sender), now + _SHOWN_SECONDS
            case Message(sender=sender) if (there := conversation_of(event, self._me)) is not None:
                self._until.pop((there.key, fold(sender)), None)
            case Presence(name=name, state="offline"):
                for key in [each for each in self._until if each[1] == fold(name)]:
                    del self._until[key]
            case LoginReply():
                self._until.clear()

    def text(self, here: Conversation | None, now: float) -> str:
        """Return who is writing in the conversation that is in view, or to the person alone or
        among others: `bob and carol are typing`; nothing where nobody is."""
        self._until = {key: each for key, each in self._until.items() if now < each[2]}
        shown = dict.fromkeys(
            name
            for there, name, _ in self._until.values()
            if there.to or (here is not None and there.key == here.key)
        )
        match list(shown):
            case []:
                return ""
            case [name]:
                return f"{name} is typing"
            case [one, other]:
                return f"{one} and {other} are typing"
        return f"{len(shown)} people are typing"
