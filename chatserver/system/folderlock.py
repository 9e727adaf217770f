"""Who may change a data folder: one server alone, or without one the commands that edit accounts.

One file is locked, `chat.lock`: by a server for itself, by commands together. The system gives a
lock back when its owner ends, however it ends.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from chatserver.system.files import make_folder, open_private

_FILE: Final = "chat.lock"
_COMMAND_SECONDS: Final = 10.0
"""How long a server that starts waits for commands, each of which takes some milliseconds."""

_LOOK_SECONDS: Final = 0.01


class FolderInUse(Exception):
    """Another server has the folder; or, if `by_commands`, commands that do not end."""

    def __init__(self, *, by_commands: bool) -> None:
        super().__init__()
        self.by_commands = by_commands


def lock_for_server(data: Path) -> int:
    """Make the data folder and lock it; return the descriptor that holds the lock.

    Raises FolderInUse, or OSError when the folder cannot be made or written to.
    """
    handle = _open(data)
    deadline = time.monotonic() + _COMMAND_SECONDS
    try:
        while not _take(handle, fcntl.LOCK_EX):
            if not _take(handle, fcntl.LOCK_SH):
                raise FolderInUse(by_commands=False)
            fcntl.flock(handle, fcntl.LOCK_UN)
            if time.monotonic() > deadline:
                raise FolderInUse(by_commands=True)
            time.sleep(_LOOK_SECONDS)
    except BaseException:
        os.close(handle)
        raise
    return handle


def lock_for_command(data: Path) -> int | None:
    """Keep servers from starting on the folder, which is made if need be, until the descriptor
    returned is closed; None when there is a server. Raises OSError as `lock_for_server`."""
    handle = _open(data)
    try:
        if _take(handle, fcntl.LOCK_SH):
            return handle
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def _open(data: Path) -> int:
    make_folder(data)
    return open_private(data / _FILE)


def _take(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
