"""Peers that mean harm, or are broken: the others go on chatting, and nothing of it stays."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from e2e.client import PASSWORD, PATIENCE, JsonClient, Place, TextClient, eventually, line
from e2e.web import PING, WebClient, frame

from .amounts import SCALE, amounts, figure, needs_proc
from .chatting import Pair, logins_are_quick
from .conftest import Start
from .procfs import at_rest, forget_peak, load_of, peak_of, pss_of, usage_of
from .secure import TwoWay, trusting
from .target import Target

SILENT = amounts(500, 1500)
SLOW_LOGINS = amounts(100, 500)
STOPPED_READERS = amounts(20, 100)
ENDLESS_BYTES = amounts(20_000_000, 200_000_000)
COMMANDS = amounts(50_000, 500_000)
FLOOD = amounts(200, 2000)
BLANK_LINE_SENDERS = amounts(10, 30)
STALLED_REPLAYS = amounts(3, 30)

MIB = 1024  # KiB
ROOM_FOR_NOISE = 10 * MIB
"""What an allocator may keep. A crowd's threads and connections are several times that."""

LAZY_FILES = 8
"""The store's readers open their files when they are first lent out."""

pytestmark = needs_proc


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server with the usual rate, and less patience with who does not log in."""
    server = Target(
        tmp_path_factory.mktemp("limited") / "data",
        session_rate_per_second=10,
        session_rate_burst=30,
        login_deadline_seconds=2 * SCALE,
    )
    yield server
    server.stop()


def connect(place: Place, source: str | None = None) -> socket.socket:
    client = socket.socket()
    if source is not None:
        client.bind((source, 0))
    client.settimeout(PATIENCE)
    client.connect(place)
    return client


class Attack:
    """What the server is like before, at the height of, and after an attack.

    Others have to be served all the while, and afterwards nothing may be left of it.
    """

    def __init__(self, server: Target, most_mib: int) -> None:
        self._server = server
        self._most = most_mib * MIB
        self._guest = server.account("guest")
        with ExitStack() as stack:  # what the first crowd leaves behind is no leak
            crowd = [stack.enter_context(server.json()) for _ in range(40)]
            for client in crowd:
                client.send("login", name=self._guest, password=PASSWORD)
            for client in crowd:
                client.expect(op="login")
        eventually(lambda: server.log.count(" connected:") == server.log.count(" disconnected:"))
        self._base = at_rest(server.process)
        forget_peak(server.process)
        self._peak = peak_of(server.process)

    def height(self) -> None:
        """Log in as somebody who has nothing to do with it."""
        figure(
            "a login meanwhile, median (s)", round(logins_are_quick(self._server, self._guest), 3)
        )

    def end(self, pair: Pair) -> None:
        """Fail when it took too much, or has left something behind."""
        server, base = self._server, self._base
        taken = peak_of(server.process) - self._peak
        figure("a message meanwhile, slowest (s)", round(max(pair.took), 3))
        figure("memory taken, MiB", round(taken / MIB, 1))
        assert taken < self._most
        eventually(lambda: usage_of(server.process).threads <= base.threads)
        eventually(lambda: usage_of(server.process).descriptors <= base.descriptors + LAZY_FILES)
        eventually(lambda: self._kept() < (base.pss + taken) / 10 + ROOM_FOR_NOISE)
        figure("memory kept, MiB", round(self._kept() / MIB, 1))

    def _kept(self) -> int:
        return pss_of(self._server.process) - self._base.pss


@contextmanager
def under_attack(server: Target, most_mib: int, *, pause: float = 0.02) -> Iterator[Attack]:
    """Attack within, for which the server may take `most_mib` of memory for the time being.

    Two people chat meanwhile, with a `pause` between what they say.
    """
    attack = Attack(server, most_mib)
    with Pair(server, pause=pause) as pair:
        yield attack
    attack.end(pair)


# -- who says nothing, or too little --


@pytest.mark.parametrize("count", SILENT)
def test_silent_sockets(server: Target, count: int) -> None:
    with under_attack(server, 60 * count // 500) as attack, ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(connect(server.place))
        eventually(lambda: usage_of(server.process).threads > count)
        attack.height()


@pytest.mark.parametrize("count", SILENT)
def test_browsers_that_finish_no_request(server: Target, count: int) -> None:
    with under_attack(server, 60 * count // 500) as attack, ExitStack() as stack:
        for _ in range(count):
            slow = stack.enter_context(connect(server.place))
            slow.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        eventually(lambda: usage_of(server.process).threads > count)
        attack.height()


@pytest.mark.parametrize("count", SLOW_LOGINS)
def test_logins_byte_by_byte_are_cut_off_at_the_deadline(start: Start, count: int) -> None:
    server = start(login_deadline_seconds=1.5 * SCALE)
    ann = server.account("ann")
    request = line({"op": "login", "name": ann, "password": PASSWORD})
    with under_attack(server, 20 * count // 100) as attack, ExitStack() as stack:
        slow = [stack.enter_context(connect(server.place)) for _ in range(count)]
        started = time.monotonic()
        for client in slow:
            client.setblocking(False)
        for at in range(len(request) - 1):
            if at == 5:
                attack.height()
            slow = [each for each in slow if not hung_up_on(each, request[at : at + 1])]
            if not slow:
                break
            time.sleep(0.1)
        assert not slow
        assert time.monotonic() - started < 5 * SCALE
    assert server.log.count("reason=login_timeout") == count


def hung_up_on(client: socket.socket, drop: bytes) -> bool:
    """Send a little more; tell whether the connection has been closed."""
    try:
        client.send(drop)
        while client.recv(1000):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def test_peers_that_have_vanished(start: Start) -> None:
    """Half open: one that neither answers nor reads, ones that break off in the middle."""
    server = start(session_ping_seconds=0.5 * SCALE)
    names = server.accounts("gone", "half", "cut")
    with under_attack(server, 10) as attack, ExitStack() as stack:
        gone = stack.enter_context(server.json(names[0]))
        half = stack.enter_context(server.json(names[1]))
        half.write(b'{"op":"broadcast","text":"half a li')
        half.finish()
        for _ in range(20):
            cut = server.json(names[2])
            cut.write(b'{"op":"broadcast","text":"cut')
            cut.reset()
        for _ in range(20):
            client = JsonClient(server.place)
            client.send("login", name=names[2], password=PASSWORD)
            client.reset()
        attack.height()
        server.wait_for_log(f"disconnected: account={names[0]} .*reason=too_slow")
        server.wait_for_log(f"disconnected: account={names[1]} .*reason=closed by the client")
        eventually(lambda: server.log.count(f"disconnected: account={names[2]}") >= 20)
        assert "half a li" not in str(gone.to_end())


# -- who does not read --


@pytest.mark.parametrize("count", STOPPED_READERS)
def test_readers_that_stop(start: Start, count: int) -> None:
    server = start(session_outbox_bytes=262144)
    flooder = server.account("flooder")
    with under_attack(server, 60 * count // 20) as attack, ExitStack() as stack:
        for name in server.accounts(*["stopped"] * count):
            client = JsonClient(server.place, receive_buffer=4096)
            stack.enter_context(client).login(name)
        with server.json(flooder) as sender:
            seconds = time.monotonic() + PATIENCE
            while server.log.count("reason=too_slow") < count:
                assert time.monotonic() < seconds
                numbers = [sender.send("broadcast", text="\U0001f600" * 4000) for _ in range(10)]
                for number in numbers:
                    assert sender.answer(number)["event"] == "reply"
                sender.events.clear()
            attack.height()
            here = [each["name"] for each in sender.ask("who")["users"]]
            assert len(here) >= 2, "the pair"
            assert not [name for name in here if name.startswith("stopped")]


@pytest.mark.parametrize("count", STALLED_REPLAYS)
def test_readers_that_stop_during_a_replay(start: Start, count: int) -> None:
    server = start(session_outbox_bytes=131072, session_ping_seconds=1)
    author = server.account("author")
    names = server.accounts(*["stalled"] * count)
    for name in names:
        server.json(name).close()  # the room begins with the first login
    with server.json(author) as sender:  # as much as no pipe between the two can hold
        for number in [sender.send("broadcast", text="\U0001f600" * 4000) for _ in range(400)]:
            sender.answer(number)
    with ExitStack() as stack:
        for name in names:
            client = JsonClient(server.place, receive_buffer=4096)
            stack.enter_context(client).send("login", name=name, password=PASSWORD, since=0)
        server.wait_for_log("connected: ")
        with server.json(author) as sender:
            eventually(
                lambda: (
                    not any(each["name"] in names for each in sender.ask("who")["users"])
                    and server.log.count("disconnected: account=stalled") == 2 * count
                ),
                within=25 * SCALE,
            )


# -- who says too much --


@pytest.mark.parametrize("size", ENDLESS_BYTES)
@pytest.mark.parametrize("kind", ["json", "text", "inside"])
def test_line_without_an_end(server: Target, kind: str, size: int) -> None:
    ann = server.account("ann")
    ended = server.log.count("reason=line_too_long")
    chunk = b"x" * 65536
    with under_attack(server, 10) as attack, ExitStack() as stack:
        if kind == "text":
            stack.enter_context(person := TextClient(server.place)).login(ann)
            send = person.socket.sendall
        elif kind == "json":
            stack.enter_context(program := server.json(ann))
            program.write(b'{"op":"broadcast","text":"')
            send = program.socket.sendall
        else:
            secured = stack.enter_context(TwoWay(server.place, trusting()))
            send = secured.write
        with suppress(OSError):
            for _ in range(size // len(chunk)):
                send(chunk)
        attack.height()
        eventually(lambda: server.log.count("reason=line_too_long") == ended + 1)


@pytest.mark.parametrize("size", ENDLESS_BYTES)
@pytest.mark.parametrize(
    ("begun", "status"),
    [
        (b"GET /", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", 431),
        (b"POST /api/login HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n", 413),
        (b"POST /api/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
    ],
    ids=["target", "header", "body", "chunks"],
)
def test_request_without_an_end(server: Target, begun: bytes, status: int, size: int) -> None:
    chunk = b"x" * 65536
    with under_attack(server, 10) as attack, connect(server.place) as browser:
        browser.sendall(begun)
        answer = browser.recv(4096) if status != 431 else b""
        sent = 0
        with suppress(OSError):
            while sent < size:
                sent += browser.send(chunk)
            answer = answer or browser.recv(4096)
        assert sent < size
        assert answer[:13] in (b"", b"HTTP/1.1 %d " % status)  # or it was reset under it
        attack.height()


@pytest.mark.parametrize("count", COMMANDS)
def test_commands_in_one_write_are_answered_in_order_and_held_back(
    server: Target, count: int
) -> None:
    ann = server.account("ann")
    with under_attack(server, 10) as attack, server.json(ann) as client:
        writer = threading.Thread(
            target=client.socket.sendall,
            args=(b"".join(line({"op": "ping", "id": at}) for at in range(count)),),
        )
        client.socket.settimeout(None)
        writer.start()
        attack.height()  # it does not read: what is answered has to wait on its own side
        answers = b""
        parts = []
        while len(parts) < count:
            answers += client.socket.recv(1 << 20)
            *lines, answers = answers.split(b"\n")
            parts += [each for each in lines if b'"event":"presence"' not in each]
        writer.join()
        assert parts == [b'{"event":"reply","re":%d,"op":"ping"}' % at for at in range(count)]


def test_answers_nobody_reads_are_not_piled_up(server: Target) -> None:
    """More is carried out when the answers have been read: so nothing is lost, and nobody cut."""
    count = 2000
    ann = server.account("ann")
    with (
        under_attack(server, 10) as attack,
        JsonClient(server.place, receive_buffer=4096) as client,
    ):
        client.login(ann)
        requests = b"".join(line({"op": "help", "id": at}) for at in range(count))
        writer = threading.Thread(target=send_in_vain, args=(client.socket, requests))
        client.socket.settimeout(None)
        writer.start()
        attack.height()
        numbers: list[int] = []
        rest = b""
        while len(numbers) < count:
            received = client.socket.recv(1 << 20)
            assert received, "cut off"
            *lines, rest = (rest + received).split(b"\n")
            numbers += [event["re"] for event in map(json.loads, lines) if "re" in event]
        writer.join()
        assert numbers == [*range(count)]


def test_commands_in_one_write_over_the_rate_are_read_slowly(limited: Target) -> None:
    server = limited
    ann, bob = server.accounts("ann", "bob")
    with Pair(server), server.json(ann) as client:
        before = pss_of(server.process)
        started = time.monotonic()
        client.socket.settimeout(None)
        commands = line({"op": "who"}) * 50_000
        writer = threading.Thread(target=send_in_vain, args=(client.socket, commands))
        writer.start()
        logins_are_quick(server, bob)
        time.sleep(max(0.0, started + 1.0 - time.monotonic()))
        answered = client.socket.recv(1 << 22).count(b"\n")
        assert pss_of(server.process) - before < 4 * MIB
        client.socket.shutdown(socket.SHUT_RDWR)
        writer.join()
    assert 30 <= answered <= 45 + 10 * SCALE


def send_in_vain(client: socket.socket, data: bytes) -> None:
    """Send as much as somebody reads."""
    with suppress(OSError):
        client.sendall(data)


@pytest.mark.parametrize("dialect", ["json", "text", "web"])
def test_who_has_left_is_gone_whatever_is_still_to_be_carried_out(
    limited: Target, dialect: str
) -> None:
    server = limited
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as witness:
        with server.client(dialect, bob) as leaver:
            leaver.write((b"status\n" if dialect == "text" else line({"op": "status"})) * 1000)
            leaver.reset()
        witness.expect(event="presence", name=bob, state="offline", within=4 * SCALE)


@pytest.mark.parametrize("count", BLANK_LINE_SENDERS)
@pytest.mark.parametrize(
    "nothing",
    [b"\n", b"{\n", frame(b"", PING), frame(b"", 0, fin=False)],
    ids=["empty", "brace", "ping", "part"],
)
def test_lines_with_nothing_in_them_are_not_free(
    limited: Target, count: int, nothing: bytes
) -> None:
    server = limited

    rest: dict[socket.socket, bytes] = {}

    def flood(client: socket.socket) -> None:
        data = rest.get(client, b"") + nothing * (60_000 // len(nothing))
        with suppress(BlockingIOError):
            left = len(data) - client.send(data)
            rest[client] = data[len(data) - left % len(nothing) :] if left % len(nothing) else b""
        with suppress(BlockingIOError):
            client.recv(1 << 20)
        time.sleep(0.001)

    with under_attack(server, 30) as attack, ExitStack() as stack:
        if nothing.endswith(b"\n"):
            clients = [stack.enter_context(connect(server.place)) for _ in range(count)]
            for client in clients:
                client.sendall(b"{}\n")
        else:
            pages = [stack.enter_context(WebClient(server.place)) for _ in range(count)]
            for page in pages:
                page.login(server.account("page"))
                page.write_raw(frame(b"{", fin=False))
            clients = [page.socket for page in pages]
        for client in clients:
            client.setblocking(False)
        with meanwhile(*(partial(flood, client) for client in clients)):
            load = load_of(server.process, 0.7)
            attack.height()
        figure(f"load by {count} senders of nothing", round(load, 2))
        assert load < 0.5


# -- too many --


def farewells(clients: list[socket.socket]) -> list[bytes]:
    """Return what each newcomer is told, as soon as all have been told something."""
    told = []
    for client in clients:
        client.settimeout(PATIENCE)
        with suppress(ConnectionError):  # who speaks to a closed door is reset
            client.recv(1, socket.MSG_PEEK)
    time.sleep(0.1)  # for the rest of it
    for client in clients:
        client.setblocking(False)
        told.append(b"")
        with suppress(ConnectionError, BlockingIOError):
            while data := client.recv(1000):
                told[-1] += data
    return told


@contextmanager
def meanwhile(*actions: Callable[[], object]) -> Iterator[None]:
    """Do each again and again, in a thread of its own."""
    stop = threading.Event()

    def repeat(action: Callable[[], object]) -> None:
        with suppress(ConnectionError):
            while not stop.is_set():
                action()

    threads = [threading.Thread(target=repeat, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def insistence(place: Place) -> AbstractContextManager[None]:
    """Have a few newcomers who try again as soon as they have been turned away."""

    def insist() -> None:
        with connect(place) as client, suppress(ConnectionError):
            client.recv(1000)

    return meanwhile(*[insist] * 4)


def is_turned_away(told: bytes) -> bool:
    return b'"code":"server_full"' in told or b"The server is full" in told


@pytest.mark.parametrize("count", FLOOD)
def test_more_clients_than_allowed_are_told_so(start: Start, count: int) -> None:
    room = 60  # the pair, the first crowd of the attack, and then some
    server = start(server_max_clients=room)
    with under_attack(server, 20), ExitStack() as stack:
        crowd = [stack.enter_context(connect(server.place)) for _ in range(count)]
        # Whoever says nothing is a client when it is clear that he is a person.
        eventually(lambda: server.log.count("dialect=text") >= room - 2)
        speaking = stack.enter_context(connect(server.place))
        speaking.sendall(line({"op": "ping"}))
        told = farewells([speaking, *crowd])
        assert is_turned_away(told.pop(0))
        assert sum(map(is_turned_away, told)) == count - (room - 2)
        assert sum(b"Username: " in each for each in told) == room - 2


def test_out_of_descriptors(start: Start) -> None:
    server = start(faults={"descriptors": 90})
    names = server.accounts(*["early"] * 10)
    with under_attack(server, 20, pause=0.2), ExitStack() as stack:
        early = [stack.enter_context(server.guest()) for _ in names]
        for client in early:
            client.ask("ping")
        crowd = [stack.enter_context(connect(server.place)) for _ in range(65)]
        server.wait_for_log("out of descriptors")
        with insistence(server.place):
            load = load_of(server.process, 2.0)
        for client, name in zip(early, names, strict=True):
            client.login(name)
            client.say("there is room for words")
        told = farewells(crowd)
        assert sum(map(is_turned_away, told)) > 5
        assert len(told) == sum(is_turned_away(each) or b"Username: " in each for each in told)
        figure("load while out of descriptors", round(load, 3))
        assert load < 0.1


def test_out_of_descriptors_when_the_accounts_change(start: Start) -> None:
    server = start(faults={"descriptors": 60})
    ann, bob = server.accounts("ann", "bob")
    with ExitStack() as stack:
        first, second = [stack.enter_context(server.guest()) for _ in range(2)]
        first.login(ann)
        second.ask("ping")
        for _ in range(60):
            stack.enter_context(connect(server.place))
        server.wait_for_log("out of descriptors")
        server.account("new")
        first.tell(bob, "are you there?")
        second.login(bob)


def test_out_of_threads(start: Start, tmp_path: Path) -> None:
    switch = tmp_path / "no-threads"
    server = start(faults={"threads": switch})
    with under_attack(server, 20, pause=0.2) as attack, ExitStack() as stack:
        switch.touch()
        crowd = [stack.enter_context(connect(server.place)) for _ in range(10)]
        with insistence(server.place):
            load = load_of(server.process, 1.0)
        told = farewells(crowd)
        assert all(map(is_turned_away, told))
        switch.unlink()
        attack.height()
        figure("load while out of threads", round(load, 3))
        assert load < 0.1
