"""Other machines: network namespaces that see nothing but each other, and a cable between them."""

import ctypes
import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest

from . import process
from .client import PATIENCE

T = TypeVar("T")

HOST, NEIGHBOUR = "192.0.2.1", "192.0.2.2"
"""Addresses for examples (RFC 5737), so never those of somebody real."""

_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True)
class Cable:
    """The names of two network namespaces that see nothing but each other."""

    server: str
    client: str


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=PATIENCE)


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    """Two machines, made for this module."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can make network namespaces")
    if shutil.which("ip") is None:
        pytest.skip("the command ip, which makes network namespaces, is not installed")
    mark = f"chat-{os.getpid()}-{secrets.token_hex(3)}"
    cable = Cable(f"{mark}-server", f"{mark}-client")
    with ExitStack() as made:
        for name in (cable.server, cable.client):
            try:
                ip("netns", "add", name)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"no network namespace can be made here: {error.stderr.decode()}")
            made.callback(ip, "netns", "delete", name)
        # Both ends are made where they belong, so no name of theirs is taken.
        peer = ("type", "veth", "peer", "name", "cable", "netns", cable.client)
        ip("link", "add", "cable", "netns", cable.server, *peer)
        for name, address in ((cable.server, HOST), (cable.client, NEIGHBOUR)):
            ip("-n", name, "address", "add", f"{address}/30", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
        yield cable


@contextmanager
def on(machine: str) -> Iterator[None]:
    """Start what is started now on one of the machines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "PYTHON", ("ip", "netns", "exec", machine, *process.PYTHON))
        yield


def there(machine: str, make: Callable[[], T]) -> T:
    """Make something with a socket on one of the machines, which the socket stays on."""
    made: list[T] = []

    def go() -> None:
        place = os.open(f"/run/netns/{machine}", os.O_RDONLY)
        try:
            assert ctypes.CDLL(None).setns(place, _CLONE_NEWNET) == 0
        finally:
            os.close(place)
        made.append(make())

    thread = threading.Thread(target=go)  # ends, and with it that it is elsewhere
    thread.start()
    thread.join()
    return made[0]
