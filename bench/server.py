"""This server: a real process on a free port with a throw-away data folder."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Final

from passlib.hash import argon2

from bench.target import Running, Target
from bench.wire import PASSWORD, JsonWire

_READY: Final = re.compile(r"listening on (\S+):(\d+)")

_SETTINGS: Final = {
    # Limits are off and hashes cheap: what is measured is the chat, not argon2 or the rate limit.
    "CHAT_SERVER_HOST": "127.0.0.1",
    "CHAT_SERVER_MAX_CLIENTS": "0",
    "CHAT_LOGIN_LOGINS_PER_MINUTE": "0",
    "CHAT_SESSION_MAX_SESSIONS_PER_ACCOUNT": "0",
    "CHAT_SESSION_RATE_PER_SECOND": "0",
    "CHAT_LOGIN_ADDRESS_FAILURES": "0",  # so many log in from one address at once
    "CHAT_PASSWORDS_TIME_COST": "1",
    "CHAT_PASSWORDS_MEMORY_KIB": "8",
    "CHAT_PASSWORDS_PARALLELISM": "1",
    # No pings between what is counted; `idle` has them.
    "CHAT_SESSION_PING_SECONDS": "0",
}


def _nothing(_: Path) -> None:
    return


@cache
def _hash() -> str:
    hashed = argon2.using(type="ID", time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    return str(hashed)


@contextmanager
def running_server(
    names: Sequence[str],
    *,
    settings: Mapping[str, str] | None = None,
    prepare: Callable[[Path], None] = _nothing,
    module: str = "chatserver",
) -> Iterator[Running]:
    """Run a server with an account for each of `names` (password PASSWORD) and kill it after.

    `prepare` is given the data folder before the start. `module` is what Python runs.
    """
    environment = {name: value for name, value in os.environ.items() if name[:5] != "CHAT_"}
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as folder:
        accounts = Path(folder) / "user_pass.txt"
        accounts.touch(0o600)  # more, and the server says so
        accounts.write_text("".join(f"{name}:{_hash()}\n" for name in names))
        prepare(Path(folder))
        started = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-m", module, "serve", "--port", "0", "--quiet", "--data", folder],
            stdout=subprocess.PIPE,
            text=True,
            env=environment | _SETTINGS | (dict(settings) if settings else {}),
        ) as process:
            assert process.stdout is not None
            try:
                ready = _READY.search(process.stdout.readline())
                if ready is None:
                    raise RuntimeError("this server did not start")
                port = int(ready[2])
                yield Running(process.pid, port, port, time.monotonic() - started)
            finally:
                process.kill()


CHAT: Final = Target("this server", JsonWire(), running_server)
WITHOUT_INDEX: Final = Target(
    "index off", JsonWire(), partial(running_server, module="bench.unindexed")
)
IDLE_CHAT: Final = Target(
    CHAT.title, JsonWire(), partial(running_server, settings={"CHAT_SESSION_PING_SECONDS": "60"})
)
