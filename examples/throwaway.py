"""A real server with a few accounts, for as long as an example needs it."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

CHAT: Final = [sys.executable, "-m", "chatserver"]
_END_SECONDS: Final = 10.0


@contextmanager
def running_server(
    data: Path, names: Iterable[str]
) -> Iterator[tuple[tuple[str, int], dict[str, str]]]:
    """Run a server on the folder `data` with an account for each name.

    Gives its address and the passwords by name.
    """
    passwords = {name: _add_account(data, name) for name in names}
    process = subprocess.Popen(
        [*CHAT, "serve", "--quiet", "--port", "0", "--data", str(data)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a Ctrl-C is for the client
    )
    assert process.stdout is not None
    try:
        found = re.search(r"listening on \S+:(\d+)", process.stdout.readline())
        if found is None:
            sys.exit("The server did not start; see above.")
        yield ("127.0.0.1", int(found[1])), passwords
    finally:
        end(process)
        process.stdout.close()


def end(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
    """End a process as an operator would."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _add_account(data: Path, name: str) -> str:
    done = subprocess.run(
        [*CHAT, "adduser", "--data", str(data), "--generate", name],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()[-1]
