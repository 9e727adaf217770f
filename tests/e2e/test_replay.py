"""What a login is shown: everything missed, once, in order, with no seam to the live messages."""

import pytest

from .client import Event, Flood, JsonClient, at_once, eventually, line
from .conftest import StartServer
from .process import ServerProcess

SETTINGS = {"history_replay_limit": 0}


def leave(client: JsonClient) -> None:
    """Log out, and wait until the server has seen to it."""
    client.ask("logout")
    assert client.bye() == "logged_out"
    client.close()


def missed(server: ServerProcess, name: str, **fields: object) -> list[Event]:
    """Log in and out again; return the messages that were replayed."""
    with server.json(name, **fields) as client:
        events = client.fence()
        leave(client)
    assert all(each.get("replay") for each in events if each["event"] == "message")
    return [each for each in events if each["event"] == "message"]


def texts(events: list[Event]) -> list[str]:
    return [each["text"] for each in events]


def test_json_client_is_shown_again_what_it_has_not_acknowledged(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender:
        with server.json(bob) as reader:
            numbers = [sender.say("one"), sender.say("two"), sender.tell(bob, "three")["seq"]]
            reader.messages(3)
            leave(reader)
        assert texts(missed(server, bob)) == ["one", "two", "three"]
        with server.json() as reader:
            assert reader.login(bob)["missed"] == 3
            reader.send("ack", upto=numbers[1])
            leave(reader)
        assert texts(missed(server, bob)) == ["three"]
        with server.json(bob) as reader:
            reader.write(line({"op": "ack", "upto": numbers[2]}))
            reader.finish()
            reader.to_end()
        assert missed(server, bob) == []


def test_text_client_has_read_what_was_written_to_it(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender:
        with server.text(bob) as reader:
            sender.say("one")
            reader.line("one")
            reader.send("logout")
            reader.to_end()
        sender.say("two")
        sender.tell(bob, "three\nfour")
        with server.text() as reader:
            assert "Welcome" in reader.login(bob)
            assert reader.line() == "-- 2 messages while you were away:"
            assert reader.line().endswith(f" UTC] {ann}: two")
            assert reader.line().endswith(f" UTC] {ann} → you: three")
            assert reader.line() == "    four"
            assert reader.line() == "-- That is all."
            assert reader.fence() == []
            reader.send("logout")
            reader.to_end()
        assert missed(server, bob) == []


def test_read_position_is_saved_while_a_session_goes_on(start_server: StartServer) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as reader:
        reader.send("ack", upto=sender.say("one"))
        reader.ask("ping")

        def shown_to_another_session() -> list[Event]:
            with server.json(bob) as other:
                return other.fence()

        eventually(lambda: shown_to_another_session() == [])
        server.kill()
    server = start_server()
    assert missed(server, bob) == []


@pytest.mark.parametrize("at_a_time", [1, 20])
def test_no_gap_and_no_repeat_where_a_replay_meets_a_flood(
    server: ServerProcess, at_a_time: int
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as reader:
        leave(reader)
    with server.json(ann) as sender, Flood(sender, at_a_time) as flood:
        flood.wait_for(1)
        expected = 1
        since: int | None = None
        for _ in range(10):
            flood.wait_for(30)
            with server.json() as reader:
                reply = reader.login(bob, **({} if since is None else {"since": since}))
                messages = reader.messages(reply["missed"] + 40)
                assert texts(messages) == [
                    str(count) for count in range(expected, expected + len(messages))
                ]
                shown = [each.get("replay", False) for each in messages]
                assert shown == [True] * reply["missed"] + [False] * 40
                assert messages[reply["missed"] - 1]["seq"] == reply["seq"]
                end = reader.expect(event="replayed")
                assert (end["count"], end["more"]) == (reply["missed"], 0)
                expected += len(messages)
                since = messages[-1]["seq"]


def test_no_gap_and_no_repeat_for_text_where_a_replay_meets_a_flood(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as reader:
        leave(reader)
    with server.json(ann) as sender, Flood(sender) as flood:
        highest = None
        for _ in range(10):
            flood.wait_for(30)
            with server.text() as reader:
                reader.login(bob)
                shown = [reader.line(f"{ann}: ")]
                while sum(not each.startswith("[") for each in shown) < 30:
                    shown.append(reader.line(f"{ann}: "))
                # Who hangs up in the middle is shown again what was on its way; who says goodbye
                # and reads to the end is not.
                reader.send("logout")
                shown += [each for each in reader.to_end().splitlines() if f"{ann}: " in each]
            got = [int(each.rpartition(" ")[2]) for each in shown]
            assert got == list(range(got[0], got[0] + len(got)))
            assert highest is None or got[0] == highest + 1
            highest = got[-1]


def test_many_logins_at_once_in_a_flood_all_see_everything(server: ServerProcess) -> None:
    ann, *readers = server.accounts("ann", *["bob"] * 12)
    for name in readers:
        with server.json(name) as reader:
            leave(reader)

    def read(name: str) -> None:
        with server.json() as reader:
            reply = reader.login(name)
            messages = reader.messages(reply["missed"] + 30)
            assert texts(messages) == [str(count + 1) for count in range(len(messages))]

    with server.json(ann) as sender, Flood(sender) as flood:
        flood.wait_for(50)
        at_once(*(lambda name=name: read(name) for name in readers))
