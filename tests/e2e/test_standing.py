"""Busy and hidden: nothing is dropped, and whoever is hidden cannot be found out."""

import re
import sqlite3
import time
from contextlib import ExitStack, closing

import pytest

from .client import Client, Event, Flood, JsonClient, TextClient
from .conftest import StartServer
from .process import ServerProcess


def names(users: list[Event]) -> list[str]:
    return [each["name"] for each in users]


# -- busy --


def test_busy_holds_messages_and_answers_for_the_person(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as busy:
        busy.ask("busy", reply="in a meeting")
        sender.expect(event="presence", name=bob, state="busy")
        assert sender.ask("broadcast", text="one")["busy"][bob] == "in a meeting"
        reply = sender.tell(bob, "two")
        assert reply["busy"] == {bob: "in a meeting"}
        assert (reply["delivered"], reply["stored"]) == ([], [])
        assert busy.heard() == []
        status = busy.ask("status")
        assert (status["busy"], status["reply"], status["held"]) == (True, "in a meeting", 2)
        busy.ask("idle")
        sender.expect(event="presence", name=bob, state="idle")
        assert busy.texts(2) == ["one", "two"]
        assert busy.ask("status")["busy"] is False
        assert sender.ask("broadcast", text="three")["busy"].get(bob) is None
        assert busy.heard() == ["three"]


def test_busy_in_text_holds_messages_and_idle_shows_them(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.text(ann) as sender, server.text(bob) as busy:
        assert busy.ask("busy gone fishing").startswith("-- You are busy")
        assert sender.line("is busy") == f"-- {bob} is busy."
        answer = sender.ask(f"send {bob} hi")
        assert answer == f"-- {bob} is busy and will see it later: gone fishing"
        assert busy.fence() == []
        assert "busy (gone fishing) with 1 message held" in busy.ask("status")
        busy.send("idle")
        busy.expect("-- You are no longer busy.\n")
        assert busy.line("hi").endswith(f"{ann} → you: hi")
        assert sender.line("no longer") == f"-- {bob} is no longer busy."


@pytest.mark.parametrize("secure", [False, True], ids=["plaintext", "TLS"])
@pytest.mark.parametrize("dialect", ["json", "text", "web"])
@pytest.mark.parametrize("first", ["desk", "laptop"])
def test_the_busy_see_everything_in_order_at_idle_but_for_what_they_said_there(
    server: ServerProcess, dialect: str, secure: bool, first: str
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with ExitStack() as here:

        def device() -> Client:
            return here.enter_context(server.client(dialect, bob, secure=secure))

        sender, desk, laptop = here.enter_context(server.json(ann)), device(), device()
        do(desk, "busy")
        sender.say("1 to all")
        sender.tell(bob, "2 to bob")
        do(desk, "broadcast", "3 from the desk")
        do(laptop, "send", "4 from the laptop", to=ann)
        do(desk, "send", "5 from the desk", to=f"{ann} {bob}")
        sender.say("6 to all")
        late = device()
        do(laptop, "broadcast", "7 from the laptop")
        for each in (desk, laptop, late):
            assert numbers(each) == []
        do(desk if first == "desk" else laptop, "idle")
        sender.say("8 to all")
        assert numbers(laptop) == [1, 2, 3, 5, 6, 8]
        assert numbers(desk) == [1, 2, 4, 6, 7, 8]
        assert numbers(late) == [1, 2, 6, 7, 8]


def do(client: Client, op: str, text: str = "", *, to: str = "") -> None:
    """Ask for something in the dialect of the client, and wait for the answer."""
    if isinstance(client, TextClient):
        client.ask(f"{op} {f'({to}) ' if to else ''}{text}")
    else:
        client.ask(op, **({"to": to.split()} if to else {}), **({"text": text} if text else {}))


def numbers(client: Client) -> list[int]:
    """Return the digits that what it has been shown by now begins with."""
    if isinstance(client, JsonClient):
        return [int(text[0]) for text in client.heard()]
    shown = (re.search(r": (\d) (?:to|from) ", line) for line in client.fence())
    return [int(each[1]) for each in shown if each]


def test_a_device_that_does_not_read_keeps_idle_on_another_waiting_for_nothing(
    start_server: StartServer,
) -> None:
    """It is cut off by the usual rule, and its next login has everything."""
    server = start_server(session_ping_seconds=4, session_outbox_bytes=131072)
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as desk:
        with JsonClient(server.place, receive_buffer=2048) as stalled:
            start = stalled.login(bob)["seq"]
            desk.ask("busy")
            texts = [f"{number} " + "x" * 3900 for number in range(400)]
            for text in texts:
                sender.say(text)
            desk.ask("idle")
            assert desk.texts(400) == texts
            for _ in range(3):  # and nothing is refused meanwhile
                desk.ask("busy")
                desk.ask("idle")
            server.wait_for_log("reason=too_slow")
        with server.json() as again:
            again.login(bob, since=start)
            assert again.texts(400) == texts


def test_busy_and_what_it_holds_outlive_logout_and_restart(start_server: StartServer) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender:
        with server.json(bob) as busy:
            sender.say("read")
            busy.fence()
            busy.ask("busy", reply="back soon")
            sender.tell(bob, "one")
        sender.expect(event="presence", name=bob, state="offline")
        assert sender.tell(bob, "two")["stored"] == [bob]
    server.stop()
    server = start_server()
    with server.json(ann) as sender, server.json() as busy:
        reply = busy.login(bob)
        assert reply["busy"] is True
        sender.say("three")
        assert busy.heard() == []
        status = busy.ask("status")
        assert (status["busy"], status["reply"]) == (True, "back soon")
        busy.ask("idle")
        assert [text for text in busy.heard() if text != "read"] == ["one", "two", "three"]


def test_busy_text_session_is_told_at_login(start_server: StartServer) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender:
        with server.text(bob) as busy:
            busy.ask("busy")
            busy.ask("hide", "You are hidden")
            sender.tell(bob, "one")
        server.wait_for_log(f"disconnected: account={bob}")
        with server.text() as busy:
            busy.login(bob)
            assert busy.line() == "-- You are still hidden: type appear to be seen."
            assert busy.line() == "-- You are still busy, 1 message held: type idle to see them."
            busy.send("idle")
            assert busy.line("one").endswith(f"{ann} → you: one")


def test_nothing_is_lost_or_repeated_however_often_somebody_is_busy_in_a_flood(
    server: ServerProcess,
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as client, server.json(bob) as other:
        with Flood(sender) as flood:
            for _ in range(15):
                client.ask("busy")
                flood.wait_for(10)
                client.ask("idle")
                flood.wait_for(10)
        assert client.heard() == [str(count) for count in range(1, flood.sent + 1)]
        assert other.heard() == [str(count) for count in range(1, flood.sent + 1)]


@pytest.mark.parametrize("leave", ["logout", "close"])
def test_what_was_held_is_not_lost_when_the_connection_breaks_at_idle(
    server: ServerProcess, leave: str
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender:
        with server.json(bob) as busy:
            busy.ask("busy")
            sender.say("one")
            sender.tell(bob, "two")
            busy.write(b'{"op":"idle"}\n' + (b'{"op":"logout"}\n' if leave == "logout" else b""))
        sender.expect(event="presence", name=bob, state="offline")
        with server.json(bob) as again:
            assert again.heard() == ["one", "two"]


@pytest.mark.parametrize("death", ["client", "stop", "kill"])
def test_what_is_held_stays_unread_whatever_is_acknowledged_and_whoever_dies(
    start_server: StartServer, death: str
) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as busy, server.json(bob) as other:
        start = sender.say("read")
        busy.expect(text="read")
        busy.ask("busy")
        sender.say("held")
        other.say("of another device")
        newest = busy.say("own")
        busy.write(b'{"op":"ack","upto":%d}\n' % newest)
        busy.ask("status")
        if death == "client":
            busy.reset()
    if death != "client":
        server.stop() if death == "stop" else server.kill()
        server = start_server()
    with server.json() as resumed, server.json() as fresh:
        assert fresh.login(bob)["busy"] is True
        assert fresh.heard() == []
        assert resumed.login(bob, since=start)["missed"] >= 3
        assert resumed.heard() == []
        resumed.write(b'{"op":"ack","upto":%d}\n' % newest)
        resumed.ask("idle")
        assert resumed.heard() == ["held", "of another device", "own"]
        assert fresh.heard()[-1:] == ["held"]


# -- hidden --


def test_standing_outlives_kill(start_server: StartServer) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as client:
        client.ask("hide")
        client.ask("busy", reply="gone")
        server.kill()
    server = start_server()
    with server.json(ann) as witness, server.json() as client:
        reply = client.login(bob)
        assert (reply["hidden"], reply["busy"]) == (True, True)
        assert client.ask("status")["reply"] == "gone"
        assert names(witness.ask("who")["users"]) == []


def test_hidden_in_text(server: ServerProcess) -> None:
    bob = server.account("bob")
    with server.text(bob) as person:
        person.ask("hide", "You are hidden")
        assert person.ask("status") == f"-- You are {bob}: not busy, hidden."
        person.ask("appear", "You are visible")
        assert person.ask("status") == f"-- You are {bob}: not busy, visible."


# -- last --


def test_last_names_who_was_here_and_when(start_server: StartServer) -> None:
    server = start_server()
    ann, bob, hidden, eve = server.accounts("ann", "bob", "hid", "eve")
    with server.json(ann), server.json(bob), server.json(hidden) as client:
        client.ask("hide")
    server.stop()
    with closing(sqlite3.connect(server.data / "chat.db")) as database, database:
        an_hour_ago = int((time.time() - 3600) * 1000)
        database.execute(
            "UPDATE accounts SET seen_at = ? WHERE name IN (?, ?)", (an_hour_ago, bob, hidden)
        )
    server = start_server()
    with server.json(eve) as client, server.text(eve) as person, server.json(hidden):
        assert sorted(names(client.ask("last", minutes=10)["users"])) == [ann, eve]
        last = {each["name"]: each for each in client.ask("last", minutes=61)["users"]}
        assert last[eve] == {"name": eve, "online": True, "seconds_ago": 0}
        assert last[ann]["online"] is False
        for name in (bob, hidden):
            assert last[name]["online"] is False
            assert 3600 <= last[name]["seconds_ago"] < 3660
        assert f"{bob} (1 h ago)" in person.ask("last 61")
        assert bob not in person.ask("last 59")


def test_last_after_a_crash_still_knows_who_was_here(start_server: StartServer) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as client:
        client.ask("status")
        server.kill()
    server = start_server()
    with server.json(ann) as client:
        (user,) = (each for each in client.ask("last", minutes=5)["users"] if each["name"] == bob)
        assert user["online"] is False
