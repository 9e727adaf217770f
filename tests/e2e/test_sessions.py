"""Sessions: how they are announced, and how they end."""

import time

import pytest

from .client import PASSWORD, Event, Flood, JsonClient, rounds, seqs
from .conftest import StartServer
from .process import ServerProcess, chat


def presence(events: list[Event], name: str) -> list[str]:
    return [
        each["state"] for each in events if each["event"] == "presence" and each["name"] == name
    ]


# -- presence notices --


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


def test_nobody_is_told_in_a_crowd(start_server: StartServer) -> None:
    server = start_server(session_presence_notices_up_to=3)
    names = server.accounts("ann", "bob", "dan", "eve", "fay")
    clients = [server.json(name) for name in names]
    try:
        witness = clients[0]
        clients[3].ask("busy")
        clients[4].ask("hide")
        told = [each["name"] for each in witness.fence() if each["event"] == "presence"]
        assert told == names[1:3]
        users = witness.ask("who")["users"]
        assert [each["name"] for each in users] == names[1:4]
    finally:
        for client in clients:
            client.close()


# -- time-outs --


def test_session_without_a_command_is_ended_and_pings_are_none(start_server: StartServer) -> None:
    server = start_server(session_idle_timeout=1)
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    started = time.monotonic()
    with server.json(ann) as active, server.json(bob) as program, server.text(eve) as person:
        for _ in rounds():
            active.ask("status")
            program.send("ack", upto=1)
            program.send("ping")
            last = program.expect(lambda event: event["event"] in ("reply", "bye"))
            if last["event"] == "bye":
                break
        assert last["code"] == "idle_timeout"
        assert "without a command" in last["text"]
        rest = person.expect("without a command")
        assert rest.splitlines()[-1].startswith("-- ")
        person.to_end()
        assert time.monotonic() - started > 1
        assert active.ask("status")["name"] == ann


def test_client_that_does_not_answer_a_ping_is_cut_off(start_server: StartServer) -> None:
    server = start_server(session_ping_seconds=0.4)
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with server.json(ann) as answering, server.json(bob) as dead, server.text(eve) as person:
        answering.expect(event="ping")
        answering.write(b'{"op":"pong"}\n')
        dead.expect(event="ping")
        assert dead.bye() == "too_slow"
        answering.ask("ping")
        assert {each["event"] for each in answering.events} <= {"presence", "ping"}
        assert person.ask("status", "-- You are ").startswith(f"-- You are {eve}:")


def test_ping_is_answered(server: ServerProcess) -> None:
    with server.json() as client:
        assert client.ask("ping")["op"] == "ping"
        client.login(server.account("bob"))
        assert client.ask("ping")["op"] == "ping"


# -- readers that stall --


def test_reader_that_stops_is_cut_off_while_the_others_go_on(start_server: StartServer) -> None:
    server = start_server(session_outbox_bytes=131072)
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with (
        server.json(ann) as sender,
        server.json(eve) as reader,
        JsonClient(server.place, receive_buffer=4096) as stalled,
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
        got = [each["text"].split()[0] for each in events if each["event"] == "message"]
        assert got == [*map(str, range(len(got)))]
        assert len(got) < count
        with server.json() as again:
            again.login(bob, since=seqs(events)[-1])
            rest = [text.split()[0] for text in again.heard()]
            assert rest == [*map(str, range(len(got), count))]


def test_reader_that_reads_too_slowly_for_its_own_answers_is_only_read_more_slowly(
    start_server: StartServer,
) -> None:
    server = start_server(session_outbox_bytes=131072)
    bob = server.add("bob")
    with server.json(bob) as client:
        # Ten times an outbox of answers, none of which is read before the end.
        count = 400
        client.write(b'{"op":"help","id":9}\n' * count)
        client.finish()
        answers = [each for each in client.to_end() if each["event"] == "reply"]
        assert len(answers) == count


# -- how many --


@pytest.mark.parametrize("dialect", ["json", "text"])
def test_full_server_says_so_until_somebody_leaves(start_server: StartServer, dialect: str) -> None:
    server = start_server(server_max_clients=2)
    bob = server.add("bob")
    with server.json(bob) as one:
        with server.json() as two:
            two.ask("ping")
            if dialect == "json":
                with server.json() as three:
                    three.send("ping")
                    assert three.bye() == "server_full"
            else:
                with server.text() as three:
                    three.send("bob")
                    assert three.to_end() == "-- The server is full; try again later.\n"
            assert one.ask("status")["name"] == bob
        server.wait_for_log("disconnected: account=- ")
        for _ in rounds():  # the place is free a moment after the line in the log
            with server.json() as three:
                three.send("ping")
                answer = three.expect(lambda event: event["event"] in ("reply", "bye"))
                if answer["event"] == "reply":
                    break


def test_loopback_has_no_limit_of_clients_per_address(start_server: StartServer) -> None:
    server = start_server(server_max_clients_per_address=1)
    bob = server.add("bob")
    clients = [server.json(bob) for _ in range(5)]
    try:
        for client in clients:
            assert client.ask("status")["name"] == bob
    finally:
        for client in clients:
            client.close()


# -- accounts that go --


def test_deleted_or_disabled_account_is_logged_out_and_cannot_come_back(
    server: ServerProcess,
) -> None:
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with (
        server.json(ann) as other,
        server.json(bob) as desk,
        server.text(bob) as laptop,
        server.json(eve) as disabled,
    ):
        lines = server.passwords.read_text("utf-8").replace(f"{eve}:$", f"{eve}:!$")
        server.passwords.write_text(lines, "utf-8")
        assert chat("deluser", bob, "--data", server.data).returncode == 0
        assert desk.bye() == "kicked"
        assert "removed" in laptop.to_end()
        assert disabled.bye() == "disabled"
        other.expect(event="presence", name=bob, state="offline")
        assert other.refused("send", to=[bob], text="hi")["code"] == "no_such_user"
        for name in (bob, eve):
            with server.json() as again:
                refusal = again.refused("login", name=name, password=PASSWORD)
                assert refusal["code"] == "bad_credentials"


@pytest.mark.parametrize("when", ["away", "logged in"])
def test_new_account_of_a_deleted_name_is_nobody_yet(server: ServerProcess, when: str) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as other:
        with server.json(bob) as old:
            other.say("the old bob heard this")
            other.tell(bob, "for the old bob alone")
            old.ask("busy", reply="the old bob is out")
            old.ask("hide")
            replace_account(server, bob, old, when)
        other.say("said when there was no bob")
        with server.json() as new:
            reply = new.login(bob, since=0)
            assert (reply["busy"], reply["hidden"], reply["missed"]) == (False, False, 0)
            assert new.heard() == []


def test_new_account_of_a_deleted_name_may_use_the_keys_of_the_old(
    start_server: StartServer,
) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as old:
        old.say("the old bob", key="1")
    server.stop()
    assert chat("deluser", bob, "--data", server.data).returncode == 0
    server.add(bob)
    server = start_server()
    with server.json(ann) as reader, server.json(bob) as new:
        assert new.ask("broadcast", text="the new bob", key="1").get("duplicate") is None
        assert reader.texts(1) == ["the new bob"]


def replace_account(server: ServerProcess, name: str, old: JsonClient, when: str) -> None:
    """Delete an account that is logged in, or has just left, and add another of that name."""
    if when == "away":
        old.ask("logout")
        old.bye()
        server.wait_for_log(f"disconnected: account={name}")
    assert chat("deluser", name, "--data", server.data).returncode == 0
    old.to_end()
    server.wait_for_log(f"disconnected: account={name}")
    server.add(name)


def test_one_session_that_logs_out_leaves_the_others(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as other, server.json(bob) as desk, server.json(bob) as laptop:
        desk.ask("logout")
        assert desk.bye() == "logged_out"
        assert other.tell(bob, "hi")["delivered"] == [bob]
        assert laptop.heard() == ["hi"]
        assert bob in [each["name"] for each in other.ask("who")["users"]]


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
