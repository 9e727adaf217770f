"""The exchange of pairs: two clients each, who answer each other.

One message wakes the generator once and a server once, so a generator in Python would be what
limits with any server in C. Where there is a C compiler, the connections that are logged in are
therefore handed to a small program, exchange.c; without one the same is done here, slower.
"""

import os
import shutil
import subprocess
import tempfile
from array import array
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from bench.load import Client, Load
from bench.message import LENGTH, WORDS, compose, stamp_of
from bench.usage import Meter
from bench.wire import Wire

NO_PROGRAM: Final = "No C compiler (cc) could build bench/exchange.c: pairs use a slower generator."
_SOURCE: Final = Path(__file__).with_name("exchange.c")
_PATIENCE: Final = 300.0


def exchange(load: Load, clients: Sequence[Client], messages: int, meter: Meter) -> "array[float]":
    """Have the clients, two in a row a pair, exchange so many messages a pair.

    Stops the meter at the end. Returns how long each message took, in seconds. Raises ValueError
    when one is lost, doubled or out of order.
    """
    path = program()
    if path is None:
        return exchange_here(load, clients, messages, meter)
    return exchange_fast(path, load.wire, clients, messages, meter)


@cache
def program() -> Path | None:
    """Return the program in C, built when it is first asked for; None where that is impossible."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    path = Path(_folder().name) / "exchange"
    built = subprocess.run([compiler, "-O2", "-std=c11", "-o", path, _SOURCE], check=False)
    return path if built.returncode == 0 else None


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="chat-exchange-")  # removed when this process ends


def exchange_fast(
    path: Path, wire: Wire, clients: Sequence[Client], messages: int, meter: Meter
) -> "array[float]":
    """Do it by the program in C, on the connections of the clients."""
    arguments: list[bytes] = [wire.message, wire.text, b""]
    for number, client in enumerate(clients):
        # A request with no text is what stands before one and behind it.
        prefix, arguments[2] = wire.to_one(clients[number ^ 1].name, "\0").split(b"\0")
        arguments += [str(client.socket.fileno()).encode(), prefix]
    done = subprocess.run(
        [path, str(messages), str(LENGTH), WORDS, *arguments],
        pass_fds=[client.socket.fileno() for client in clients],
        capture_output=True,
        check=False,
        timeout=_PATIENCE,
    )
    if done.returncode:
        raise ValueError(os.fsdecode(done.stderr).strip() or f"ended with {done.returncode}")
    figures = array("d", done.stdout)
    meter.stop(seconds=figures[0], generator=figures[1])
    return figures[2:]


def exchange_here(
    load: Load, clients: Sequence[Client], messages: int, meter: Meter
) -> "array[float]":
    """Do it in Python."""
    times = array("d")
    partners = [
        _Partner(load.wire, client, clients[number ^ 1].name, messages, times)
        for number, client in enumerate(clients)
    ]
    for partner in partners[::2]:
        partner.say(1)
    load.run_until(lambda: len(times) >= len(clients) // 2 * messages)
    meter.stop()
    return times


class _Partner:
    """One of a pair. Raises ValueError when a message is lost, doubled or out of order."""

    def __init__(
        self, wire: Wire, client: Client, other: str, messages: int, times: "array[float]"
    ) -> None:
        self._last = 0
        self._wire = wire
        self._client = client
        self._other = other
        self._messages = messages
        self._times = times
        self._tail = b""
        client.take = self._take

    def say(self, number: int) -> None:
        """Send the pair's message of that number."""
        self._last = number
        self._client.send(self._wire.to_one(self._other, compose(0, number)))

    def _take(self, data: bytes, now: float) -> None:
        data = self._tail + data
        end = data.rfind(b"\n") + 1
        self._tail = data[end:]
        for text in self._wire.texts(data[:end]):
            stamp = stamp_of(text)
            if stamp.number != self._last + 1:
                raise ValueError("a message was lost, doubled or out of order")
            self._last = stamp.number
            self._times.append(now - stamp.sent)
            if stamp.number < self._messages:
                self.say(stamp.number + 1)
