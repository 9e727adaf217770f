"""How long login, history and search take in a database of many messages."""

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.server import PASSWORD, running_server
from chatclient.connection import Connection
from chatserver.search import FILE_NAME as INDEX_FILE
from chatserver.store import FILE_NAME as STORE_FILE
from chatserver.store import Standing, Store

_NAMES = [f"user{number}" for number in range(20)]
_WORDS = (Path(__file__).parent / "words.txt").read_text("ascii").split()
_BATCH = 5000


@dataclass(frozen=True)
class Times:
    """Medians in milliseconds, and seconds for the first two."""

    messages: int
    opened: float
    indexed: float
    login: float
    history: float
    search: float
    rare_search: float


def past(messages: int, repeats: int = 30) -> Times:
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
            return Times(
                messages,
                opened,
                indexed,
                login=_median(lambda: _login(server.host, server.port), repeats),
                history=_median(lambda: chat.request("history", limit=50), repeats),
                search=_median(
                    lambda: chat.request("search", query=random.choice(_WORDS), limit=10), repeats
                ),
                rare_search=_median(
                    lambda: chat.request("search", query="needle* from:user3", limit=10), repeats
                ),
            )


def _fill(folder: Path, messages: int) -> None:
    """Write messages as the log thread would: nine of ten to the room, one in private."""
    store = Store(folder / STORE_FILE)
    choice = random.Random(1)
    at = int(time.time() * 1000) - messages * 100
    try:
        with store.batch() as batch:
            batch.put(
                Standing(name, read=messages, seen_at=time.time(), name=name) for name in _NAMES
            )
        for first in range(0, messages, _BATCH):
            with store.batch() as batch:
                for number in range(first, min(first + _BATCH, messages)):
                    sender, other = choice.sample(_NAMES, 2)
                    text = " ".join(choice.choices(_WORDS, k=8))
                    if number % 10_000 == 0:
                        text += " needlework"
                    private = number % 10 == 0
                    room = None if private else "lobby"
                    batch.add(at + number, sender, room, (other,) if private else (), text, None)
    finally:
        store.close()
    (folder / INDEX_FILE).unlink(missing_ok=True)


def _found(chat: Connection, word: str) -> bool:
    return bool(getattr(chat.request("search", query=word), "messages", ()))


def _login(host: str, port: int) -> None:
    with Connection.open(host, port) as chat:
        chat.login("user2", PASSWORD)


def _median(action: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)
