"""What a handler began is finished, or ended with a reason, whatever fails on the way."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import cast

import pytest

from chatserver.app import dialects
from chatserver.dialects.json import JsonDialect
from chatserver.net.flusher import Flusher
from chatserver.net.outbox import Outbox
from chatserver.net.stream import PlainStream
from chatserver.net.tls import TlsContexts
from chatserver.order.presence import Presence
from chatserver.order.replay import Replay
from chatserver.serving.handler import ClientHandler
from chatserver.sessions.connection import Connection
from chatserver.sessions.directory import UserDirectory
from chatserver.storage.store import Store
from chatwire.protocol import encode

from .fakes import DEADLINE, PASSWORD, Event, Server


@pytest.fixture
def flusher() -> Iterator[Flusher]:
    running = Flusher()
    running.start()
    yield running
    running.stop()


def conversation(server: Server, flusher: Flusher, *requests: Event) -> list[Event]:
    """Return all that one client is told, until the server ends the connection."""
    near, far = socket.socketpair()
    far.settimeout(DEADLINE)
    handler = ClientHandler(
        server.services,
        server.registry,
        dialects(server.registry, server.settings),
        flusher,
        cast(TlsContexts, None),
    )
    thread = threading.Thread(target=handler, args=(PlainStream(near, "127.0.0.1"), True))
    with far:
        thread.start()
        far.sendall(b"".join(map(encode, requests)))
        data = b""
        while more := far.recv(65536):
            data += more
    thread.join(DEADLINE)
    assert not thread.is_alive()
    return [json.loads(line) for line in data.splitlines()]


LOGIN = {"op": "login", "id": 1, "name": "bob", "password": PASSWORD}


@pytest.mark.parametrize(
    ("part", "step"),
    [
        (Presence, "join"),
        (UserDirectory, "online"),
        (Store, "has_standing"),
        (Store, "messages"),
        (Replay, "show"),
        (Outbox, "release"),
    ],
)
def test_a_login_that_fails_gets_its_error_and_its_bye_and_leaves_no_ghost(
    server: Server, flusher: Flusher, monkeypatch: pytest.MonkeyPatch, part: type, step: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    (alice,) = server.joined("alice")
    server.say(alice, "private", "bob")
    server.settle()
    with monkeypatch.context() as patched:
        patched.setattr(part, step, broken)
        events = conversation(server, flusher, LOGIN)
    assert (events[-1]["event"], events[-1]["code"]) == ("bye", "internal")
    assert [each["code"] for each in events if each["event"] == "error"] == ["internal"]
    assert server.directory.here(but="alice") == ()
    again = conversation(server, flusher, LOGIN, {"op": "logout", "id": 2})
    assert [each["text"] for each in again if each["event"] == "message"] == ["private"]


@pytest.mark.parametrize(
    ("part", "step"),
    [
        (JsonDialect, "read"),
        (Connection, "keep_pace"),
        (Presence, "leave"),
        (Presence, "note_read"),
    ],
)
def test_whatever_fails_there_is_a_goodbye(
    server: Server, flusher: Flusher, monkeypatch: pytest.MonkeyPatch, part: type, step: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(part, step, broken)
    events = conversation(server, flusher, LOGIN, {"op": "logout", "id": 2})
    assert events[-1]["event"] == "bye"
