"""The exchange of pairs: the program in C, and in Python without a compiler; both check."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import exchange, ngircd
from bench.load import Load
from bench.server import CHAT
from bench.target import Running, Target, names
from bench.usage import GENERATOR, Meter

TARGETS = [CHAT] if ngircd.program() is None else [CHAT, ngircd.NGIRCD]

needs_compiler = pytest.mark.skipif(
    exchange.program() is None, reason="no C compiler (cc) on this machine"
)


@needs_compiler
def test_the_program_is_built_without_a_warning(tmp_path: Path) -> None:
    flags = ["-O2", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    compiler = shutil.which("cc") or "gcc"
    source = Path(exchange.__file__).with_suffix(".c")
    subprocess.run([compiler, *flags, "-o", tmp_path / "exchange", source], check=True)


@needs_compiler
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.title)
def test_pairs_exchange_all_their_messages(target: Target) -> None:
    people = names(6)
    with target.start(people) as running, Load(running, target.wire) as load:
        clients = load.enter(people)
        load.settle(clients)
        meter = Meter(running.pid)
        times = exchange.exchange(load, clients, 30, meter)
        load.settle(clients, silent=True)
    assert len(times) == 3 * 30
    assert all(0 < each < meter.seconds for each in times)
    assert 0 <= meter.shares()[GENERATOR] <= 101


@pytest.mark.parametrize("compiler", [None, "/bin/false"])
def test_a_compiler_that_is_missing_or_fails_is_done_without(
    compiler: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: compiler)
    assert exchange.program.__wrapped__() is None


def test_without_a_compiler_python_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "program", lambda: None)
    people = names(4)
    with CHAT.start(people) as running, Load(running, CHAT.wire) as load:
        clients = load.enter(people)
        times = exchange.exchange(load, clients, 10, Meter(running.pid))
    assert len(times) == 2 * 10


@contextlib.contextmanager
def spoiling(spoil: Callable[[bytes], bytes]) -> Iterator[Running]:
    """A server for one pair that passes on what each says, but the third message spoilt."""

    def pass_on(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError), source.makefile("rb") as lines:
            for line in lines:
                start, found, text = line.partition(b'"text":')
                if not found:
                    source.sendall(start)  # a login or a ping: good enough as its own answer
                    continue
                event = b'{"event":"message","text":' + text
                if text.startswith(b'"0 3 '):
                    event = spoil(event)
                if not event:
                    break
                sink.sendall(event)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with listener.accept()[0] as one, listener.accept()[0] as other:
            back = threading.Thread(target=pass_on, args=(other, one))
            back.start()
            pass_on(one, other)
            back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        yield Running(os.getpid(), listener.getsockname()[1], 0, 0.0)
        server.join()


LOST = "lost, doubled or out of order"
SPOILT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "doubled": (lambda event: event * 2, LOST),
    "skipped": (lambda event: event.replace(b'"0 3 ', b'"0 5 '), LOST),
    "someone else's": (lambda event: event.replace(b'"0 3 ', b'"hello '), "not a message"),
    "endless": (lambda event: event.replace(b"\n", b"x" * 20_000), "too long"),
    "nothing more": (lambda _: b"", "cut off"),
}


@pytest.mark.parametrize(
    ("how", "compiled"),
    [
        *(pytest.param(how, True, marks=needs_compiler) for how in SPOILT),
        ("doubled", False),
        ("skipped", False),
    ],
)
def test_what_is_spoilt_is_seen(how: str, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil, complaint = SPOILT[how]
    if not compiled:
        monkeypatch.setattr(exchange, "program", lambda: None)
    with spoiling(spoil) as running, Load(running, CHAT.wire) as load:
        clients = load.enter(names(2))
        with pytest.raises(ValueError, match=complaint):
            exchange.exchange(load, clients, 10, Meter(running.pid))
