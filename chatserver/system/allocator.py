"""What the C library does with memory that is free again, where it can be told (glibc).

By default each thread may get a heap of its own, and what hundreds of clients leave in those is
kept for good. Two heaps serve as fast here, since only one thread runs Python at a time.
"""

import ctypes
import sys
from typing import Final

_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2


def share_heaps() -> None:
    """Have threads share their memory. To be called before there are any."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_ARENA_MAX, _ARENAS)


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
