"""A server for each test that asks for one, and the certainty that its threads end."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from .fakes import NAMES, Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Give a server with accounts for NAMES and nobody here."""
    with Server(tmp_path) as running:
        running.add_accounts(*NAMES)
        yield running


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(5)
    assert not [thread.name for thread in left if thread.is_alive()]
