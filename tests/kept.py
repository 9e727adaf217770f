"""A state beside the store that keeps it, in which a word a call happens."""

from pathlib import Path

from chatserver.order.apply import apply, needs
from chatserver.order.items import AccountMade, Came, Item, Said, Went
from chatserver.order.outcome import Delivered, Outcome
from chatserver.order.records import LOBBY_ID
from chatserver.storage.past import Stretch, Window
from chatserver.storage.store import Store

NOW = 1_795_361_042_123
NAMES = ("alice", "bob", "carol", "dave")
ALICE, BOB, CAROL, DAVE = range(1, 5)
"""The accounts of a new store; each is in the lobby and has the session of its number."""


class Kept:
    """A store and its state; a new one has accounts for `names`."""

    def __init__(self, path: Path, *names: str) -> None:
        self.store = Store(path)
        self.state = self.store.load()
        if not self.state.accounts:
            self.apply(*(AccountMade(at=0, name=name) for name in names or NAMES))
        self.apply(
            *(
                Came(at=0, account=each.id, session=each.id, name=each.name)
                for each in self.state.accounts.values()
                if each.deleted is None
            )
        )

    def apply(self, *batch: Item) -> list[Outcome]:
        """Apply items and have them on disk, as one batch."""
        keys, targets = needs(batch)
        self.state.keys = self.store.keys_in_use(keys)
        self.state.targets = self.store.targets(targets)
        outcomes = [apply(self.state, each) for each in batch]
        self.store.write(self.state)
        self.state.saved()
        return outcomes

    def say(
        self, text: str, sender: int = BOB, *to: int, at: int = NOW, key: str | None = None
    ) -> int:
        """Say something in the lobby or to somebody; return its number."""
        (said,) = self.apply(item(text, sender, *to, at=at, key=key))
        assert isinstance(said, Delivered)
        return said.seq

    def stretches(self, account: int) -> tuple[Stretch, ...]:
        """Return everything that an account may read."""
        return tuple(
            Stretch(each, self.state.conversations[each].members[account].since)
            for each in sorted(self.state.accounts[account].member_of)
        )

    def direct(self, *people: int) -> tuple[Stretch, ...]:
        """Return the conversation of exactly these people."""
        found = self.state.direct(people)
        return () if found is None else (Stretch(found.id, 0),)

    def window(
        self, account: int = ALICE, after: int = 0, upto: int = 10**6, own_after: int | None = None
    ) -> Window:
        """Return what an account lacks; without `own_after` that is nothing of its own."""
        own = upto if own_after is None else own_after
        return Window(self.stretches(account), account, after, own, upto)

    def texts(self, window: Window, limit: int = 100) -> list[str]:
        """Return what is in a window, having made sure that it is counted."""
        found = [each.text for each in self.store.messages(window, limit)]
        assert self.store.count(window) >= len(found)
        return found

    def leave(self, acked: int = 0) -> None:
        """Have everybody leave who is here, having been given everything up to `acked`."""
        self.apply(
            *(
                Went(at=0, account=each.id, session=session, acked=acked)
                for each in self.state.accounts.values()
                for session in each.sessions
            )
        )

    def close(self) -> None:
        self.store.close()


def item(text: str, sender: int = BOB, *to: int, at: int = NOW, key: str | None = None) -> Said:
    """Return something said, in the lobby or to somebody."""
    room = None if to else LOBBY_ID
    return Said(at=at, account=sender, session=sender, text=text, room=room, to=to, key=key)
