"""The housekeeper: deadlines, pings, read positions, retention, by a clock that a test moves."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chatserver.dialects.json import RENDERER as JSON
from chatserver.dialects.text import RENDERER as TEXT
from chatserver.errors import CommandError
from chatserver.order.clock import Clock
from chatserver.order.items import Alive, Item
from chatserver.order.pending import Ticket
from chatserver.search.parts import Scope
from chatserver.search.query import parse_query
from chatserver.serving.housekeeper import Housekeeper
from chatserver.settings import HistorySettings, LoginSettings, SessionSettings
from chatserver.speech import Renderer
from chatserver.storage.past import Stretch
from chatserver.storage.store import StorageFull, Store

from .fakes import DEADLINE, Client, Server, index_all, raising, said_once

DAY = 86_400.0


class House:
    """A server and its housekeeper, who does nothing until `tick`."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.clients: list[Client] = []
        self.keeper = Housekeeper(
            server.services,
            lambda: tuple(each.connection for each in self.clients),
            server.new_retention(Clock(lambda: self.wall + self.now, lambda: self.now)),
        )
        self.now = float(int(time.monotonic()))  # whole, so that sums are exact
        self.wall = time.time() - self.now  # what the one clock is ahead of the other

    def arrive(self, name: str = "bob", renderer: Renderer = JSON) -> Client:
        """Return a client that has connected now and listens."""
        client = Client(name, renderer)
        connection = client.connection
        connection.connected_at = connection.last_command = self.now
        connection.waiting_since = connection.listening_since = self.now
        self.clients.append(client)
        return client

    def log_in(self, name: str = "bob", renderer: Renderer = JSON) -> Client:
        client = self.server.join(self.arrive(name, renderer))
        client.stream.sent.clear()
        return client

    def say(self, count: int = 1, days: float = 0) -> None:
        """Have bob, who is here, say something so many days ago."""
        said_once(self.server, self.wall + self.now - days * DAY, *map(str, range(count)))

    def kept(self) -> int:
        return len(self.server.store.following(0, 10**6, 10**9))

    def tick(self, after: float = 0.0) -> None:
        self.now += after
        self.keeper._tick(self.now)
        self.server.settle()


@pytest.fixture
def house(server: Server) -> House:
    return House(server)


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[House]:
    """Give a house in which every time-out is switched off."""
    sections: dict[str, Any] = {
        "login": LoginSettings(deadline_seconds=0),
        "session": SessionSettings(idle_timeout=0, ping_seconds=0),
        "history": HistorySettings(retention_days=0),
    }
    with Server(tmp_path, **sections) as server:
        server.add_accounts("alice", "bob")
        yield House(server)


# -- deadlines --


def test_a_login_has_a_deadline(house: House) -> None:
    here, client = house.log_in("alice"), house.arrive()
    house.tick(after=30)
    assert client.ending is None
    house.tick(after=1)
    assert client.ending == ("login_timeout", "No login within 30 s.")
    assert here.ending is None


def test_the_time_in_our_own_queue_is_none_of_the_clients(house: House) -> None:
    client = house.arrive()
    with client.connection.login_waits():
        house.tick(after=100)
        assert client.ending is None
        client.connection.waiting_since += 100  # the clock of the test, not of the machine
    house.tick()
    assert client.ending is None
    house.tick(after=31)
    assert client.code == "login_timeout"


def test_without_a_command_a_session_ends(house: House) -> None:
    """But for one that no person attends: a bot, a program."""
    client, bot = house.log_in(), house.log_in("alice")
    bot.connection.attended = False

    def pass_by(seconds: float) -> None:
        for each in (client, bot):
            each.connection.listening_since = house.now  # it answers every ping
        house.tick(after=seconds)

    for _ in range(12):
        pass_by(3600)
    client.connection.last_command += 1
    for _ in range(2):
        assert client.ending is None
        pass_by(1)
    assert client.ending == ("idle_timeout", "Logged out after 12 h without a command.")
    assert bot.ending is None


def test_what_is_switched_off_never_comes(endless: House) -> None:
    stranger, client, bob = endless.arrive(), endless.log_in("alice"), endless.log_in()
    endless.say(3, days=10_000)
    endless.say()
    client.connection.outbox.blocked_since = endless.now
    for _ in range(2):
        endless.tick(after=10**7)
    assert stranger.ending is client.ending is bob.ending is None
    assert client.named("ping") == []
    assert endless.kept() == 4


# -- pings --


def test_a_silent_program_is_asked_once_and_then_cut_off(house: House) -> None:
    client = house.log_in()
    house.tick(after=60)
    assert client.events() == []
    house.tick(after=1)
    assert client.events() == [{"event": "ping"}]
    house.tick(after=60)
    assert client.events() == []
    assert client.ending is None
    house.tick(after=1)
    assert client.ending == ("too_slow", "Cut off: no answer to a ping.")


def test_whoever_answers_is_asked_again_later(house: House) -> None:
    client = house.log_in()
    for _ in range(3):
        house.tick(after=61)
        assert client.events() == [{"event": "ping"}]
        client.connection.listening_since = house.now + 1
        house.tick(after=30)
        assert client.events() == []
        client.connection.listening_since = house.now
    assert client.ending is None


def test_while_the_server_is_busy_with_a_client_its_silence_says_nothing(house: House) -> None:
    client = house.log_in()
    client.connection.listening_since = None
    house.tick(after=1000)
    assert client.ending is None
    assert client.events() == []


def test_people_are_not_pinged(house: House) -> None:
    client = house.log_in(renderer=TEXT)
    house.tick(after=1000)
    assert client.text() == ""
    assert client.ending is None


@pytest.mark.parametrize("renderer", [JSON, TEXT])
def test_whoever_stops_reading_is_cut_off(house: House, renderer: Renderer) -> None:
    client = house.log_in(renderer=renderer)
    client.connection.outbox.blocked_since = house.now
    house.tick(after=60)
    assert client.ending is None
    house.tick(after=1)
    assert client.ending == ("too_slow", "Cut off: this connection has stopped reading.")


# -- read positions, signs of life, retention --


@pytest.mark.parametrize("positions", [(5,), (5, 3), (3, 5)])
def test_what_was_read_on_any_device_is_on_disk_soon(
    house: House, positions: tuple[int, ...]
) -> None:
    devices = [house.log_in() for _ in positions]
    house.say(6)
    for device, position in zip(devices, positions, strict=True):
        device.session.acknowledged = position
    house.tick()
    bob = house.server.account("bob").id
    assert house.server.store.acked([bob]) == {bob: 5}


def appended(house: House, monkeypatch: pytest.MonkeyPatch) -> list[Item]:
    """Return a list of what is put into the order from now on."""
    found: list[Item] = []
    append = house.server.order.append

    def watched(item: Item, ticket: Ticket | None = None) -> None:
        found.append(item)
        append(item, ticket)

    monkeypatch.setattr(house.server.order, "append", watched)
    return found


def test_what_has_not_moved_is_not_written_but_a_sign_of_life_a_minute(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = house.log_in()
    house.say()
    client.session.acknowledged = 1
    house.server.store.untidy = False
    house.tick()
    items = appended(house, monkeypatch)
    house.tick()
    assert items == []
    for _ in range(12):
        house.tick(after=15)
    assert len([each for each in items if isinstance(each, Alive)]) == 3


@pytest.fixture
def talked(house: House) -> House:
    """Give a house with three old messages and a new one."""
    house.log_in()
    house.say(3, days=366)
    house.say(1, days=364)
    return house


def findable(house: House) -> list[int]:
    index_all(house.server.index)
    match, bob = parse_query("from:bob").match, house.server.account("bob").id
    with closing(house.server.index.search(match, bob, Scope((Stretch(1, 0),)), 10)) as found:
        return [seq for batch in found for seq in batch]


def test_old_messages_go_from_everywhere(talked: House) -> None:
    assert findable(talked) == [4, 3, 2, 1]
    talked.tick()
    talked.tick()
    assert talked.kept() == 1
    assert findable(talked) == [4]


def test_what_could_not_be_deleted_can_still_be_found(
    talked: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", raising(StorageFull("full")))
        talked.tick()
        talked.tick()
    assert talked.kept() == 4
    assert findable(talked) == [4, 3, 2, 1]
    talked.tick(after=3600)  # and is deleted later
    talked.tick()
    assert talked.kept() == 1


def test_many_old_messages_go_step_by_step_and_the_next_an_hour_later(house: House) -> None:
    client = house.log_in()
    house.say(1200, days=366)
    house.say()
    left = []
    for _ in range(4):
        house.tick(after=1)
        left.append(house.kept())
    assert left == [201, 1, 1, 1]
    house.say(3, days=366)
    house.say()
    client.connection.listening_since = None
    client.connection.last_command += 3600
    house.tick(after=3590)
    assert house.kept() == 5
    house.tick(after=10)
    assert house.kept() == 2


# -- the thread --


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), CommandError("try_later", "The server is overloaded.")]
)
def test_a_bug_does_not_end_the_housekeeping(
    server: Server, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    ticks, enough = 0, threading.Event()

    def connections() -> tuple[()]:
        nonlocal ticks
        ticks += 1
        if ticks == 3:
            enough.set()
        raise error

    keeper = Housekeeper(server.services, connections, server.retention, interval=0.001)
    with caplog.at_level(logging.WARNING):
        keeper.start()
        assert enough.wait(DEADLINE)
        keeper.stop()
    assert "it goes on" in caplog.text


def test_stopping_does_not_wait_for_the_next_tick(server: Server) -> None:
    keeper = Housekeeper(server.services, tuple, server.retention, interval=3600)
    keeper.start()
    keeper.stop()


def test_certificates_are_looked_at_every_hour(server: Server) -> None:
    looked: list[None] = []
    keeper = Housekeeper(
        server.services, tuple, server.retention, hourly=lambda: looked.append(None)
    )
    now = time.monotonic()
    for after, times in ((0, 1), (3599, 1), (3600, 2), (3601, 2), (7200, 3)):
        keeper._tick(now + after)
        assert len(looked) == times
