"""A link that is cut at every byte: nothing is lost, doubled or out of order."""

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from chatclient.connection import Connection
from chatclient.errors import Refused
from chatclient.resume import ResumingClient
from chatwire.protocol import Message, SendReply

from .client import PASSWORD
from .process import ServerProcess

DEADLINE = 20.0
STEP = 7
"""Bytes between two cuts; with the lengths of the lines, every offset into one is met."""


class CuttingProxy:
    """Forwards to a server; its n-th connection is cut after n * STEP bytes from the server, or
    to it, in turns. From `heal` on it cuts no more."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cuts = 0
        self._healed = False
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._start(self._accept)

    def heal(self) -> None:
        self._healed = True

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            threads = list(self._threads)
        for thread in threads:
            thread.join(DEADLINE)

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        for number in itertools.count(1):
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            with self._lock:
                self._sockets |= {client, server}
            limits = (number * STEP, None) if number % 2 else (None, number * STEP)
            self._start(self._forward, server, client, limits[0])
            self._start(self._forward, client, server, limits[1])

    def _forward(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        left = limit
        with suppress(OSError):
            while data := source.recv(65536):
                if left is not None and not self._healed:
                    target.sendall(data[:left])
                    left -= len(data)
                    if left <= 0:
                        self.cuts += 1
                        break
                else:
                    target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        source.close()


@pytest.fixture
def proxy(server: ServerProcess) -> Iterator[CuttingProxy]:
    made = CuttingProxy(*server.place)
    yield made
    made.close()


def resuming(proxy: CuttingProxy, name: str) -> ResumingClient:
    return ResumingClient(
        lambda: Connection.open("127.0.0.1", proxy.port, timeout=DEADLINE),
        name,
        PASSWORD,
        pause=0.002,
        longest_pause=0.01,
    )


def start(client: ResumingClient) -> None:
    """The first connection is the program's own to try again."""
    while True:
        with suppress(Exception):
            client.start()
            return


def test_nothing_is_lost_doubled_or_out_of_order(
    server: ServerProcess, proxy: CuttingProxy
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob):  # bob's room begins here
        pass
    sender, receiver = resuming(proxy, ann), resuming(proxy, bob)
    start(receiver)
    start(sender)
    heard: list[str] = []
    spoken = []
    try:
        number = 0
        while proxy.cuts < 150:
            number += 1
            spoken.append(f"message {number}")
            future = sender.submit("send", to=[bob], text=spoken[-1])
            while len(heard) < number:
                event = receiver.next_event(DEADLINE)
                assert event is not None, f"lost after {heard[-1:]}"
                if isinstance(event, Message):
                    heard.append(event.text)
                    receiver.ack(event.seq)
            assert isinstance(future.result(DEADLINE), SendReply)
        proxy.heal()
        assert heard == spoken
        assert sender.next_event(0.05) is None or not isinstance(sender.next_event(0.05), Message)
    finally:
        proxy.heal()
        sender.close()
        receiver.close()


def test_what_is_refused_is_not_sent_for_ever(server: ServerProcess, proxy: CuttingProxy) -> None:
    proxy.heal()
    with resuming(proxy, server.account("ann")) as client:
        client.start()
        with pytest.raises(Refused):
            client.submit("send", to=["nobody.of.that.name"], text="hi").result(DEADLINE)


def test_a_wrong_password_ends_it(server: ServerProcess, proxy: CuttingProxy) -> None:
    proxy.heal()
    client = ResumingClient(
        lambda: Connection.open("127.0.0.1", proxy.port), server.account("ann"), "wrong password"
    )
    with pytest.raises(Refused):
        client.start()
