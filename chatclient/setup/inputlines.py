"""Lines from standard input when it is not edited here: a pipe, a file, a dumb terminal."""

import io
import sys
from collections import deque
from collections.abc import Iterator
from typing import Final, Protocol

from chatclient.errors import ChatError
from chatwire.framing import LineSplitter

_MAX_LINE_BYTES: Final = 1024 * 1024
_READ_BYTES: Final = 65536


class RawInput(Protocol):
    """The one method needed of an unbuffered binary stream."""

    def read(self, size: int, /) -> bytes | None:
        """Return at most `size` bytes, and none at the end."""


class InputLines:
    """Reads lines from a raw stream. One thread at a time.

    Raw, because a thread that sits in a *buffered* read holds its lock, and Python cannot shut down
    cleanly then; but a client whose link is lost must end while its input is still open.
    """

    def __init__(self, raw: RawInput | None, encoding: str, errors: str = "replace") -> None:
        """`raw` may be None: no input at all. `errors` is what becomes of bytes that are no text,
        as in `bytes.decode`."""
        self._raw = raw
        self._encoding = encoding
        self._errors = errors
        self._splitter = LineSplitter(_MAX_LINE_BYTES)
        self._ready: deque[str] = deque()
        self._unfinished = False
        self._ended = raw is None
        self._first = True

    @classmethod
    def standard(cls) -> "InputLines":
        """Return the lines of this process's standard input."""
        buffered = getattr(sys.stdin, "buffer", None)
        if not isinstance(buffered, io.BufferedReader):  # started without an input
            return cls(None, "utf-8")
        return cls(buffered.raw, sys.stdin.encoding)

    @classmethod
    def of_json(cls) -> "InputLines":
        """Return the lines of this process's standard input where only UTF-8 is right; a byte that
        is not becomes a lone surrogate."""
        lines = cls.standard()
        return cls(lines._raw, "utf-8", "surrogateescape")

    def check(self) -> None:
        """Raise ChatError when the input ended here because a line of it had no end."""
        if self._splitter.overlong:
            raise ChatError(
                f"A line of the input has more than {_MAX_LINE_BYTES} bytes: send it in parts.",
                "line_too_long",
            )

    def read(self) -> str:
        """Return the next line without its end; raises EOFError behind the last."""
        while not self._ready:
            if self._ended:
                raise EOFError
            data = self._raw.read(_READ_BYTES) if self._raw is not None else b""
            self._take(data or b"")
        return self._ready.popleft()

    def __iter__(self) -> Iterator[str]:
        """Yield the lines that are left."""
        while True:
            try:
                yield self.read()
            except EOFError:
                return

    def _take(self, data: bytes) -> None:
        if not data:
            self._ended = True
            data = b"\n" if self._unfinished else b""
        self._unfinished = not data.endswith(b"\n")
        for line in self._splitter.feed(data):
            text = line.decode(self._encoding, errors=self._errors)
            # Windows programs like to begin a file with a byte order mark.
            self._ready.append(text.removeprefix("\ufeff") if self._first else text)
            self._first = False
        if self._splitter.overlong:
            self._ended = True
