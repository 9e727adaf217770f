"""What the kernel says of a process: threads, descriptors, memory, time on the processors."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """A process at one moment; memory is its proportional set size in KiB."""

    threads: int
    descriptors: int
    pss: int


def usage_of(process: Popen[bytes]) -> Usage:
    """Return what a process uses now."""
    place = _place(process)
    return Usage(
        threads=len([*(place / "task").iterdir()]),
        descriptors=len([*(place / "fd").iterdir()]),
        pss=pss_of(process),
    )


def at_rest(process: Popen[bytes]) -> Usage:
    """Wait until threads neither come nor go; return what a process uses then."""
    before, now = None, usage_of(process)
    while before is None or now.threads != before.threads:
        time.sleep(0.1)
        before, now = now, usage_of(process)
    return now


def pss_of(process: Popen[bytes]) -> int:
    """Return the memory of a process now, in KiB."""
    return _kib(_place(process) / "smaps_rollup", "Pss")


def peak_of(process: Popen[bytes]) -> int:
    """Return the most memory that a process had resident since `forget_peak`, in KiB."""
    return _kib(_place(process) / "status", "VmHWM")


def forget_peak(process: Popen[bytes]) -> None:
    """Have the peak start from what there is now."""
    (_place(process) / "clear_refs").write_text("5", "ascii")


def address_space_of(process: Popen[bytes]) -> int:
    """Return how much address space a process has, in bytes."""
    return _kib(_place(process) / "status", "VmSize") * 1024


def processor_seconds_of(process: Popen[bytes]) -> float:
    """Return how long a process has been on processors, in user and system mode."""
    after_name = (_place(process) / "stat").read_text("ascii").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def load_of(process: Popen[bytes], seconds: float) -> float:
    """Watch a process for a while; return its share of one processor."""
    before, started = processor_seconds_of(process), time.monotonic()
    time.sleep(seconds)
    return (processor_seconds_of(process) - before) / (time.monotonic() - started)


def _place(process: Popen[bytes]) -> Path:
    return Path("/proc", str(process.pid))


def _kib(path: Path, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", path.read_text("ascii"), re.MULTILINE)
    assert found, f"no {field} in {path}"
    return int(found[1])
