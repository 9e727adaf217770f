"""What a helper of the tests is that begins and ends with a block."""

from types import TracebackType
from typing import Self


class Scoped:
    """`with helper:` calls `begin` before the block and `end` after it."""

    def begin(self) -> None:
        """Take what the block needs. What this raises ends the block before it began."""

    def end(self, error: BaseException | None) -> None:
        """Give everything back; `error` is what the block raised, and is raised again."""

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end(error)
