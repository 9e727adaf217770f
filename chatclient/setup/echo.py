"""Whether the terminal shows what is typed, before there is a line of our own to type on."""

import contextlib
import signal
import sys
from types import FrameType
from typing import Any, Final

if sys.platform != "win32":
    import termios

    _LOCAL_MODES: Final = 3
    """Where `tcgetattr` has the flags to which ECHO belongs."""

    _NO_TERMINAL: Final = (termios.error, OSError, ValueError, AttributeError)


class Echo:
    """The echo of the terminal on standard input; nothing happens where that is none.

    `getpass` alone is not enough: it turns the echo back on as soon as the line has ended, while
    the server still compares, and a password that is typed once more just then would be shown.
    Used by the main thread alone.
    """

    def __init__(self) -> None:
        self._before: Any = None

    def off(self) -> None:
        """Show nothing of what is typed from now on, and drop what was typed before."""
        if sys.platform != "win32" and self._before is None:
            with contextlib.suppress(*_NO_TERMINAL):
                self._before = termios.tcgetattr(sys.stdin.fileno())
                _hide()
                # A shell sets the terminal to rights when it stops us, and not back again.
                signal.signal(signal.SIGCONT, _continued)

    def on(self) -> None:
        """Show it as before, and drop what was typed unseen: it was not meant for what follows."""
        if sys.platform != "win32" and self._before is not None:
            before, self._before = self._before, None
            with contextlib.suppress(*_NO_TERMINAL):
                signal.signal(signal.SIGCONT, signal.SIG_DFL)
            with contextlib.suppress(*_NO_TERMINAL):
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, before)
            drop_typed_ahead()


def drop_typed_ahead() -> None:
    """Drop what was typed before a question was there to be read."""
    if sys.platform != "win32":
        with contextlib.suppress(*_NO_TERMINAL):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _hide() -> None:
    if sys.platform != "win32":
        modes = termios.tcgetattr(sys.stdin.fileno())
        modes[_LOCAL_MODES] &= ~termios.ECHO
        # At once: TCSAFLUSH would wait for a terminal that takes no output, and fail on a signal.
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, modes)
        drop_typed_ahead()


def _continued(_number: int, _frame: FrameType | None) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(*_NO_TERMINAL):
            _hide()
