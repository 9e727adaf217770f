"""What dialects have in common in which every line is one request."""

from abc import abstractmethod
from collections.abc import Iterator

from chatserver.commands.registry import Request
from chatserver.dialects.dialect import Dialect, Direct, Refusal
from chatserver.errors import CommandError
from chatwire.framing import LineSplitter


class LineDialect(Dialect):
    """Cuts what comes into lines, of at most `max_line_bytes` (0: any length)."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max = max_line_bytes
        self._splitter = LineSplitter(max_line_bytes)

    def receive(self, data: bytes) -> Iterator[Request | Direct]:
        """Yield what is in each line. Raises CommandError (line_too_long): where the next one
        begins is not known."""
        lines = self._splitter.feed(data)
        left = len(lines)
        for line in lines:
            left -= 1
            self.more_read = left > 0
            try:
                item = self.read(line)
            except CommandError as error:
                item = Refusal(error)
            yield item
        if self._splitter.overlong:
            raise CommandError("line_too_long", f"A line may have at most {self._max} bytes.")

    @abstractmethod
    def read(self, line: bytes) -> Request | Direct:
        """Return what is in a line. Raises CommandError for one that is no request at all."""
