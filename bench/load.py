"""The load generator: many clients on one epoll, in one thread of its own process.

What comes in is handed, as it comes, to whatever the work has put into `Client.take`. Sending never
waits: what the system does not take at once goes out when it does.
"""

import heapq
import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from bench.page import Frames
from bench.target import Running
from bench.wire import Wire

_CHUNK: Final = 1 << 18
_RECORD: Final = 1024
"""The most in one TLS record: of longer ones ngIRCd leaves a rest unread until more comes."""

_READ: Final = select.EPOLLIN
_WRITE: Final = select.EPOLLOUT
AT_ONCE: Final = 8
"""Logins under way at once: ngIRCd has room for 10 connections that it has not accepted yet; those
beyond that the system lets wait a second and longer."""

_LOOK_SECONDS: Final = 0.05
_PATIENCE: Final = 120.0
_PORTS: Final = 20_000
"""Clients from one address: about as many as there are ports to connect from."""

Step = Callable[[], float | None]
"""Called again and again: do what is due, and return the seconds until more is, None at the end."""


class Client:
    """One connection. `take` is called with the bytes that come and the time at which they did."""

    def __init__(
        self, running: Running, name: str, number: int, *, tls: bool, page: bool = False
    ) -> None:
        self.name = name
        self.take: Callable[[bytes, float], None] = _ignore
        self.on_stuck: Callable[[Client, bool], None]
        self._out = bytearray()
        port = running.tls_port if tls else running.port
        self.socket = _connect(running.host, port, f"127.0.0.{1 + number // _PORTS}")
        self._cipher: _Cipher | Frames | None = None
        if tls:
            self._cipher = _Cipher(self.socket)
        elif page:
            self._cipher = Frames(self.socket, running, name)

    def send(self, data: bytes) -> None:
        """Send, now or when there is room, after what was sent before."""
        stuck = bool(self._out)
        self._out += self._cipher.hide(data) if self._cipher else data
        if not stuck:
            self.flush()
            if self._out:
                self.on_stuck(self, True)

    def flush(self) -> None:
        """Send what is left, as far as there is room."""
        try:
            while self._out:
                del self._out[: self.socket.send(self._out[:_CHUNK])]
        except BlockingIOError:
            return

    @property
    def stuck(self) -> bool:
        """Whether something is left to send."""
        return bool(self._out)

    def receive(self) -> None:
        """Take what has come. Raises ConnectionError when the server has closed."""
        try:
            data = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionResetError(f"{self.name} was cut off")
        if self._cipher:
            data = self._cipher.show(data)
        if data:
            self.take(data, time.monotonic())


class _Cipher:
    """TLS between the socket and the client: many records a `recv`, and not one."""

    def __init__(self, connected: socket.socket) -> None:
        """Shake hands, waiting for it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # it is our own process, on this machine
        self._come, self._go = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._come, self._go)
        connected.settimeout(_PATIENCE)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                connected.sendall(self._go.read())
                self._come.write(connected.recv(_CHUNK))
            else:
                break
        connected.sendall(self._go.read())
        connected.setblocking(False)

    def hide(self, data: bytes) -> bytes:
        """Return the records to send for these bytes."""
        for at in range(0, len(data), _RECORD):
            self._tls.write(data[at : at + _RECORD])
        return self._go.read()

    def show(self, data: bytes) -> bytes:
        """Return what is in the records that these bytes bring to their end."""
        self._come.write(data)
        shown = []
        with suppress(ssl.SSLWantReadError):
            while self._come.pending:
                shown.append(self._tls.read(_CHUNK))
        return b"".join(shown)


class Load:
    """The clients and the loop that reads them all. To be used in a `with`."""

    def __init__(self, running: Running, wire: Wire, *, pages: bool = False) -> None:
        """`pages`: all of them speak through a WebSocket."""
        self.running = running
        self.wire = wire
        self._pages = pages
        self.clients: list[Client] = []
        self.refusals = 0
        """How often a login was told to come again later."""
        self._poll = select.epoll()
        self._of_file: dict[int, Client] = {}

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        self._poll.close()
        for client in self.clients:
            client.socket.close()

    def enter(
        self, names: Sequence[str], *, at_once: int = AT_ONCE, tls: bool = False
    ) -> list[Client]:
        """Log all in, so many at a time, and wait until nothing more comes of it."""
        clients: list[Client] = []
        entrances: list[_Entrance] = []
        waiting: list[tuple[float, int]] = []  # to be tried again, and when

        def step() -> float | None:
            while waiting and waiting[0][0] <= time.monotonic():
                entrances[heapq.heappop(waiting)[1]].knock()
            inside = sum(each.inside for each in under_way)
            if inside:
                under_way[:] = [each for each in under_way if not each.inside]
            while len(entrances) < len(names) and len(under_way) < at_once:
                number = len(entrances)
                client = self._add(names[number], tls=tls)
                clients.append(client)
                entrance = _Entrance(self.wire, client)
                entrance.on_refusal = partial(later, number)
                entrances.append(entrance)
                under_way.append(entrance)
                entrance.knock()
            return _LOOK_SECONDS if under_way else None

        def later(number: int, after: float) -> None:
            self.refusals += 1
            heapq.heappush(waiting, (time.monotonic() + after, number))

        under_way: list[_Entrance] = []
        self.run(step)
        return clients

    def settle(self, clients: Sequence[Client], *, silent: bool = False) -> None:
        """Wait until all has come that is on its way to these clients.

        With `silent` nothing may be on its way: ValueError when a message still comes.
        """
        echoes = [_Echo(self.wire, client, silent=silent) for client in clients]
        left = iter(echoes)
        waiting: list[_Echo] = []

        def step() -> float | None:
            waiting[:] = [each for each in waiting if not each.heard]
            while len(waiting) < 100 and (echo := next(left, None)):
                echo.call()
                waiting.append(echo)
            return _LOOK_SECONDS if waiting else None

        self.run(step)

    def run(self, step: Step, patience: float = _PATIENCE) -> None:
        """Read whatever comes until `step` returns None. Raises TimeoutError."""
        deadline = time.monotonic() + patience
        while (wait := step()) is not None:
            if time.monotonic() > deadline:
                raise TimeoutError("the work was not done in time")
            for file, events in self._poll.poll(min(wait, _LOOK_SECONDS)):
                client = self._of_file[file]
                if events & ~_WRITE:  # an error or an end is read, too
                    client.receive()
                if events & _WRITE:
                    client.flush()
                    if not client.stuck:
                        self._watch(client, False)

    def read(self) -> None:
        """Read once what has come, or wait a moment for it."""
        moments = iter((_LOOK_SECONDS,))
        self.run(lambda: next(moments, None))

    def run_until(self, done: Callable[[], bool], patience: float = _PATIENCE) -> None:
        """Read whatever comes until `done()`. Raises TimeoutError."""
        self.run(lambda: None if done() else _LOOK_SECONDS, patience)

    def neglect(self, client: Client) -> None:
        """Read nothing from this client any more."""
        self._poll.unregister(client.socket)

    def attend(self, client: Client) -> None:
        """Read from it again."""
        self._poll.register(client.socket, _READ)

    def _add(self, name: str, *, tls: bool) -> Client:
        client = Client(self.running, name, len(self.clients), tls=tls, page=self._pages)
        self.clients.append(client)
        self._of_file[client.socket.fileno()] = client
        self._poll.register(client.socket, _READ)
        client.on_stuck = self._watch
        return client

    def _watch(self, client: Client, stuck: bool) -> None:
        self._poll.modify(client.socket, _READ | _WRITE if stuck else _READ)


class _Entrance:
    """One client's login, until it is inside."""

    def __init__(self, wire: Wire, client: Client) -> None:
        self.inside = False
        self.on_refusal: Callable[[float], None]
        self._wire = wire
        self._client = client
        self._got = b""
        client.take = self._take

    def knock(self) -> None:
        self._got = b""
        self._client.send(self._wire.login(self._client.name))

    def _take(self, data: bytes, _: float) -> None:
        self._got += data
        if not self._got.endswith(b"\n"):
            return
        if self._wire.ready in self._got:
            self._client.take = _ignore
            self.inside = True
        elif (after := self._wire.try_again_after(self._got)) is not None:
            self.on_refusal(after)


class _Echo:
    """A ping and its pong, behind which nothing is on its way."""

    def __init__(self, wire: Wire, client: Client, *, silent: bool) -> None:
        self.heard = False
        self._wire = wire
        self._client = client
        self._silent = silent
        self._got = b""

    def call(self) -> None:
        self._client.take = self._take
        self._client.send(self._wire.ping())

    def _take(self, data: bytes, _: float) -> None:
        self._got += data
        if self._wire.pong not in self._got or not self._got.endswith(b"\n"):
            return
        if self._silent and self._wire.texts(self._got):
            raise ValueError(f"{self._client.name} got a message too many")
        self._client.take = _ignore
        self.heard = True


def _ignore(_: bytes, __: float) -> None:
    return


def _connect(host: str, port: int, source: str) -> socket.socket:
    connected = socket.socket()
    if source != host:
        connected.bind((source, 0))
    connected.setblocking(False)
    connected.connect_ex((host, port))
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected
