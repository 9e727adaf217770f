"""Who is to be woken by what was said: devices that a push service reaches and that are not here.

Everything here runs in the log thread, after everybody who is here has been shown it. Where no
device is reached at all, that is one look for each batch.
"""

import logging
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from chatserver.order.items import Said
from chatserver.order.outcome import Delivered
from chatserver.order.pending import Entry
from chatserver.order.records import Account
from chatserver.order.state import State
from chatserver.sessions.directory import UserDirectory
from chatwire.names import fold

_log = logging.getLogger(__name__)


class Alert(Struct, frozen=True):
    """A message that somebody is to be told of who is not here, and where he is reached."""

    endpoint: str
    push: str
    """What else it takes to reach him, as JSON."""
    seq: int
    sender: str
    place: str
    """`#ops`, or with whom it is, as `bob,carol`: what the page calls the conversation."""
    text: str


class Alerts:
    """Finds what to alert whom of: private messages and mentions, but not the busy, whose words
    wait, and not who said it."""

    def __init__(self, directory: UserDirectory, post: Callable[[Alert], None]) -> None:
        """`post` sends an alert some time, and never blocks."""
        self._directory = directory
        self._post = post

    def follow(self, messages: Sequence[Entry]) -> None:
        """Alert everybody who is to be. Raises nothing: it is no reason not to be delivered."""
        state = self._directory.state
        if not state.reached:
            return
        try:
            for entry in messages:
                if isinstance(entry.result, Delivered) and not entry.result.duplicate:
                    self._follow(state, entry, entry.result)
        except Exception:
            _log.exception("nobody could be alerted")

    def _follow(self, state: State, entry: Entry, said: Delivered) -> None:
        item = entry.item
        assert isinstance(item, Said)
        if said.room is None:
            concerned = [state.accounts[each] for each in item.to if each in state.accounts]
        elif said.mentions:
            concerned = [each for each in map(state.account, said.mentions) if each is not None]
        else:
            return
        for account in concerned:
            if account.id == item.account or account.busy:
                continue
            tokens = [each for each in account.devices if each in state.reached]
            if tokens:
                self._alert(state, account, tokens, said, item.text)

    def _alert(
        self, state: State, account: Account, tokens: Iterable[str], said: Delivered, text: str
    ) -> None:
        here = {session.device for session in self._directory.sessions_of(account.id)}
        place = f"#{said.room}" if said.room is not None else _with(account, said)
        for token in tokens:
            device = state.reached[token]
            if token not in here:
                self._post(Alert(device.endpoint, device.push, said.seq, said.sender, place, text))


def _with(account: Account, said: Delivered) -> str:
    """Return the others of a private conversation, as the page spells it."""
    names = {fold(each): each for each in (said.sender, *said.to)}
    names.pop(account.folded, None)
    return ",".join(names[each] for each in sorted(names))
