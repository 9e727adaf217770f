"""What is said: who gets it, in which order, and never twice."""

import re

from .client import JsonClient, at_once, line, seqs
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
    with server.people("ann", "bob", "eve", "reader", "watcher") as clients:

        def talk(client: JsonClient) -> list[int]:
            texts = [f"{client.name} {count}" for count in range(60)]
            numbers = [client.send("broadcast", text=text) for text in texts]
            return [client.answer(number)["seq"] for number in numbers]

        own = at_once(*(lambda client=client: talk(client) for client in clients[:3]))
        *heard, one, other = (
            [each for each in client.fence() if each["event"] == "message"] for client in clients
        )
    assert one == other
    assert len(one) == 180
    assert seqs(one) == sorted(set(seqs(one)))
    for talker, numbers, others in zip(clients, own, heard, strict=False):
        said = [each for each in one if each["from"] == talker.name]
        assert seqs(said) == numbers
        assert [each["text"] for each in said] == [f"{talker.name} {n}" for n in range(60)]
        assert others == [each for each in one if each["from"] != talker.name]


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
    with server.json(ann) as desk, server.json(ann) as laptop, server.json(bob) as reader:
        texts = [f"m{count}" for count in range(100)]

        def talk(client: JsonClient) -> list[tuple[int, bool]]:
            numbers = [client.send("broadcast", text=each, key=f"key {each}") for each in texts]
            answers = [client.answer(number) for number in numbers]
            return [(each["seq"], each.get("duplicate", False)) for each in answers]

        one, other = at_once(lambda: talk(desk), lambda: talk(laptop))
        assert [seq for seq, _ in one] == [seq for seq, _ in other]
        assert all(a != b for (_, a), (_, b) in zip(one, other, strict=True))
        assert reader.heard() == texts


def test_text_and_json_hear_each_other(server: ServerProcess) -> None:
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with (
        server.text(ann) as person,
        server.text(ann) as laptop,
        server.json(bob) as program,
        server.text(eve) as other,
    ):
        program.say("from a program")
        assert person.line(": from") == f"{bob}: from a program"
        assert person.ask("broadcast from a person") == "-- Sent to everybody here."
        assert program.expect(event="message")["text"] == "from a person"
        assert other.line(": from a pe") == f"{ann}: from a person"
        program.tell(ann, "privately")
        assert person.line("privately") == f"{bob} → you: privately"
        assert person.ask(f"send {bob} me too") == f"-- Delivered to {bob}."
        assert program.expect(event="message")["to"] == [bob]
        assert laptop.line("me too") == f"you → {bob}: me too"
        assert person.ask(f"send ({bob} {eve}) both of you") == f"-- Delivered to {bob} and {eve}."
        assert other.line("both") == f"{ann} → you, {bob}: both of you"


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


def test_a_reaction_typed_with_a_minus_is_taken_back(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as author, server.text(bob) as person:
        seq = author.tell(bob, "is it done?")["seq"]
        person.fence()  # the server knows what it has written when it answers what comes after
        person.ask("react 👍", "-- Noted.")
        assert author.expect(event="reacted", target=seq)["on"] is True
        person.ask(f"react ^{seq} -👍", "-- Noted.")
        taken_back = author.expect(event="reacted", target=seq)
        assert (taken_back["reaction"], taken_back["on"]) == ("👍", False)
        person.ask("help react", "react [^<number>] [-]<emoji>")
