"""The end that a signal asks for, where something has to be put in order first."""

import contextlib
import signal
from types import FrameType
from typing import Final

ENDING: Final = tuple(
    int(getattr(signal, name)) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals that end a program, unless whoever started it has them ignored (`nohup`)."""


class Ended(BaseException):
    """A signal has asked for the end. Not an Exception, like KeyboardInterrupt."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def expected() -> tuple[int, ...]:
    """Return the signals of ENDING that nobody has asked to ignore."""
    return tuple(each for each in ENDING if signal.getsignal(each) is not signal.SIG_IGN)


def raise_on_signals() -> None:
    """Have these signals raise Ended in the main thread; a second one ends the process at once."""
    with contextlib.suppress(ValueError):  # not in the main thread: a test
        for number in expected():
            signal.signal(number, _raise)


def _raise(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise Ended(number)
