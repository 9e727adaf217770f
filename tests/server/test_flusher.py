"""The flusher: what a socket would not take at once gets there, and nobody waits for a stranger."""

import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from chatserver.net.flusher import Flusher
from chatserver.net.outbox import Outbox
from chatserver.net.stream import PlainStream

from .fakes import DEADLINE

SMALL = 4096
LARGE = bytes(range(256)) * 2000


class Link:
    """A connection over a real socket with a tiny buffer; `peer` is the other end."""

    def __init__(self) -> None:
        ours, self.peer = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self.peer.settimeout(DEADLINE)
        self.stream = PlainStream(ours, "test")
        self.number = ours.fileno()
        self.outbox = Outbox(self.stream.send, 0)
        self.emptied = threading.Event()

    def fileno(self) -> int:
        return self.stream.fileno()

    def flush(self) -> bool:
        done = self.outbox.drain(retry=True)
        if done:
            self.emptied.set()
        return done

    def read(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            data += self.peer.recv(65536)
        return bytes(data)

    def close(self) -> None:
        self.stream.close()
        self.peer.close()


class Overtaken(Link):
    """A connection that another thread sends for, and that is refused, while it is flushed."""

    def __init__(self, flusher: Flusher) -> None:
        super().__init__()
        self.flusher = flusher
        self.answers = [True, False, True]

    def flush(self) -> bool:
        if len(self.answers) == 3:
            self.flusher.watch(self)  # by the other thread: it is watched still
        answer = self.answers.pop(0)
        if not self.answers:
            self.answers = [True]
            self.emptied.set()
        return answer


class Broken(Link):
    """A connection with a bug in it."""

    def flush(self) -> bool:
        self.emptied.set()
        raise RuntimeError("a bug")


@pytest.fixture
def flusher() -> Iterator[Flusher]:
    running = Flusher()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def link(flusher: Flusher) -> Iterator[Link]:
    made = Link()
    yield made
    flusher.forget(made)
    made.close()


def stall(link: Link, data: bytes = LARGE) -> None:
    link.outbox.push(data)
    assert not link.outbox.drain()


def test_what_was_left_is_sent_as_the_client_reads(flusher: Flusher, link: Link) -> None:
    stall(link)
    flusher.watch(link)
    assert link.read(len(LARGE)) == LARGE
    assert link.emptied.wait(DEADLINE)


def test_what_is_pushed_meanwhile_follows(flusher: Flusher, link: Link) -> None:
    stall(link)
    flusher.watch(link)
    for number in range(1000):
        link.outbox.push(b"%d\n" % number)
        if not link.outbox.drain():
            flusher.watch(link)
    expected = LARGE + b"".join(b"%d\n" % number for number in range(1000))
    assert link.read(len(expected)) == expected


def test_a_client_that_does_not_read_keeps_nobody_waiting(flusher: Flusher, link: Link) -> None:
    stalled = Link()
    stall(stalled)
    flusher.watch(stalled)
    stall(link)
    flusher.watch(link)
    assert link.read(len(LARGE)) == LARGE
    flusher.forget(stalled)
    stalled.close()


def test_watching_again_and_again_is_watching_once(
    flusher: Flusher, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        stall(link)
        for _ in range(5):
            flusher.watch(link)
        assert link.read(len(LARGE)) == LARGE
        assert link.emptied.wait(DEADLINE)
        link.emptied.clear()
    assert caplog.records == []


def test_what_is_refused_to_another_thread_meanwhile_is_watched_again(flusher: Flusher) -> None:
    link = Overtaken(flusher)
    flusher.watch(link)
    assert link.emptied.wait(DEADLINE)
    flusher.forget(link)
    link.close()


def test_what_is_forgotten_may_be_closed_and_its_descriptor_used_again(
    flusher: Flusher, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        link = Link()
        stall(link)
        flusher.watch(link)
        flusher.forget(link)
        link.close()
    last = Link()
    stall(last)
    flusher.watch(last)
    assert last.read(len(LARGE)) == LARGE
    flusher.forget(last)
    last.close()
    assert caplog.records == []


def test_what_is_not_watched_is_forgotten_at_once(flusher: Flusher, link: Link) -> None:
    flusher.forget(link)


def test_a_peer_that_goes_is_let_go_of(flusher: Flusher, link: Link) -> None:
    stall(link)
    flusher.watch(link)
    link.peer.close()
    assert link.emptied.wait(DEADLINE)


def test_a_connection_that_is_closed_already_harms_no_other(
    flusher: Flusher, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    closed = Link()
    closed.close()
    with caplog.at_level(logging.CRITICAL):
        flusher.watch(closed)
    stall(link)
    flusher.watch(link)
    assert link.read(len(LARGE)) == LARGE


def test_a_watch_that_comes_after_the_end_harms_no_later_connection(flusher: Flusher) -> None:
    late, registered = Link(), threading.Event()
    stall(late)
    flusher.forget(late)  # by the handler, which closes next
    flusher.watch(late)  # by the log thread, which was refused a moment before
    flusher._post(registered.set)
    assert registered.wait(DEADLINE)
    late.close()
    link = Link()
    assert link.fileno() == late.number
    stall(link)
    link.peer.settimeout(0.2)
    flusher.watch(link)
    try:
        assert link.read(len(LARGE)) == LARGE
    finally:
        flusher.forget(link)
        link.close()


def test_stopping_does_not_wait_for_anybody() -> None:
    flusher, link = Flusher(), Link()
    flusher.start()
    stall(link)
    flusher.watch(link)
    flusher.stop()
    link.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_one_connection_harms_no_other() -> None:
    flusher, broken, link = Flusher(), Broken(), Link()
    flusher.start()
    flusher.watch(broken)
    assert broken.emptied.wait(DEADLINE)
    stall(link)
    link.peer.settimeout(0.2)
    flusher.watch(link)
    try:
        assert link.read(len(LARGE)) == LARGE
    finally:
        flusher.stop()
        broken.close()
        link.close()


def test_it_survives_whatever_fails(flusher: Flusher) -> None:
    def broken() -> None:
        raise MemoryError

    flusher._post(broken)
    done = threading.Event()
    flusher._post(done.set)
    assert done.wait(DEADLINE)
