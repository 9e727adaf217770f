"""A command of the person's own, run when somebody speaks to them.

Everything happens in the asyncio loop of `terminal`; the message is on the command's standard input
and nowhere else, so whatever somebody has written, it is no part of a command line.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from chatclient.setup.credentials import PASSWORD_VARIABLE

_SECONDS: Final = 10.0
"""How long one run may take before it is killed."""

_MOST_WAITING: Final = 5
_MOST_CHARACTERS: Final = 4000


class Hook:
    """Runs a command for one message after the other; what comes too fast is left out."""

    def __init__(self, command: Sequence[str], complain: Callable[[str], None]) -> None:
        """`command` is a program and its arguments, or nothing; `complain` is told, once, that it
        cannot be run."""
        self._command = command
        self._complain: Callable[[str], None] | None = complain
        self._waiting: deque[str] = deque()
        self._work: asyncio.Task[None] | None = None

    def tell(self, text: str) -> None:
        """Have the command run with this text; not when several wait for it already."""
        if not self._command or len(self._waiting) >= _MOST_WAITING:
            return
        self._waiting.append(text[:_MOST_CHARACTERS])
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._run_all())

    async def stop(self) -> None:
        """Kill what runs, and forget what waits."""
        self._waiting.clear()
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait((self._work,))

    async def _run_all(self) -> None:
        while self._waiting:
            await self._run(self._waiting.popleft())

    async def _run(self, text: str) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,  # it would be written across the screen
                stderr=asyncio.subprocess.DEVNULL,
                env={key: value for key, value in os.environ.items() if key != PASSWORD_VARIABLE},
                start_new_session=True,  # Ctrl-C and Ctrl-Z are not for it
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self._say_once(f"Your hook cannot be run ({self._command[0]}): {reason}.")
            return
        try:
            await asyncio.wait_for(process.communicate(text.encode()), _SECONDS)
        except TimeoutError:
            self._say_once(f"Your hook was killed: it took more than {_SECONDS:g} seconds.")
        finally:
            if process.returncode is None:
                _kill(process)
                await process.wait()

    def _say_once(self, text: str) -> None:
        complain, self._complain = self._complain, None
        if complain is not None:
            complain(text)


def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill a command and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        if sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
