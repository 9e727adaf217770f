"""On which processor cores threads run, where the system lets us choose (Linux).

One thread at a time runs Python. When it hands the interpreter to a thread on another core, that
one has to be woken over there, and then waits again for a lock which the first is still holding: in
a lively conversation that takes longer than the work itself. So the threads that pass messages on
share a core. One that wakes up does not push aside the one that runs (SCHED_BATCH), since it would
only wait for the interpreter. What works outside the interpreter (a hash, the search index) roams.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_all: frozenset[int] = frozenset()
"""The cores that the process may use; empty until `gather`, which is before there are threads."""


def gather() -> None:
    """Keep this thread, and those that it starts from now on, on one core.

    For the main thread, before it starts any. Does nothing where the system does not allow it.
    """
    global _all  # noqa: PLW0603 - it is the process that has cores
    if sys.platform == "linux":
        usable = os.sched_getaffinity(0)
        # The last, since systems serve their interrupts on the first.
        if len(usable) > 1 and _move({max(usable)}, os.SCHED_BATCH):
            _all = frozenset(usable)


@contextmanager
def roaming() -> Iterator[None]:
    """Let this thread, and those that it starts meanwhile, run on any core."""
    if sys.platform == "linux" and _all:
        home, policy = os.sched_getaffinity(0), os.sched_getscheduler(0)
        _move(_all, os.SCHED_OTHER)
        try:
            yield
        finally:
            _move(home, policy)
    else:
        yield


def _move(cores: Iterable[int], policy: int) -> bool:
    """Have this thread run on `cores`; tell whether the system agreed."""
    if sys.platform == "linux":
        try:
            os.sched_setscheduler(0, policy, os.sched_param(0))
            os.sched_setaffinity(0, cores)
        except OSError:  # a sandbox forbids it, or the cores have been taken from us
            return False
    return True
