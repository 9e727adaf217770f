"""The client's commands as processes, in an environment with nothing of the tester's own."""

import os
import re
import subprocess
import sys

from .fake import DEADLINE

CLEAN_ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_")}
CLEAN_ENVIRON |= {"CHAT_CLIENT_CONFIG": os.devnull, "PYTHONUTF8": "1"}

STAMP = re.compile(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d ")


def unstamped(line: str) -> str:
    """Return a line that begins with a time without it."""
    stamp = STAMP.match(line)
    assert stamp, line
    return line[stamp.end() :]


def run(
    program: str, *arguments: str, typed: str = "", **environ: str
) -> "subprocess.CompletedProcess[str]":
    """Run a program over what is typed until its end, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", program, *arguments],
        input=typed,
        capture_output=True,
        encoding="utf-8",
        env=CLEAN_ENVIRON | environ,
        timeout=3 * DEADLINE,
        check=False,
    )
