"""What calls somebody who looks elsewhere: the bell, the desktop, a command, the window's title.

Everything happens in the asyncio loop of `terminal`.
"""

from msgspec import UNSET

from chatclient.faces.hook import Hook
from chatclient.screen.display import Display
from chatclient.setup.settings import ScreenSettings
from chatclient.talk.conversation import is_mentioned
from chatclient.talk.transcript import plain_lines
from chatwire.events import Message
from chatwire.names import fold


class Summons:
    """Calls the person of one session, as they have set it."""

    def __init__(
        self, me: str, place: str, settings: ScreenSettings, display: Display, hook: Hook
    ) -> None:
        """`me` is the account, `place` the server's name."""
        self._me = me
        self._place = place
        self._bell = settings.bell
        self._display = display
        self._hook = hook

    def hear(self, message: Message) -> None:
        """Call for a message, if it is one to call for; not for one's own, or one of the past."""
        if message.replay is True or fold(message.sender) == fold(self._me):
            return
        mentioned = is_mentioned(message, self._me)
        private = message.to is not UNSET
        rings = {"all": True, "private": mentioned or private, "mention": mentioned}
        if rings.get(self._bell, False):
            self._display.bell()
        if mentioned or private:
            lines = plain_lines(message, self._me)
            who, _, text = "\n".join(lines).partition(": ")
            self._display.notify(who, text)
            self._hook.tell("\n".join(lines) + "\n")

    def waiting(self, count: int) -> None:
        """Have the title of the window say how many messages wait to be read."""
        self._display.title(f"({count}) {self._place}" if count else self._place)

    async def end(self) -> None:
        """Leave everything as it was."""
        self._display.restore_title()
        await self._hook.stop()
