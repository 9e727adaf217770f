"""What a handler began is finished, or ended with a reason, whatever fails on the way."""

import json
import socket
from typing import cast

import pytest
from e2e.frames import FrameDialect, with_frames

from chatserver.accounts.authentication import Authenticator
from chatserver.app import dialects
from chatserver.dialects.choice import Choice, Offer
from chatserver.dialects.dialect import Direct
from chatserver.dialects.json import JsonDialect
from chatserver.dialects.text import TextDialect
from chatserver.net.flusher import Flusher
from chatserver.net.outbox import Outbox
from chatserver.net.ratelimit import TokenBucket
from chatserver.net.stream import PlainStream
from chatserver.net.tls import TlsContexts
from chatserver.order.local import LocalOrder
from chatserver.order.presence import Presence
from chatserver.order.registrar import Registrar
from chatserver.order.replay import Replay
from chatserver.serving.assets import Assets
from chatserver.serving.handler import ClientHandler
from chatserver.serving.pages import Pages
from chatserver.sessions.connection import Connection
from chatserver.sessions.directory import UserDirectory
from chatserver.storage.store import Store
from chatwire.protocol import encode

from .fakes import (
    DEADLINE,
    PASSWORD,
    Client,
    Event,
    FakeClock,
    FakeStream,
    Server,
    begun,
    raising,
    said_once,
)


class Line:
    """A client's end of a connection that a handler serves."""

    def __init__(self, server: Server, flusher: Flusher) -> None:
        near, self.far = socket.socketpair()
        self.far.settimeout(DEADLINE)
        handler = handler_of(server, flusher)
        self._served = begun(handler, PlainStream(near, "127.0.0.1"), lambda _: True)

    def end(self) -> None:
        """Close it, and wait for the handler."""
        self.far.close()
        self._served.result(DEADLINE)


def handler_of(server: Server, flusher: Flusher, choice: Choice | None = None) -> ClientHandler:
    choice = choice or dialects(server.registry, server.settings)
    pages = Pages(server.services, server.store.identity, Assets())
    tls = cast(TlsContexts, None)
    return ClientHandler(server.services, server.registry, choice, flusher, tls, pages)


def conversation(server: Server, flusher: Flusher, *requests: Event) -> list[Event]:
    """Return all that one client is told, until the server ends the connection."""
    line = Line(server, flusher)
    line.far.sendall(b"".join(map(encode, requests)))
    data = b"".join(iter(lambda: line.far.recv(65536), b""))
    line.end()
    return [json.loads(line) for line in data.splitlines()]


LOGIN = {"op": "login", "id": 1, "name": "bob", "password": PASSWORD}


@pytest.mark.parametrize(
    ("part", "step"),
    [
        (Presence, "_arrive"),
        (Presence, "follow"),
        (Registrar, "review_sessions"),
        (UserDirectory, "enter"),
        (UserDirectory, "apply"),
        (UserDirectory, "window"),
        (LocalOrder, "run"),
        (Authenticator, "still_lets_in"),
        (Store, "messages"),
        (Replay, "show"),
        (Outbox, "release"),
    ],
)
def test_a_login_that_fails_gets_its_error_and_its_bye_and_leaves_no_ghost(
    server: Server, flusher: Flusher, monkeypatch: pytest.MonkeyPatch, part: type, step: str
) -> None:
    (alice,) = server.joined("alice")
    server.say(alice, "private", "bob")
    server.settle()
    with monkeypatch.context() as patched:
        patched.setattr(part, step, raising(RuntimeError("a bug")))
        events = conversation(server, flusher, LOGIN)
    assert (events[-1]["event"], events[-1]["code"]) == ("bye", "internal")
    assert [each["code"] for each in events if each["event"] == "error"] == ["internal"]
    assert server.directory.here(but=alice.session.account_id) == ()
    assert server.directory.sessions() == (alice.session,)
    assert [*server.directory._sessions.values()] == [alice.session]
    again = conversation(server, flusher, LOGIN, {"op": "logout", "id": 2})
    assert [each["text"] for each in again if each["event"] == "message"] == ["private"]


@pytest.mark.parametrize(
    ("part", "step"),
    [(JsonDialect, "read"), (Connection, "keep_pace"), (LocalOrder, "append")],
)
def test_whatever_fails_there_is_a_goodbye(
    server: Server, flusher: Flusher, monkeypatch: pytest.MonkeyPatch, part: type, step: str
) -> None:
    monkeypatch.setattr(part, step, raising(RuntimeError("a bug")))
    events = conversation(server, flusher, LOGIN, {"op": "logout", "id": 2})
    assert events[-1]["event"] == "bye"


@pytest.mark.parametrize("how", ["reset", "end"])
def test_who_leaves_in_the_middle_of_a_replay_gets_the_rest_at_the_next_login(
    server: Server, flusher: Flusher, how: str
) -> None:
    bob, alice = server.joined("bob", "alice")
    server.leave(bob)
    texts = [f"{number:04000}" for number in range(400)]
    said_once(server, 1_795_361_042, *texts, sender="alice")
    line = Line(server, flusher)
    line.far.sendall(f"bob\n{PASSWORD}\nwho\n".encode())
    if how == "end":
        line.far.shutdown(socket.SHUT_WR)
    data = b""
    while data.count(b"alice: ") < 10:
        more = line.far.recv(1000)
        assert more, data[-500:]
        data += more
    line.end()
    assert server.directory.sessions() == (alice.session,)
    acked = server.account("bob").acked
    assert acked < 300  # what the system between them takes is not known better
    again = server.log_in("bob")
    assert again.said() == texts[acked:]


class Pieces(FakeStream):
    """A stream on which some pieces come, and then nothing."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__()
        self._pieces = iter(pieces)

    def receive(self, timeout: float | None = None) -> bytes | None:
        assert timeout is not None
        assert 0 <= timeout <= 1
        return next(self._pieces, None)


@pytest.mark.parametrize(
    ("pieces", "dialect", "said"),
    [
        ([b"F", b"R", b"A", b"ME", b"S..", b"more"], FrameDialect, b"FRAMES.."),
        ([b"FR", b"ED\n", b"more"], TextDialect, b"FRED\n"),
        ([b"FR"], TextDialect, b"FR"),
        ([b"FR", b"", b"more"], TextDialect, b"FR"),
        ([b"{", b"more"], JsonDialect, b"{"),
        ([None], TextDialect, b""),
    ],
)
def test_more_is_read_until_the_dialect_can_be_told(
    server: Server, flusher: Flusher, pieces: list[bytes], dialect: type, said: bytes
) -> None:
    choice = with_frames(dialects(server.registry, server.settings), 100)
    first, *later = pieces
    chosen, data = handler_of(server, flusher, choice)._choose(Pieces(*later), first)
    assert (type(chosen), data) == (dialect, said)


def test_who_never_says_what_tells_the_dialect_is_not_listened_to_without_end(
    server: Server, flusher: Flusher
) -> None:
    choice = Choice((Offer(lambda _: None, lambda: FrameDialect(0)),), lambda: TextDialect(0))
    endless = Pieces(*[b"x" * 1000] * 100)
    _, data = handler_of(server, flusher, choice)._choose(endless, b"x")
    assert len(data) < 10_000


def test_what_a_dialect_says_by_itself_costs_what_it_says(server: Server, flusher: Flusher) -> None:
    client = Client("alice")
    context = server.context(client, logged_in=False)
    context.bucket = TokenBucket(1, 3, FakeClock())
    waited: list[float] = []
    client.connection.rest = waited.append  # type: ignore[method-assign]
    handler = handler_of(server, flusher)
    for item in (Direct(b"1"), Direct(b"2", cost=2.0), Direct(b"3", cost=0.5), Direct()):
        handler._carry_out(context, TextDialect(0), item)
    assert waited == [0.5, 1.5]
    assert client.text() == "1Username: 2Username: 3Username: "
