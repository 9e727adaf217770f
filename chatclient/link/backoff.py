"""Pauses between tries: each twice as long as the one before, up to a longest, never quite alike.

The jitter is there so that a server that comes back is not met by everybody at once.
"""

import random
from typing import Final

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0


class Backoff:
    """The pauses after one loss. For one thread."""

    def __init__(self, first: float = FIRST_PAUSE, longest: float = LONGEST_PAUSE) -> None:
        """The first pause is about `first` seconds, the next ones at most about `longest`."""
        self._pause = first
        self._longest = longest

    def next(self, asked_for: float = 0.0) -> float:
        """Return the next pause in seconds, never shorter than a server has `asked_for`."""
        pause = self._pause * random.uniform(0.8, 1.2)  # noqa: S311 - nothing secret
        self._pause = min(2 * self._pause, self._longest)
        return max(pause, asked_for * random.uniform(1, 1.5))  # noqa: S311
