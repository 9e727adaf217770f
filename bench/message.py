"""The text of a message: who sent it, which of his it is and when, and words to fill it up.

Both servers carry the same bytes of text. That a message came once and in order, and how long it
took, is read out of its own text.
"""

import time
from typing import Final, NamedTuple

LENGTH: Final = 64
"""Characters of a text where a work asks for nothing else: a short line of a chat."""

WORDS: Final = "the quick brown fox jumps over the lazy dog and runs on " * 20


class Stamp(NamedTuple):
    """What a text says of itself. `sent` is in seconds, of the generator's own clock."""

    sender: int
    number: int
    sent: float


def compose(sender: int, number: int, length: int = LENGTH) -> str:
    """Return the text of a message that is sent now."""
    stamp = f"{sender} {number} {time.monotonic_ns()} "
    return stamp + WORDS[: length - len(stamp)].rstrip()


def stamp_of(text: bytes) -> Stamp:
    """Return what a text says of itself. Raises ValueError if it is none of ours."""
    sender, number, sent, _ = text.split(b" ", 3)
    return Stamp(int(sender), int(number), int(sent) / 1e9)
