"""Past: how long login, history and search take in a database of many messages."""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Final

from bench.server import CHAT, running_server
from bench.target import Target, names
from bench.turns import Figures, Measures, in_turns
from bench.wire import PASSWORD
from chatclient.errors import Refused
from chatclient.link.connection import Connection
from chatserver.order.apply import apply
from chatserver.order.items import AccountMade, Came, Item, Said, Went
from chatserver.order.records import LOBBY_ID
from chatserver.search.index import FILE_NAME as INDEX_FILE
from chatserver.storage.store import FILE_NAME as STORE_FILE
from chatserver.storage.store import Store
from chatwire.events import Message, Replayed

_NAMES: Final = names(20)
_WORDS: Final = (Path(__file__).parents[1] / "words.txt").read_text("ascii").split()
_BATCH: Final = 5000
_REPLAYED: Final = 100
"""How many messages a replay goes back; nearly all of them were said to the room."""


@dataclass(frozen=True)
class Past:
    """Login, history and search in databases of more and more messages. This server only."""

    name: ClassVar = "past"
    case: ClassVar = "messages"
    messages: tuple[int, ...] = (1000, 100_000, 1_000_000)
    repeats: int = 30
    rounds: int = 1

    @classmethod
    def tiny(cls) -> "Past":
        """Return the smallest one that checks everything."""
        return cls(messages=(100,), repeats=2)

    def run(self, _: Sequence[Target]) -> Figures:
        """Measure."""
        return {
            str(count): in_turns(self.rounds, {CHAT.title: partial(self._measure, count)})
            for count in self.messages
        }

    def _measure(self, messages: int) -> Measures:
        """Fill a database, start a server on it, and measure what a client waits for."""
        with running_server(_NAMES, prepare=lambda folder: _fill(folder, messages)) as server:
            opened = server.ready_after
            started = time.monotonic()
            with Connection.open(server.host, server.port) as chat:
                chat.login("user1", PASSWORD)
                chat.broadcast("thelastwordofall")
                while not _found(chat, "thelastwordofall"):
                    time.sleep(0.1)
                indexed = time.monotonic() - started

                def median(action: Callable[[], object]) -> float:
                    return _median(action, self.repeats)

                return {
                    "login, ms": median(lambda: _login(server.host, server.port)),
                    "login and replay, ms": median(
                        lambda: _replay(server.host, server.port, messages - _REPLAYED)
                    ),
                    "history, ms": median(lambda: chat.request("history", limit=50)),
                    "search, ms": median(
                        lambda: chat.request("search", query=random.choice(_WORDS), limit=10)
                    ),
                    "rare search, ms": median(
                        lambda: chat.request("search", query="needle* from:user3", limit=10)
                    ),
                    "start, s": opened,
                    "index made anew, s": indexed,
                }


def _fill(folder: Path, messages: int) -> None:
    """Write messages as the log thread would: nine of ten to the room, one in private."""
    store = Store(folder / STORE_FILE)
    state = store.load()
    choice = random.Random(1)
    at = int(time.time() * 1000) - messages * 100
    # Everybody is account and session of the same number, from 1 on.
    everybody = range(1, len(_NAMES) + 1)

    def happen(*batch: Item) -> None:
        for item in batch:
            apply(state, item)
        store.write(state)
        state.saved()

    def said(number: int) -> Said:
        sender, other = choice.sample(everybody, 2)
        text = " ".join(choice.choices(_WORDS, k=8))
        if number % 10_000 == 0:
            text += " needlework"
        room, to = (None, (other,)) if number % 10 == 0 else (LOBBY_ID, ())
        return Said(at=at + number, account=sender, session=sender, text=text, room=room, to=to)

    try:
        happen(*(AccountMade(at=at, name=name) for name in _NAMES))
        happen(
            *(
                Came(at=at, account=each, session=each, name=name)
                for each, name in zip(everybody, _NAMES, strict=True)
            )
        )
        for first in range(0, messages, _BATCH):
            happen(*map(said, range(first, min(first + _BATCH, messages))))
        happen(
            *(
                Went(at=at + messages, account=each, session=each, acked=messages)
                for each in everybody
            )
        )
    finally:
        store.close()
    (folder / INDEX_FILE).unlink(missing_ok=True)


def _found(chat: Connection, word: str) -> bool:
    try:
        return bool(getattr(chat.request("search", query=word), "messages", ()))
    except Refused:  # the index is being made
        return False


def _login(host: str, port: int) -> None:
    with Connection.open(host, port) as chat:
        chat.login("user2", PASSWORD)


def _replay(host: str, port: int, since: int) -> None:
    with Connection.open(host, port) as chat:
        missed = chat.login("user2", PASSWORD, since=max(0, since)).missed
        shown = 0
        for event in chat.events():
            if isinstance(event, Replayed):
                break
            shown += isinstance(event, Message)
        if shown != missed:
            raise ValueError(f"{missed} messages were missed and {shown} of them replayed")


def _median(action: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)
