"""What becomes of memory that is free again: what the C library (glibc) and Python do with it.

By default each thread may get a heap of its own, and what hundreds of clients leave in those is
kept for good. Two heaps serve as fast here, since only one thread runs Python at a time.
"""

import ctypes
import gc
import sys
from typing import Final

_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2
_COLLECT_AFTER: Final = (10_000, 20, 50)
"""Objects made and not freed, and how often younger ones are gone through first."""


def share_heaps() -> None:
    """Have threads share their memory. To be called before there are any."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_ARENA_MAX, _ARENAS)


def settle() -> None:
    """Have Python look for unreachable cycles seldom, and never among what there is now.

    Nearly everything here is freed by its count. A batch of hundreds of messages is thousands of
    objects that live for a moment, and made Python look through all of the program for nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def give_back() -> None:
    """Give the system back what is free now: after a crowd has gone. Takes milliseconds."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
