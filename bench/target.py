"""What is measured: a server that can be started with accounts, and the dialect it speaks."""

import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bench.wire import Wire


@dataclass(frozen=True)
class Running:
    """A server that listens, in a process of its own."""

    pid: int
    port: int
    tls_port: int
    ready_after: float
    """Seconds from the start of the process until it listened."""
    host: str = "127.0.0.1"


@dataclass(frozen=True)
class Target:
    """A server to start, again and again, always with an empty folder."""

    title: str
    wire: Wire
    start: Callable[[Sequence[str]], AbstractContextManager[Running]]
    """Called with the names of those who are going to log in."""


def names(count: int) -> list[str]:
    """Return so many account names."""
    return [f"user{number}" for number in range(count)]


def free_port() -> int:
    """Return a port that nobody listens on, for servers that cannot choose one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
