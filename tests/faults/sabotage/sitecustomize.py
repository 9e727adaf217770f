"""Put on the path of a server by `target.py`, to break what is around it while it runs.

FAULT_DESCRIPTORS  how many descriptors it may have
FAULT_CLOCK        a file with the number of seconds by which the time of day is wrong
FAULT_THREADS      a file; while it exists no thread can be started
"""

import os
import time


def _limit_descriptors(limit: int) -> None:
    import resource  # noqa: PLC0415 - only when wanted

    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def _falsify_clock(path: str) -> None:
    right, right_ns = time.time, time.time_ns

    def wrong_by() -> int:
        handle = os.open(path, os.O_RDONLY)
        try:
            return int(os.read(handle, 100) or b"0")
        finally:
            os.close(handle)

    time.time = lambda: right() + wrong_by()
    time.time_ns = lambda: right_ns() + wrong_by() * 1_000_000_000


def _starve_of_threads(path: str) -> None:
    import threading  # noqa: PLC0415 - as above

    start = threading.Thread.start

    def start_or_not(self: threading.Thread) -> None:
        if os.path.exists(path):  # noqa: PTH110 - in a hurry, on every thread
            raise RuntimeError("can't start new thread")
        start(self)

    threading.Thread.start = start_or_not  # type: ignore[method-assign]


if "FAULT_DESCRIPTORS" in os.environ:
    _limit_descriptors(int(os.environ["FAULT_DESCRIPTORS"]))
if "FAULT_CLOCK" in os.environ:
    _falsify_clock(os.environ["FAULT_CLOCK"])
if "FAULT_THREADS" in os.environ:
    _starve_of_threads(os.environ["FAULT_THREADS"])
