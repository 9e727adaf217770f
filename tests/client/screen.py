"""The client on a real pseudo-terminal, with a terminal emulator to see what a person would see.

The test itself plays the server, step by step: see `Screen.door` and `fake.Link`.
"""

import sys

import pytest

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals on Windows", allow_module_level=True)

import os
import select
import signal
import socket
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pyte

from .fake import DEADLINE, Link

CTRL_C, CTRL_D, CTRL_R, TAB, UP = "\x03", "\x04", "\x12", "\t", "\x1b[A"

NO_HURRY = (
    "import chatclient.link.resume as r; r.ResumingClient.__init__.__kwdefaults__['pause'] = 300"
)
"""A change that leaves a lost link to whoever presses Enter."""


_ENVIRON = {
    "TERM": "xterm-256color",
    "PYTHONUTF8": "1",
    "TZ": "UTC",
    "CHAT_CLIENT_CONFIG": os.devnull,  # not the tester's own settings
}


def paste(text: str) -> str:
    """Return what a terminal sends when `text` is pasted."""
    return f"\x1b[200~{text}\x1b[201~"


class Door:
    """Where the client comes in."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(DEADLINE)
        self._links: list[Link] = []
        self.port: int = self._listener.getsockname()[1]

    def open(self) -> Link:
        """Wait for the client to come, and return this end of the connection."""
        self._links.append(Link(self._listener.accept()[0]))
        return self._links[-1]

    def close(self) -> None:
        self._listener.close()
        for link in self._links:
            link.close()


class _Emulator(pyte.HistoryScreen):
    """An xterm with a scrollback, and with tmux's habit of keeping there what is cleared."""

    def erase_in_display(self, how: int = 0, *args: Any, **more: Any) -> None:
        if how == 0 and (self.cursor.x, self.cursor.y) == (0, 0):
            self.history.top.extend(self.buffer[y].copy() for y in range(self.lines))
        super().erase_in_display(how, *args, **more)

    def break_rows(self, columns: int) -> None:
        """Break the rows that will be too long, as a terminal does that loses nothing."""
        rows: list[dict[int, Any]] = []
        at = self.cursor.y
        for y in range(self.lines):
            row = self.buffer[y]
            length = max((x + 1 for x in row if row[x].data != " "), default=0)
            if y == at:
                self.cursor.y = len(rows) + self.cursor.x // columns
                self.cursor.x %= columns
            rows += [
                {x - start: row[x] for x in range(start, min(start + columns, length))}
                for start in range(0, max(length, 1), columns)
            ]
        for y in range(self.lines):
            self.buffer[y].clear()
            self.buffer[y].update(rows[y])


class Screen:
    """A person's view of the client: keys go in, `text` is what is on the screen."""

    def __init__(
        self,
        columns: int,
        rows: int,
        environ: dict[str, str],
        change: str = "",
        user: str = "alice",
        *,
        options: tuple[str, ...] = (),
        place: tuple[str, int] | None = None,
        machine: str = "",
    ) -> None:
        """Start the client, after the Python statements in `change`; without `user` it asks.

        It comes to the door, unless there is a server at a `place`; and from this machine, unless
        another one (a network namespace) is named.
        """
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CHAT_", "NO_COLOR"))}
        code = f"{change}\nfrom chatclient.cli.connect import connect\nconnect()"
        self.door = Door()
        host, port = place or ("127.0.0.1", self.door.port)
        there = ["ip", "netns", "exec", machine] if machine else []
        program, *arguments = [*there, sys.executable, "-c", code, host, str(port)]
        self.child = pexpect.spawn(
            program,
            [*arguments, *(["--user", user] if user else []), *options],
            dimensions=(rows, columns),
            env=kept | _ENVIRON | environ,
        )
        self.child.delaybeforesend = None
        self.screen = _Emulator(columns, rows, history=10_000)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._ended = False

    @property
    def text(self) -> str:
        """Return the screen without the blanks behind the lines and the lines below."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    @property
    def lines(self) -> list[str]:
        """Return the lines on the screen but for the status line; a wide character is one."""
        text = self.text if self._ended else self.text.rpartition("\n")[0].rstrip()
        return text.split("\n")

    @property
    def status(self) -> str:
        """Return the status line."""
        return "" if self._ended else self.text.rpartition("\n")[2].strip()

    @property
    def scrolled(self) -> list[str]:
        """Return what has scrolled off the screen and what is on it."""
        columns = range(self.screen.columns)
        above = ("".join(row[x].data for x in columns).rstrip() for row in self.screen.history.top)
        return [*above, *self.lines]

    @property
    def echoes(self) -> bool:
        """Whether the system shows what is typed."""
        return bool(termios.tcgetattr(self.child.child_fd)[3] & termios.ECHO)

    @property
    def is_raw(self) -> bool:
        """Whether keys go to the client one by one."""
        return not termios.tcgetattr(self.child.child_fd)[3] & termios.ICANON

    @property
    def bells(self) -> int:
        """Return how often the bell has rung."""
        return self.raw.count(b"\x07")

    def bold(self) -> str:
        """Return the bold characters on the screen."""
        rows = (self.screen.buffer[y] for y in range(self.screen.lines))
        return "".join(row[x].data for row in rows for x in sorted(row) if row[x].bold)

    def colours(self) -> set[Any]:
        """Return every colour on the screen."""
        cells = [cell for row in self.screen.buffer.values() for cell in row.values()]
        return {cell.fg for cell in cells} | {cell.bg for cell in cells}

    def wait(self, seen: Callable[[], bool]) -> None:
        """Read until `seen` is true, and fail with the screen when it does not come true."""
        deadline = time.monotonic() + DEADLINE
        while not seen():
            if not self._read(deadline - time.monotonic()):
                pytest.fail(f"this is on the screen:\n{self.text}")

    def wait_for(self, text: str) -> None:
        self.wait(lambda: text in self.text)

    def wait_for_line(self, line: str) -> None:
        """Wait until the last line above the status line is this one."""
        self.wait(lambda: self.lines[-1] == line)

    def wait_for_status(self, text: str) -> None:
        self.wait(lambda: text in self.status)

    def type(self, keys: str, line: str | None = None) -> None:
        """Type keys; and wait for the line above the status line that this makes, if given."""
        self.child.send(keys)
        if line is not None:
            self.wait_for_line(line)

    def say(self, text: str, line: str | None = None) -> None:
        """Type a line and Enter, as `type`, at a speed at which it does not pass for a paste."""
        self.wait(lambda: self.lines[-1].endswith(">"))
        self.type(text)
        self.wait(lambda: self.lines[-1].endswith(text[-10:]))
        self.type("\r", line)

    def wait_for_modes(self, seen: Callable[[], bool]) -> None:
        """Wait until the modes of the terminal are so; nothing tells when they change."""
        deadline = time.monotonic() + DEADLINE
        while not seen():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def is_waiting(self) -> bool:
        """Tell whether the client has done all there was to do: it sleeps, and no signal waits.

        Each of its threads does: one that sleeps alone may wait for another, which has the
        interpreter and, on a busy machine, no processor.
        """
        return all(map(_sleeps, Path(f"/proc/{self.child.pid}/task").iterdir()))

    def settle(self) -> None:
        """Read until the client waits and has written nothing more for a moment."""
        deadline = time.monotonic() + DEADLINE
        while self._read(0.1) or not self.is_waiting():
            assert time.monotonic() < deadline

    def wait_for_input(self) -> None:
        """Wait until the terminal has what was typed, for a client that does not read it yet."""
        terminal = os.open(f"/proc/{self.child.pid}/fd/0", os.O_RDONLY | os.O_NOCTTY)
        try:
            assert select.select([terminal], [], [], DEADLINE)[0]
        finally:
            os.close(terminal)

    def resize(self, columns: int, rows: int, *, reflow: bool = False) -> None:
        """Change the size, as a terminal does that breaks its rows anew, or one that does not."""
        if reflow:
            self.screen.break_rows(columns)
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def leave(self, keys: str = CTRL_D) -> int:
        """Type `keys`, read to the end, and return the exit code."""
        self.type(keys)
        return self.end()

    def end(self) -> int:
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + DEADLINE
        while self._read(deadline - time.monotonic()):
            pass
        if not self.child.flag_eof:
            pytest.fail(f"it has not ended, and this is on the screen:\n{self.text}")
        self._ended = True
        self.child.wait()
        status: int = self.child.exitstatus
        return status

    def close(self) -> None:
        if self.child.isalive():
            self.child.kill(signal.SIGKILL)
            self.child.wait()
        self.child.ptyproc.delayafterclose = 0
        self.child.close()
        self.door.close()

    def _read(self, timeout: float) -> bool:
        """Read what there is; False at the end, and when nothing has come in time."""
        try:
            data = self.child.read_nonblocking(65536, max(timeout, 0.0))
        except (pexpect.TIMEOUT, pexpect.EOF):
            return False
        self.raw += data
        self._stream.feed(data)
        return timeout > 0


def _sleeps(thread: Path) -> bool:
    try:
        status = (thread / "status").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return True  # it has ended meanwhile
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    pending = int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)
    return fields["State"].startswith("S") and not pending


@contextmanager
def at_password(
    question: str = "Password for alice:",
    user: str = "alice",
    options: tuple[str, ...] = (),
    **environ: str,
) -> Iterator[tuple[Screen, Link]]:
    """A client that was greeted and asks this, and the server's end of its connection."""
    screen = Screen(80, 24, environ, user=user, options=options)
    try:
        link = screen.door.open()
        link.greet()
        screen.wait_for(question)
        yield screen, link
    finally:
        screen.close()


@contextmanager
def logged_in(
    columns: int = 80,
    rows: int = 24,
    *,
    change: str = "",
    welcome: dict[str, Any] | None = None,
    **environ: str,
) -> Iterator[tuple[Screen, Link]]:
    """A client that is logged in and shows its prompt, and the server's end of its connection."""
    screen = Screen(columns, rows, {"CHAT_PASSWORD": "secret"} | environ, change)
    try:
        link = screen.door.open()
        link.let_in(**(welcome or {}))
        screen.wait_for_line(">")
        yield screen, link
    finally:
        screen.close()
