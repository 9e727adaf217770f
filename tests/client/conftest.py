"""What holds for every test of the client."""

import threading
from collections.abc import Iterator

import pytest

from .fake import DEADLINE


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("chat-"):
            thread.join(DEADLINE)
            assert not thread.is_alive(), thread.name
