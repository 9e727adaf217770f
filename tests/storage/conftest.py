"""A store for each test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kept import Kept


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


@pytest.fixture
def kept(path: Path) -> Iterator[Kept]:
    """Give a store with the accounts of NAMES."""
    opened = Kept(path)
    yield opened
    opened.close()
