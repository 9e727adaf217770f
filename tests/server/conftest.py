"""A server for each test that asks for one, and the certainty that its threads end."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatserver.net.flusher import Flusher

from .fakes import NAMES, Pair, Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Give a server with accounts for NAMES and nobody here."""
    with Server(tmp_path) as running:
        running.add_accounts(*NAMES)
        yield running


@pytest.fixture
def pair(server: Server) -> Pair:
    """Give alice and bob, logged in."""
    return Pair(server)


@pytest.fixture
def flusher() -> Iterator[Flusher]:
    """Give a flusher that runs."""
    running = Flusher()
    running.start()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(5)
    assert not [thread.name for thread in left if thread.is_alive()]
