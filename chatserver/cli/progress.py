"""How far something is that takes long, on standard error."""

import sys
import time
from typing import Final

import click

_QUICK_SECONDS: Final = 1.0
"""What takes longer shows on a terminal how far it is."""


class Progress:
    """Called with how much is done, and of how much; `finish` is called at the end.

    A terminal has one line that is written again and again. Anything else, such as a log, has the
    sentence `what` when it begins and another when it ends, or nothing where there is no sentence.
    """

    def __init__(self, what: str = "") -> None:
        self._what = what
        self._started = time.monotonic()
        self._shown = -1  # per cent
        self._on_terminal = sys.stderr.isatty()
        self._begun = False

    def __call__(self, done: int, total: int) -> None:
        if self._on_terminal:
            self._draw(done, total)
        elif self._what and not self._begun:
            click.echo(f"{self._what} …", err=True)
        self._begun = True

    def finish(self, *, done: bool = True) -> None:
        """End the line, or say that it is done. May be called where nothing was begun."""
        if self._on_terminal:
            if self._shown >= 0:
                click.echo(err=True)
        elif self._what and self._begun and done:
            seconds = time.monotonic() - self._started
            click.echo(f"{self._what}: done in {seconds:.1f} s", err=True)

    def _draw(self, done: int, total: int) -> None:
        percent = 100 * done // total if total else 100
        if percent == self._shown or time.monotonic() - self._started < _QUICK_SECONDS:
            return
        filled = 2 * percent // 5
        bar = "#" * filled + "-" * (40 - filled)
        before = f"{self._what} " if self._what else ""
        click.echo(f"\r{before}[{bar}] {percent:3d} %", nl=False, err=True)
        self._shown = percent
