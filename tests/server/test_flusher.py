"""The flusher: what a socket would not take at once gets there, and nobody waits for a stranger."""

import logging
import socket
import threading
from collections.abc import Iterator

import pytest
from scoped import Scoped

from chatserver.net.flusher import Flusher
from chatserver.net.outbox import Outbox
from chatserver.net.stream import PlainStream

from .fakes import DEADLINE, raising

SMALL = 4096
LARGE = bytes(range(256)) * 2000


class Link(Scoped):
    """A connection over a real socket with a tiny buffer; `peer` is the other end."""

    def __init__(self, flusher: Flusher) -> None:
        ours, self.peer = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self.peer.settimeout(DEADLINE)
        self.stream = PlainStream(ours, "test")
        self.number = ours.fileno()
        self.outbox = Outbox(self.stream.send, 0)
        self.emptied = threading.Event()
        self.flusher = flusher

    def fileno(self) -> int:
        return self.stream.fileno()

    def flush(self) -> bool:
        done = self.outbox.drain(retry=True)
        if done:
            self.emptied.set()
        return done

    def stall(self) -> None:
        """Have more to send than the system takes, and be watched."""
        self.outbox.push(LARGE)
        assert not self.outbox.drain()
        self.flusher.watch(self)

    def arrives(self, data: bytes = LARGE) -> bool:
        """Return whether the peer gets just this."""
        got = bytearray()
        while len(got) < len(data):
            got += self.peer.recv(65536)
        return got == data

    def close(self) -> None:
        self.stream.close()
        self.peer.close()

    def end(self, error: BaseException | None) -> None:
        self.flusher.forget(self)
        self.close()


class Overtaken(Link):
    """A connection that another thread sends for, and that is refused, while it is flushed."""

    answers: tuple[bool, ...] = (True, False, True)

    def flush(self) -> bool:
        if len(self.answers) == 3:
            self.flusher.watch(self)  # by the other thread: it is watched still
        answer, self.answers = self.answers[0], self.answers[1:]
        if not self.answers:
            self.answers = (True,)
            self.emptied.set()
        return answer


class Broken(Link):
    """A connection with a bug in it."""

    def flush(self) -> bool:
        self.emptied.set()
        raise RuntimeError("a bug")


@pytest.fixture
def link(flusher: Flusher) -> Iterator[Link]:
    with Link(flusher) as made:
        yield made


def test_what_was_left_is_sent_as_the_client_reads_and_what_is_pushed_meanwhile_follows(
    flusher: Flusher, link: Link
) -> None:
    link.stall()
    for number in range(1000):
        link.outbox.push(b"%d\n" % number)
        if not link.outbox.drain():
            flusher.watch(link)
    assert link.arrives(LARGE + b"".join(b"%d\n" % number for number in range(1000)))
    assert link.emptied.wait(DEADLINE)


def test_a_client_that_does_not_read_keeps_nobody_waiting(flusher: Flusher, link: Link) -> None:
    with Link(flusher) as stalled:
        stalled.stall()
        link.stall()
        assert link.arrives()


def test_watching_again_and_again_is_watching_once(
    flusher: Flusher, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        link.stall()
        for _ in range(4):
            flusher.watch(link)
        assert link.arrives()
        assert link.emptied.wait(DEADLINE)
        link.emptied.clear()
    assert caplog.records == []


def test_what_is_refused_to_another_thread_meanwhile_is_watched_again(flusher: Flusher) -> None:
    with Overtaken(flusher) as link:
        flusher.watch(link)
        assert link.emptied.wait(DEADLINE)


def test_what_is_forgotten_may_be_closed_and_its_descriptor_used_again(
    flusher: Flusher, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    flusher.forget(link)  # which was not watched
    for _ in range(20):
        with Link(flusher) as stalled:
            stalled.stall()
    with Link(flusher) as last:
        assert last.number == stalled.number
        last.stall()
        assert last.arrives()
    assert caplog.records == []


def test_a_peer_that_goes_is_let_go_of(link: Link) -> None:
    link.stall()
    link.peer.close()
    assert link.emptied.wait(DEADLINE)


def test_a_connection_that_is_closed_already_harms_no_other(
    flusher: Flusher, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    closed = Link(flusher)
    closed.close()
    with caplog.at_level(logging.CRITICAL):
        flusher.watch(closed)
    link.stall()
    assert link.arrives()


def test_a_watch_that_comes_after_the_end_harms_no_later_connection(flusher: Flusher) -> None:
    late, registered = Link(flusher), threading.Event()
    flusher.forget(late)  # by the handler, which closes next
    late.stall()  # by the log thread, which was refused a moment before
    flusher._post(registered.set)
    assert registered.wait(DEADLINE)
    late.close()
    with Link(flusher) as link:
        assert link.fileno() == late.number
        link.peer.settimeout(0.2)
        link.stall()
        assert link.arrives()


def test_stopping_does_not_wait_for_anybody() -> None:
    flusher = Flusher()
    link = Link(flusher)
    flusher.start()
    link.stall()
    flusher.stop()
    link.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_one_connection_harms_no_other() -> None:
    flusher = Flusher()
    broken, link = Broken(flusher), Link(flusher)
    flusher.start()
    flusher.watch(broken)
    assert broken.emptied.wait(DEADLINE)
    link.peer.settimeout(0.2)
    link.stall()
    try:
        assert link.arrives()
    finally:
        flusher.stop()
        broken.close()
        link.close()


def test_it_survives_whatever_fails(flusher: Flusher) -> None:
    flusher._post(raising(MemoryError()))
    done = threading.Event()
    flusher._post(done.set)
    assert done.wait(DEADLINE)
