"""What is said: who gets it, in which order, and never twice."""

import itertools
import re

import pytest

from .client import JsonClient, TextClient, at_once, line, seqs
from .conftest import StartServer
from .process import ServerProcess


def test_broadcast_reaches_everybody_but_the_session_that_said_it(server: ServerProcess) -> None:
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with (
        server.json(ann) as desk,
        server.json(ann) as laptop,
        server.json(bob) as reader,
        server.text(eve) as person,
    ):
        seq = desk.say("hello all")
        for client in (laptop, reader):
            message = client.expect(event="message", text="hello all")
            assert message["seq"] == seq
            assert message["from"] == ann
            assert message["room"] == "lobby"
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", message["at"])
            assert "to" not in message
            assert not message.get("replay")
        assert f"{ann}: hello all" in person.fence()
        assert desk.heard() == []


def test_everybody_sees_one_order(server: ServerProcess) -> None:
    names = server.accounts("ann", "bob", "eve", "reader", "watcher")
    clients = [server.json(name) for name in names]
    try:
        talkers, readers = clients[:3], clients[3:]

        def talk(client: JsonClient) -> list[int]:
            numbers = [
                client.send("broadcast", text=f"{client.name} {count}") for count in range(60)
            ]
            return [client.answer(number)["seq"] for number in numbers]

        own = at_once(*(lambda client=client: talk(client) for client in talkers))
        heard = {
            client: [each for each in client.fence() if each["event"] == "message"]
            for client in clients
        }
        one, other = (heard[client] for client in readers)
        assert one == other
        assert len(one) == 180
        assert seqs(one) == sorted(set(seqs(one)))
        for talker, numbers in zip(talkers, own, strict=True):
            said = [each for each in one if each["from"] == talker.name]
            assert seqs(said) == numbers
            assert [each["text"] for each in said] == [f"{talker.name} {n}" for n in range(60)]
            assert heard[talker] == [each for each in one if each["from"] != talker.name]
    finally:
        for client in clients:
            client.close()


def test_send_reaches_the_one_named_and_nobody_else(server: ServerProcess) -> None:
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with server.json(ann) as sender, server.json(bob) as reader, server.json(eve) as witness:
        reply = sender.tell(bob, "psst")
        assert (reply["delivered"], reply["stored"]) == ([bob], [])
        assert (reply["busy"], reply["unknown"]) == ({}, [])
        message = reader.expect(event="message")
        assert message["seq"] == reply["seq"]
        assert (message["from"], message["to"], message["text"]) == (ann, [bob], "psst")
        assert "room" not in message
        assert witness.heard() == []
        assert sender.heard() == []


def test_send_to_several_says_for_each_how_it_went(server: ServerProcess) -> None:
    ann, bob, dan, eve = server.accounts("ann", "bob", "dan", "eve")
    with server.json(ann) as sender, server.json(bob) as here, server.json(eve) as busy:
        busy.ask("busy", reply="in a meeting")
        reply = sender.tell([bob, dan, eve, "nobody-at-all"], "all of you")
        assert reply["delivered"] == [bob]
        assert reply["stored"] == [dan]
        assert reply["busy"] == {eve: "in a meeting"}
        assert reply["unknown"] == ["nobody-at-all"]
        assert here.messages(1)[0]["to"] == [bob, dan, eve]


def test_send_to_nobody_known_is_refused(server: ServerProcess) -> None:
    ann = server.account("ann")
    with server.json(ann) as client, server.text(ann) as person:
        refusal = client.refused("send", to=["nobody-at-all", "no-one"], text="hi")
        assert refusal["code"] == "no_such_user"
        assert "nobody-at-all" in refusal["text"]
        assert "No such user: nobody-at-all" in person.ask("send nobody-at-all hi")
        assert client.refused("send", to=[], text="hi")["code"] == "bad_request"
        assert client.heard() == []


def test_send_to_oneself_arrives(server: ServerProcess) -> None:
    ann = server.account("ann")
    with server.json(ann) as desk, server.json(ann) as laptop:
        reply = desk.tell(ann, "note to self")
        assert reply["delivered"] == [ann]
        for client in (desk, laptop):
            assert client.messages(1)[0]["seq"] == reply["seq"]
            assert client.heard() == []


def test_send_in_another_case_or_twice_over_arrives_once(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "Bob")
    with server.json(ann) as sender, server.json(bob) as reader:
        reply = sender.tell([bob.upper(), bob.lower(), bob], "hi")
        assert reply["delivered"] == [bob]
        assert reader.messages(1)[0]["to"] == [bob]
        assert reader.heard() == []


def test_every_session_of_reader_and_sender_gets_a_private_message(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with (
        server.json(ann) as desk,
        server.json(ann) as laptop,
        server.json(bob) as phone,
        server.text(bob) as terminal,
    ):
        seq = desk.tell(bob, "to all your devices")["seq"]
        assert phone.messages(1)[0]["seq"] == seq
        assert laptop.messages(1)[0]["seq"] == seq
        assert terminal.line(": to all") == f"{ann} → you: to all your devices"
        assert desk.heard() == []


def test_messages_to_somebody_away_wait_for_the_next_login(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender:
        with server.json(bob) as reader:
            reader.fence()
        sender.expect(event="presence", name=bob, state="offline")
        first = sender.tell(bob, "one")
        assert (first["delivered"], first["stored"]) == ([], [bob])
        second = sender.say("two")
        third = sender.tell(bob, "three")["seq"]
        with server.json() as reader:
            assert reader.login(bob)["missed"] == 3
            replayed = reader.messages(3)
            assert seqs(replayed) == [first["seq"], second, third]
            assert [each["text"] for each in replayed] == ["one", "two", "three"]
            assert all(each["replay"] is True for each in replayed)
            assert reader.expect(event="replayed")["count"] == 3
            assert reader.heard() == []


def test_private_messages_wait_for_a_first_login_and_the_room_begins_then(
    server: ServerProcess,
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender:
        sender.say("before bob was ever here")
        assert sender.tell(bob, "welcome")["stored"] == [bob]
        with server.json() as reader:
            assert reader.login(bob)["missed"] == 1
            assert reader.texts(1) == ["welcome"]
            sender.say("after")
            assert reader.texts(1) == ["after"]


def test_same_key_again_gives_the_first_number_and_delivers_nothing(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as reader:
        for op, to in (("broadcast", {}), ("send", {"to": [bob]})):
            first = sender.ask(op, text="once", key=f"{op}-1", **to)
            again = sender.ask(op, text="once", key=f"{op}-1", **to)
            assert "duplicate" not in first
            assert again["duplicate"] is True
            assert again["seq"] == first["seq"]
            assert reader.heard() == ["once"]


def test_same_key_counts_across_reconnects_and_restarts(start_server: StartServer) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as reader:
        with server.json(ann) as sender:
            seq = sender.say("once", key="k")
        with server.json(ann) as sender:
            again = sender.ask("broadcast", text="once", key="k")
            assert (again["seq"], again["duplicate"]) == (seq, True)
        assert reader.heard() == ["once"]
    server.stop()
    server = start_server()
    with server.json(ann) as sender, server.json(bob) as reader:
        again = sender.ask("broadcast", text="once", key="k")
        assert (again["seq"], again["duplicate"]) == (seq, True)
        assert "once" not in [
            each["text"] for each in reader.fence() if not each.get("replay") and "text" in each
        ]


def test_same_key_from_two_sessions_at_once_is_said_once(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with (
        server.json(ann) as desk,
        server.json(ann) as laptop,
        server.json(bob) as reader,
    ):

        def talk(client: JsonClient) -> list[tuple[int, bool]]:
            numbers = [
                client.send("broadcast", text=f"m{count}", key=f"key {count}")
                for count in range(100)
            ]
            answers = [client.answer(number) for number in numbers]
            return [(each["seq"], each.get("duplicate", False)) for each in answers]

        one, other = at_once(lambda: talk(desk), lambda: talk(laptop))
        assert [seq for seq, _ in one] == [seq for seq, _ in other]
        assert all(a != b for (_, a), (_, b) in zip(one, other, strict=True))
        assert reader.heard() == [f"m{count}" for count in range(100)]


def test_same_key_twice_in_one_write_is_said_once(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as reader:
        request = {"op": "broadcast", "text": "once", "key": "k"}
        sender.write(b"".join(line({**request, "id": 100 + count}) for count in range(5)))
        answers = [sender.answer(100 + count) for count in range(5)]
        assert len({each["seq"] for each in answers}) == 1
        assert [each.get("duplicate", False) for each in answers] == [False] + [True] * 4
        assert reader.heard() == ["once"]


def test_keys_of_different_senders_have_nothing_to_do_with_each_other(
    server: ServerProcess,
) -> None:
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with server.json(ann) as one, server.json(bob) as other, server.json(eve) as reader:
        assert one.say("from ann", key="k") != other.say("from bob", key="k")
        assert reader.heard() == ["from ann", "from bob"]


def test_key_has_at_most_64_characters(server: ServerProcess) -> None:
    ann = server.account("ann")
    with server.json(ann) as client:
        client.say("hi", key="ä" * 64)
        for key in ("", "k" * 65, 5):
            assert client.refused("broadcast", text="hi", key=key)["code"] == "bad_request"


def test_text_and_json_hear_each_other(server: ServerProcess) -> None:
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with server.text(ann) as person, server.json(bob) as program, server.text(eve) as other:
        program.say("from a program")
        assert person.line(": from") == f"{bob}: from a program"
        assert person.ask("broadcast from a person") == "-- Sent to everybody here."
        assert program.expect(event="message")["text"] == "from a person"
        assert other.line(": from a pe") == f"{ann}: from a person"
        program.tell(ann, "privately")
        assert person.line("privately") == f"{bob} → you: privately"
        assert person.ask(f"send {bob} me too") == f"-- Delivered to {bob}."
        assert program.expect(event="message")["to"] == [bob]
        assert person.ask(f"send ({bob} {eve}) both of you") == f"-- Delivered to {bob} and {eve}."
        assert other.line("both") == f"{ann} → you, {bob}: both of you"


def test_text_commands_are_known_in_any_case_with_slash_and_by_alias(
    server: ServerProcess,
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.text(ann) as person, server.json(bob) as program:
        for count, command in enumerate(("broadcast", "BROADCAST", "/broadcast", "say", "/Say")):
            person.ask(f"{command}  {count}", "Sent to everybody")
        for command in ("send", "msg", "/tell"):
            person.ask(f"{command}\t{bob}   {command}", "Delivered to")
        assert program.texts(8) == ["0", "1", "2", "3", "4", "send", "msg", "/tell"]


def test_text_wrong_input_gets_one_line_that_says_how_to_put_it_right(
    server: ServerProcess,
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.text(ann) as person, server.json(bob) as witness:
        for typed, answer in {
            "brodcast hi": "-- There is no command 'brodcast'. Did you mean broadcast?",
            "broadcast": "<message>",
            f"send {bob}": "send <user> <message>",
            f"send ({bob} hi": "(bob carol)",
            "last": "last <minutes>",
            "hello everybody": "To say something, type say and what it is",
            "history 1000": "history: count must be at most 500.",
            "last ten": "whole number",
            "last 0": "minutes",
            "who is there": "Usage: who",
            "help brodcast": "Did you mean broadcast?",
        }.items():
            person.fence()
            person.send(typed)
            (only,) = person.fence()
            assert only.startswith("-- ")
            assert answer in only
        assert witness.heard() == []


def test_line_breaks_are_indented_so_that_no_text_passes_for_another_message(
    server: ServerProcess,
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.text(bob) as person, server.json(bob) as program:
        text = f"first\n{bob}: forged\r\n-- forged\n\nlast"
        sender.say(text)
        assert person.fence() == [
            f"{ann}: first",
            f"    {bob}: forged",
            "    -- forged",
            "    ",
            "    last",
        ]
        sender.tell(bob, "one\ntwo")
        assert person.fence() == [f"{ann} → you: one", "    two"]
        assert program.texts(2) == [text.replace("\r\n", "\n"), "one\ntwo"]


@pytest.mark.parametrize("separator", ["\r", "\v", "\f", "\x85", "\u2028", "\u2029", "\x1c"])
def test_nothing_else_breaks_a_line(server: ServerProcess, separator: str) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.text(bob) as person:
        sender.say(f"a{separator}{bob}: forged")
        assert person.fence() == [f"{ann}: a{bob}: forged"]


def test_what_steers_a_screen_is_dropped(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as reader, server.text(bob) as person:
        sender.say("\x1b[31mred\x07\0 \u202eevil\u2066 \x9b2Jtab\there \u200bzero")
        assert reader.texts(1) == ["[31mred evil 2Jtab\there zero"]
        assert person.fence() == [f"{ann}: [31mred evil 2Jtab\there zero"]


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\u200b", "\0\x1b"])
def test_nothing_to_say_is_refused(server: ServerProcess, text: str) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as client, server.json(bob) as witness:
        assert client.refused("broadcast", text=text)["code"] == "bad_request"
        assert client.refused("send", to=[bob], text=text)["code"] == "bad_request"
        assert witness.heard() == []


def test_text_may_have_4000_characters_and_not_one_more(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as client, server.json(bob) as reader, server.text(ann) as person:
        longest = "\N{GRINNING FACE}" * 4000
        client.say(longest)
        assert client.refused("broadcast", text=longest + "!")["code"] == "text_too_long"
        assert client.refused("send", to=[bob], text=longest + "!")["code"] == "text_too_long"
        assert "4001 characters" in person.ask(f"broadcast {longest}!", "-- ")
        assert reader.heard() == [longest]


def test_each_answer_carries_the_id_of_its_request(server: ServerProcess) -> None:
    ann = server.account("ann")
    with server.json(ann) as client:
        ids = [0, -1, 7, 2**53, 2**64, -(2**70), 10**30]
        for each in ids:
            client.write(line({"op": "status", "id": each}))
            assert client.expect(op="status")["re"] == each
            client.write(line({"op": "broadcast", "id": each, "text": "hi"}))
            assert client.expect(op="broadcast")["re"] == each
            client.write(line({"op": "nonsense", "id": each}))
            assert client.expect(event="error")["re"] == each
        client.write(line({"op": "status"}) + line({"op": "status", "id": None}))
        assert all("re" not in client.expect(op="status") for _ in range(2))


def test_numbers_grow_by_one_a_message(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as client:
        numbers = [client.say("hi"), client.tell(bob, "hi")["seq"], client.say("hi")]
        client.refused("broadcast", text="")
        client.refused("send", to=["nobody-at-all"], text="hi")
        numbers.append(client.say("hi"))
        assert numbers == list(itertools.islice(itertools.count(numbers[0]), 4))


def test_text_sender_of_a_private_message_sees_it_on_the_other_screen(
    server: ServerProcess,
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.text(ann) as desk, server.text(ann) as laptop:
        assert isinstance(desk, TextClient)
        assert desk.ask(f"send {bob} hi").startswith(f"-- Stored for {bob}")
        assert laptop.line(": hi") == f"you → {bob}: hi"
