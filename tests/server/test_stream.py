"""The stream: bytes in and out of a socket, and one named error for everything."""

import socket
import struct
import time
from collections.abc import Iterator

import pytest

from chatserver.errors import Disconnected
from chatserver.net.stream import PlainStream

from .fakes import DEADLINE, begun

Pair = tuple[PlainStream, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Give a stream over TCP and the client's end of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), DEADLINE)
        accepted, address = listener.accept()
    stream = PlainStream(accepted, address[0])
    yield stream, client
    stream.close()
    client.close()


def reset(client: socket.socket) -> None:
    """Close the client's end as a machine does that has crashed."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_bytes_go_both_ways(pair: Pair) -> None:
    stream, client = pair
    client.sendall(b"hello")
    assert stream.receive() == b"hello"
    assert stream.send(b"welcome") == 7
    assert client.recv(100) == b"welcome"
    assert stream.seal(b"as it is") == b"as it is"


def test_nothing_within_the_time_is_none_and_the_end_is_empty(pair: Pair) -> None:
    stream, client = pair
    assert stream.receive(timeout=0) is None
    client.close()
    assert stream.receive(timeout=DEADLINE) == b""


def test_sending_never_blocks(pair: Pair) -> None:
    stream, client = pair
    data = bytes(1_000_000)
    while stream.send(data):
        pass
    assert stream.send(b"x") == 0
    assert client.recv(1) == b"\0"


def test_a_peer_that_is_gone_is_disconnected_and_so_is_a_closed_stream(pair: Pair) -> None:
    stream, client = pair
    reset(client)
    with pytest.raises(Disconnected, match="reset"):
        stream.receive()
    for step in (stream.interrupt, stream.close, stream.interrupt):  # harms nobody
        with pytest.raises(Disconnected):
            stream.send(b"x")
        step()
    with pytest.raises(Disconnected):
        stream.receive()


def test_what_the_peers_system_has_is_acknowledged_and_what_it_has_no_room_for_is_not(
    pair: Pair,
) -> None:
    stream, client = pair
    stream.send(b"hello")
    assert client.recv(5) == b"hello"
    until = time.monotonic() + DEADLINE
    while stream.unacknowledged() and time.monotonic() < until:
        time.sleep(0.01)
    assert stream.unacknowledged() == 0
    while stream.send(bytes(1_000_000)):
        pass
    left = stream.unacknowledged()
    assert left > 0
    reset(client)
    with pytest.raises(Disconnected):
        stream.send(b"x")
    assert stream.unacknowledged() > 0  # also after the end
    stream.close()
    with pytest.raises(Disconnected):
        stream.unacknowledged()


def test_whoever_waits_can_be_woken(pair: Pair) -> None:
    stream, _ = pair
    waiting = begun(stream.receive)
    stream.interrupt()
    assert waiting.result(DEADLINE) == b""


def test_a_client_that_is_still_talking_gets_the_last_words_and_no_reset(pair: Pair) -> None:
    stream, client = pair
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    client.settimeout(DEADLINE)
    stream.send(b"bye")

    def talk_and_read_to_the_end() -> bytes:
        client.sendall(bytes(900_000))  # more than fits between the two
        got = b"".join(iter(lambda: client.recv(100), b""))
        client.close()
        return got

    talking = begun(talk_and_read_to_the_end)
    stream.close(linger=DEADLINE)
    assert talking.result(DEADLINE) == b"bye"


def test_a_client_that_never_closes_is_not_waited_for(pair: Pair) -> None:
    stream, client = pair
    stream.close(linger=0.01)
    assert client.recv(1) == b""
