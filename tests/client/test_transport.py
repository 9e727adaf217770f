"""Bytes over a real socket whose other end does not read."""

import errno
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from chatclient.errors import LinkLost
from chatclient.link import transport as transport_module
from chatclient.link.transport import AddressInfo, Quiet, Transport, _connect_to_any

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


# -- several addresses --


class Silent(socket.socket):
    """A socket whose connections to port 1 get no answer and to port 2 are refused."""

    made: ClassVar[list["Silent"]] = []

    def __init__(self, *arguments: int) -> None:
        super().__init__(*arguments)
        self.made.append(self)

    def connect_ex(self, address: tuple[str, int]) -> int:  # type: ignore[override]
        if address[1] == 1:
            self.listen()  # never writable, as while a network swallows everything
            return errno.EINPROGRESS
        if address[1] == 2:
            return errno.ECONNREFUSED
        return super().connect_ex(address)


def address(port: int) -> AddressInfo:
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    Silent.made = []
    monkeypatch.setattr(transport_module, "_NEXT_ADDRESS_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("before", [[1], [2], [1, 1, 2], []])
def test_the_next_address_is_tried_soon_and_the_losers_are_closed(
    listener: int, before: list[int]
) -> None:
    addresses = [address(port) for port in (*before, listener, 1)]
    with _connect_to_any(addresses, DEADLINE, Silent) as connected:
        assert connected.getpeername()[1] == listener
        assert [each.fileno() for each in Silent.made] == [
            connected.fileno() if each is connected else -1 for each in Silent.made
        ]


def test_an_address_that_answers_late_still_wins(listener: int) -> None:
    with _connect_to_any([address(listener), address(1)], DEADLINE, Silent) as connected:
        assert connected.getpeername()[1] == listener


def test_when_nobody_answers_the_time_is_for_all_of_them() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        _connect_to_any([address(1)] * 3, 0.2, Silent)
    assert time.monotonic() - began >= 0.2
    with pytest.raises(ConnectionRefusedError):
        _connect_to_any([address(2)] * 3, DEADLINE, Silent)
    with pytest.raises(TimeoutError):
        _connect_to_any([], 0.01, Silent)
    assert all(each.fileno() == -1 for each in Silent.made)
