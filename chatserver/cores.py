"""Which cores the threads run on, where the system lets us choose (Linux).

Only one thread runs Python at a time, so a second core makes nothing faster that is written in it;
but handing the interpreter over to a thread on another core takes the system several times as long.
So all threads stay on one core, and those leave it that work for long without the interpreter.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager


def stay_on_one() -> None:
    """Keep this process on one core, any of those it may use. Call before there are threads."""
    cores = _cores()
    if len(cores) > 1:
        # Not always the same one: there may be other servers.
        os.sched_setaffinity(0, {random.choice(cores)})  # noqa: S311 - nothing secret


def roam() -> None:
    """Let the calling thread, and threads it starts, run on every core."""
    if _ALL:
        os.sched_setaffinity(0, _ALL)


@contextmanager
def roaming() -> Iterator[None]:
    """Let the calling thread run on every core while the block lasts."""
    before = _cores()
    roam()
    try:
        yield
    finally:
        if before:
            os.sched_setaffinity(0, before)


def _cores() -> list[int]:
    """Return the cores that the calling thread may use; none where that cannot be known."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


_ALL = frozenset(_cores())
