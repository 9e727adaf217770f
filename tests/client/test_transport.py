"""Bytes over a real socket whose other end does not read."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chatclient.errors import LinkLost
from chatclient.transport import Quiet, Transport

from .fake import DEADLINE

TOO_MUCH = b"x" * 50_000_000
"""Bytes; more than any system takes in for somebody who does not read."""


@pytest.fixture
def ends() -> Iterator[tuple[Transport, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        transport = Transport.open("127.0.0.1", port, DEADLINE, quiet_seconds=0.05)
        other, _ = listener.accept()
        with other:
            yield transport, other
        transport.shut()
        transport.close()


def test_quiet_is_not_the_end(ends: tuple[Transport, socket.socket]) -> None:
    transport, other = ends
    with pytest.raises(Quiet):
        transport.receive()
    other.sendall(b"hello")
    assert transport.receive() == b"hello"
    other.close()
    with pytest.raises(LinkLost, match="closed the connection"):
        transport.receive()


def test_an_impatient_sender_gives_up(ends: tuple[Transport, socket.socket]) -> None:
    with pytest.raises(LinkLost):
        ends[0].send(TOO_MUCH, patient=False)


def test_a_patient_sender_waits_until_it_is_read(ends: tuple[Transport, socket.socket]) -> None:
    transport, other = ends
    other.settimeout(DEADLINE)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(transport.send, TOO_MUCH)
        for _ in range(4):
            with pytest.raises(Quiet):
                transport.receive()  # longer than a send may take without being tried again
        assert not sending.done()
        read = 0
        while read < len(TOO_MUCH):
            read += len(other.recv(1_000_000))
        assert sending.result(DEADLINE) is None


def test_shut_frees_a_patient_sender(ends: tuple[Transport, socket.socket]) -> None:
    transport, _ = ends
    started = threading.Event()

    def send() -> None:
        started.set()
        transport.send(TOO_MUCH)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        assert started.wait(DEADLINE)
        transport.shut()
        with pytest.raises(LinkLost):
            sending.result(DEADLINE)


def test_what_is_closed_is_lost(ends: tuple[Transport, socket.socket]) -> None:
    transport, _ = ends
    transport.shut()
    transport.close()
    transport.shut()
    transport.close()
    with pytest.raises(LinkLost, match="connection to the server broke"):
        transport.send(b"x")
    with pytest.raises(LinkLost):
        transport.receive()
