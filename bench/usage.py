"""What a process uses, as Linux tells it in /proc, and how many files this one may open."""

import os
import resource
import time
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_SPARE_FILES: Final = 200

GENERATOR: Final = "generator, % of a core"
SERVER: Final = "server, % of a core"


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_kib(pid: int) -> int:
    """Return a process's PSS: its own memory, and its share of what it has in common."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"no PSS of process {pid}")


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())


def allow_files(count: int) -> None:
    """Have this process and those it starts open so many files. Ends the bench if it may not."""
    count += _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and count > hard:
        raise SystemExit(f"This needs {count} open files and {hard} are allowed: see `ulimit -Hn`.")
    if soft != resource.RLIM_INFINITY and count > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class Meter:
    """Time, and what the generator and the server use of it. Starts when it is made."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._server = cpu_seconds(pid)
        self._generator = time.process_time()
        self.started = time.monotonic()

    def stop(self, seconds: float | None = None, generator: float | None = None) -> None:
        """Stop the clock. A generator in a process of its own says what it took and used."""
        self.seconds = time.monotonic() - self.started if seconds is None else seconds
        self._generator = time.process_time() - self._generator if generator is None else generator
        self._server = cpu_seconds(self._pid) - self._server

    def shares(self) -> dict[str, float]:
        """Return both shares of one core, in percent."""
        return {
            GENERATOR: 100 * self._generator / self.seconds,
            SERVER: 100 * self._server / self.seconds,
        }
