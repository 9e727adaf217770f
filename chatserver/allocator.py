"""What the C library does with memory that is free again, where it can be told (glibc).

By default each thread may get a heap of its own, and what hundreds of clients leave in those is
kept for good. Two heaps serve as fast here, since only one thread runs Python at a time.
"""

import ctypes
import sys
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2
_KEPT_BYTES: Final = 1 << 20


def keep_little() -> None:
    """Have memory shared between threads, and what is free given back soon. Call before threads."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_ARENA_MAX, _ARENAS)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


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
