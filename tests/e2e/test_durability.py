"""Nothing acknowledged is lost, whenever the machine dies."""

import itertools
import sqlite3
import threading
from contextlib import ExitStack, closing, suppress

import pytest

from .client import PASSWORD, JsonClient, at_once, eventually
from .conftest import StartServer
from .process import ServerProcess

STORMS = 3
ACKNOWLEDGED = 300
"""How many messages a storm must have got through before the power goes."""


class Talker:
    """Somebody who broadcasts numbered messages, several at a time, until the server is gone."""

    def __init__(self, client: JsonClient, first: int) -> None:
        self.client = client
        self.acknowledged: dict[int, str] = {}
        self.sent: list[str] = []
        self._numbers = itertools.count(first)

    def talk(self) -> None:
        with suppress(AssertionError, OSError):
            while True:
                waiting = {}
                for _ in range(10):
                    text = f"{self.client.name} {next(self._numbers)}"
                    self.sent.append(text)
                    waiting[self.client.send("broadcast", text=text, key=text)] = text
                for number, text in waiting.items():
                    self.acknowledged[self.client.answer(number)["seq"]] = text


def on_disk(server: ServerProcess) -> dict[int, str]:
    with closing(sqlite3.connect(server.data / "chat.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return dict(database.execute("SELECT seq, text FROM messages ORDER BY seq"))


def storm(server: ServerProcess, names: list[str], first: int) -> tuple[list[Talker], list[dict]]:
    """Have everybody talk at once, kill the server in the midst of it, and return what everybody
    was told and what a reader had seen by then."""
    with ExitStack() as stack:
        reader = stack.enter_context(server.json("reader", since=2**40))
        talkers = [Talker(stack.enter_context(server.json(name)), first) for name in names]

        def kill() -> None:
            eventually(lambda: sum(len(each.acknowledged) for each in talkers) > ACKNOWLEDGED)
            server.process.kill()

        at_once(kill, *(each.talk for each in talkers))
        with suppress(AssertionError, OSError):
            reader.to_end()
        seen = [each for each in reader.events if each["event"] == "message"]
        server.kill()
        return talkers, seen


def test_killed_in_a_storm_every_acknowledged_message_is_there_once_and_in_order(
    start_server: StartServer,
) -> None:
    server = start_server(history_replay_limit=0)
    names = [server.add(name) for name in ("ann", "bob", "eve")]
    server.add("reader")
    with server.json("reader"):
        pass
    acknowledged: dict[int, str] = {}
    for count in range(STORMS):
        talkers, seen = storm(server, names, first=count * 1_000_000)
        told = {each["seq"]: each["text"] for each in seen}
        for talker in talkers:
            assert not told.keys() & acknowledged.keys()
            acknowledged |= talker.acknowledged

        server = start_server(history_replay_limit=0)
        with server.json("reader", since=0) as reader:
            events = [each for each in reader.fence() if each["event"] == "message"]
        shown = {each["seq"]: each["text"] for each in events}
        assert [each["seq"] for each in events] == sorted(shown)
        assert len(set(shown.values())) == len(events), "something is there twice"
        assert acknowledged.items() <= shown.items()
        assert told.items() <= shown.items(), "somebody saw what is not on disk"
        for talker in talkers:
            mine = [text for text in shown.values() if text in set(talker.sent)]
            assert mine == talker.sent[: len(mine)]
            # Whoever asks again gets the same number where it had arrived.
            with server.json(talker.client.name) as client:
                last = talker.sent[len(mine) - 1]
                again = client.ask("broadcast", text=last, key=last)
                assert again["duplicate"] is True
                assert shown[again["seq"]] == last
    server.stop()
    assert acknowledged.items() <= on_disk(server).items()


def test_killed_with_private_messages_on_their_way(start_server: StartServer) -> None:
    server = start_server(history_replay_limit=0)
    ann, bob = server.accounts("ann", "bob")
    acknowledged: dict[int, str] = {}
    with server.json(ann) as sender:
        numbers = {sender.send("send", to=[bob], text=str(n)): str(n) for n in range(300)}
        for number, text in itertools.islice(numbers.items(), 100):
            acknowledged[sender.answer(number)["seq"]] = text
        server.kill()
    server = start_server(history_replay_limit=0)
    with server.json(bob) as reader:
        events = [each for each in reader.fence() if each["event"] == "message"]
        shown = {each["seq"]: each["text"] for each in events}
        assert acknowledged.items() <= shown.items()
        assert [*shown.values()] == [*map(str, range(len(shown)))]
        assert all(each["replay"] for each in events)


def test_killed_while_accounts_come_and_go(start_server: StartServer) -> None:
    server = start_server()
    names = server.accounts(*["bob"] * 4)
    stop = threading.Event()

    def come_and_go(name: str) -> None:
        with suppress(AssertionError, OSError):
            while not stop.is_set():
                with server.json(name) as client:
                    client.ask("busy", reply="soon")
                    client.ask("hide")
                    client.ask("idle")
                    client.ask("appear")

    def kill() -> None:
        eventually(lambda: server.log.count("disconnected") > 40)
        server.process.kill()
        stop.set()

    at_once(kill, *(lambda name=name: come_and_go(name) for name in names))
    server.kill()
    server = start_server()
    for name in names:
        with server.json(name) as client:
            client.ask("status")
    server.stop()
    on_disk(server)


@pytest.mark.parametrize("standing", ["busy", "away"])
def test_killed_before_what_was_held_was_shown(start_server: StartServer, standing: str) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as client:
        if standing == "busy":
            client.ask("busy")
        else:
            client.ask("logout")
            client.bye()
        seq = sender.tell(bob, "wait for me")["seq"]
        server.kill()
    server = start_server()
    with server.json() as client:
        reply = client.login(bob)
        assert reply["missed"] == 1
        if standing == "busy":
            client.ask("idle")
        assert client.messages(1)[0]["seq"] == seq


def test_accounts_added_before_a_kill_are_there_after_it(start_server: StartServer) -> None:
    server = start_server()
    bob = server.account("bob")
    with server.json(bob, password=PASSWORD):
        server.kill()
    server = start_server()
    with server.json(bob):
        pass
