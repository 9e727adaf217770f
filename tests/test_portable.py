"""Nothing in the client or the wire is for one system only: no import, and no attribute."""

import ast
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path for name in ("chatclient", "chatwire") for path in (ROOT / name).rglob("*.py")
)

MODULES = """
    crypt curses fcntl grp msvcrt nis ossaudiodev posix pty pwd readline resource spwd syslog
    termios tty winreg winsound
"""
"""Modules that some system lacks."""

OF_OS = """
    O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK WEXITSTATUS WIFEXITED chown chroot fchmod fchown
    fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpgrp getsid getuid killpg
    lchown mkfifo mknod nice openpty pipe2 posix_spawn preadv pwritev sched_getaffinity sendfile
    setegid seteuid setgid setpgid setsid setuid startfile statvfs sync sysconf tcgetpgrp uname
    wait wait3 wait4
"""

ATTRIBUTES = {
    "asyncio": {"open_unix_connection", "start_unix_server"},
    "os": set(OF_OS.split()),
    "select": {"epoll", "kqueue", "poll"},
    "socket": {"AF_UNIX", "MSG_DONTWAIT", "MSG_NOSIGNAL", "SO_REUSEPORT"},
    "time": {"clock_gettime", "pthread_getcpuclockid", "tzset"},
}
"""Parts of other modules that some system lacks."""

ELSEWHERE = "sys.platform != 'win32'"
"""The guard that mypy understands as well; nothing else excuses what some system lacks."""

SIGNALS = {"SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM"}
"""Those that every system has."""


def wrong_in(source: str) -> Iterator[str]:
    """Yield what some system lacks."""
    for node in everywhere(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (
                    each.name for each in names if each.name.split(".")[0] in MODULES.split()
                )
            case ast.ImportFrom(module=str(module), names=names):
                if module.split(".")[0] in MODULES.split():
                    yield module
                yield from (each.name for each in names if lacking(module, each.name))
            case ast.Attribute(value=ast.Name(id=module), attr=name) if lacking(module, name):
                yield f"{module}.{name}"
            case ast.Attribute(attr="add_signal_handler"):
                yield "add_signal_handler"
            case ast.Constant(value=str(text)) if "%-" in text:
                yield f"the time format {text!r}"


def everywhere(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, but not what `if sys.platform != "win32":` holds."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).startswith(ELSEWHERE):
            for other in child.orelse:
                yield from everywhere(other)
        else:
            yield from everywhere(child)


def lacking(module: str, name: str) -> bool:
    """Tell whether some system has no such thing."""
    if module == "signal":
        special = name.startswith("SIG") and name not in SIGNALS | {"SIG_DFL", "SIG_IGN"}
        return special or name in ("alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer")
    return name in ATTRIBUTES.get(module, ())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nothing_is_for_one_system_only(path: Path) -> None:
    assert list(wrong_in(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import fcntl",
        "def late():\n    import termios as t",
        "from pwd import getpwnam",
        "import os\nos.fork()",
        "from os import geteuid",
        "import signal\nsignal.signal(signal.SIGWINCH, print)",
        "from signal import SIGPIPE",
        "import sys\nif sys.platform == 'win32':\n    import termios",
        "import sys\nif sys.platform != 'win32':\n    pass\nelse:\n    import termios",
        "import signal\nsignal.pause()",
        "loop.add_signal_handler(2, print)",
        "import socket\nsocket.AF_UNIX",
        "f'{now:%-d}'",
    ],
)
def test_what_would_be_is_found(source: str) -> None:
    assert list(wrong_in(source)) != []


def test_what_every_system_has_is_not() -> None:
    assert hasattr(signal, "SIGINT")
    source = "import os, signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nos.getpid()\nos.dup2"
    assert list(wrong_in(source)) == []
