"""Sessions: how they are announced, and how they end."""

import sqlite3
import threading
from contextlib import closing, suppress

import pytest

from .client import Event, Flood, JsonClient, at_once, eventually, rounds, seqs
from .conftest import StartServer
from .process import ServerProcess
from .web import WebClient


def presence(events: list[Event], name: str) -> list[str]:
    return [
        each["state"] for each in events if each["event"] == "presence" and each["name"] == name
    ]


def test_others_are_told_once_that_an_account_came_and_went(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as witness, server.text(ann) as person:
        with server.json(bob) as desk:
            with server.text(bob) as laptop:
                laptop.fence()
            server.wait_for_log(f"disconnected: account={bob}")
            assert presence(desk.fence(), bob) == []
            assert presence(witness.fence(), bob) == ["online"]
        witness.expect(event="presence", name=bob, state="offline")
        with server.json(bob):
            pass
        witness.expect(event="presence", name=bob, state="offline")
        assert presence(witness.fence(), bob) == ["online"]
        assert [each for each in person.fence() if bob in each] == [
            f"-- {bob} came online.",
            f"-- {bob} went offline.",
        ] * 2


def test_broken_connection_is_a_logout(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as witness:
        server.json(bob).reset()
        witness.expect(event="presence", name=bob, state="offline")
        server.text(bob).reset()
        witness.expect(event="presence", name=bob, state="online")
        witness.expect(event="presence", name=bob, state="offline")


@pytest.mark.parametrize("kind", [JsonClient, WebClient])
def test_reader_that_stops_is_cut_off_while_the_others_go_on(
    start_server: StartServer, kind: type[JsonClient]
) -> None:
    server = start_server(session_outbox_bytes=131072)
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with (
        server.json(ann) as sender,
        server.json(eve) as reader,
        kind(server.place, receive_buffer=4096) as stalled,
    ):
        stalled.login(bob)
        count = 0
        for _ in rounds():
            for _ in range(10):
                sender.send("broadcast", text=f"{count} " + "x" * 3900)
                count += 1
            sender.fence()
            reader.ask("ping")
            if presence(reader.events, bob)[1:]:
                break
        assert [text.split()[0] for text in reader.heard()] == [*map(str, range(count))]
        events = stalled.to_end()
        assert events[-1]["event"] == "bye"
        assert events[-1]["code"] == "too_slow"
        assert not isinstance(stalled, WebClient) or stalled.close_code == 1013
        got = [each["text"].split()[0] for each in events if each["event"] == "message"]
        assert got == [*map(str, range(len(got)))]
        assert len(got) < count
        with server.json() as again:
            again.login(bob, since=seqs(events)[-1])
            rest = [text.split()[0] for text in again.heard()]
            assert rest == [*map(str, range(len(got), count))]


def test_one_client_of_many_that_breaks_off_in_a_flood_disturbs_nobody(
    server: ServerProcess,
) -> None:
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with server.json(ann) as sender, server.json(eve) as reader:
        with Flood(sender) as flood:
            for _ in range(20):
                flood.wait_for(10)
                server.json(bob).reset()
        assert reader.heard() == [str(count + 1) for count in range(flood.sent)]


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
    with closing(sqlite3.connect(server.data / "chat.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
