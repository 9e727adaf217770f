"""The server under test: a real process on a free port with a throw-away data folder."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from passlib.hash import argon2

PASSWORD = "correct horse"
_READY = re.compile(r"listening on (\S+):(\d+)")

# Limits are off and hashes cheap: what is measured is the chat, not argon2 or the rate limit.
_SETTINGS = {
    "CHAT_SESSION_RATE_PER_SECOND": "0",
    "CHAT_SESSION_PRESENCE_NOTICES_UP_TO": "1",
    "CHAT_SERVER_MAX_CLIENTS": "0",
    "CHAT_PASSWORDS_TIME_COST": "1",
    "CHAT_PASSWORDS_MEMORY_KIB": "8",
    "CHAT_PASSWORDS_PARALLELISM": "1",
}


@dataclass(frozen=True)
class Running:
    """A server that listens."""

    process: subprocess.Popen[str]
    host: str
    port: int
    ready_after: float
    """Seconds from the start of the process until it listened."""


def _nothing(_: Path) -> None:
    return


@contextmanager
def running_server(
    names: Sequence[str],
    settings: dict[str, str] | None = None,
    prepare: Callable[[Path], None] = _nothing,
) -> Iterator[Running]:
    """Run a server with an account for each of `names` (password PASSWORD) and stop it after.

    `prepare` is given the data folder before the start.
    """
    hashed = argon2.using(type="ID", time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as folder:
        accounts = Path(folder) / "user_pass.txt"
        accounts.write_text("".join(f"{name}:{hashed}\n" for name in names))
        prepare(Path(folder))
        started = time.monotonic()
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "chatserver",
                "serve",
                "--port",
                "0",
                "--quiet",
                "--data",
                folder,
            ],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | _SETTINGS | (settings or {}),
        )
        try:
            assert process.stdout is not None
            ready = _READY.search(process.stdout.readline())
            assert ready is not None, "the server did not start"
            yield Running(process, ready[1], int(ready[2]), time.monotonic() - started)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            assert process.stdout is not None
            process.stdout.close()
