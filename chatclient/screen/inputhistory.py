"""What was typed at the prompt, kept for the next session by those who want that.

The file is one JSON text a line, the oldest first, for its owner alone. Passwords are not typed at
the prompt, and a line that begins with a blank is not kept, as in a shell.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from prompt_toolkit.history import History, InMemoryHistory

from chatclient.home import write_own

_MOST_LINES: Final = 1000
_MOST_CHARACTERS: Final = 4000
"""Of a line that is kept."""

_MOST_BYTES: Final = 4 * 1024 * 1024


def input_history(file: Path | None, say: Callable[[str], None]) -> History:
    """Return what is kept in a file, or nothing; `say` is told that it cannot be kept."""
    if file is None:
        return InMemoryHistory()
    try:
        return InputHistory(file)
    except OSError as error:
        say(f"What you type cannot be kept in {file}: {error.strerror}.")
        return InMemoryHistory()


class InputHistory(History):
    """Lines in a file. Used by one thread; several clients may add to the same file."""

    def __init__(self, file: Path) -> None:
        """Open the file, or make it, and let go of what is too old. Raises OSError."""
        super().__init__()
        self._file = file
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "rb") as stream:
            file.chmod(0o600)
            size = os.fstat(descriptor).st_size
            stream.seek(max(0, size - _MOST_BYTES))
            lines = list(filter(None, map(_line, stream)))
        self._lines = lines[-_MOST_LINES:]
        if size > _MOST_BYTES or len(lines) > 2 * _MOST_LINES:
            write_own(file, b"".join(map(_written, self._lines)))

    def load_history_strings(self) -> Iterable[str]:
        """Return the lines from before, the newest first."""
        return reversed(self._lines)

    def store_string(self, string: str) -> None:
        """Keep a line. A full disk is no reason not to send what was typed."""
        if string.startswith(" ") or len(string) > _MOST_CHARACTERS:
            return
        with contextlib.suppress(OSError):
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "ab") as stream:
                stream.write(_written(string))


def _line(data: bytes) -> str | None:
    """Return a line of the file; None for what is none, such as the rest of a long one."""
    try:
        line = json.loads(data)
    except ValueError:
        return None
    return line if isinstance(line, str) else None


def _written(line: str) -> bytes:
    return json.dumps(line).encode() + b"\n"
