"""Bytes on the wire: the choice of the dialect, lines in pieces and lines in heaps."""

import json
import time

import pytest

from .client import PASSWORD, SCALE, JsonClient, TextClient, line
from .process import ServerProcess

SETTINGS = {"message_max_line_bytes": 20_000}


def login_line(name: str) -> bytes:
    return line({"op": "login", "id": 0, "name": name, "password": PASSWORD})


def test_brace_as_first_byte_chooses_json(server: ServerProcess) -> None:
    with server.json() as client:
        client.write(b"{")
        assert client.expect(event="hello")["protocol"] == "chat/1"


@pytest.mark.parametrize("first", [b"b", b" {", b"\n", b"[", b'"', b"\xff"])
def test_any_other_first_byte_chooses_text(server: ServerProcess, first: bytes) -> None:
    with server.text() as client:
        client.write(first)
        assert client.expect("Username: ").startswith("-- chat ")


def test_a_second_of_silence_chooses_text(server: ServerProcess) -> None:
    bob = server.account("bob")
    started = time.monotonic()
    with server.text() as client:
        client.expect("Username: ")
        assert 0.9 < time.monotonic() - started < 1 + 5 * SCALE
        assert f"Welcome, {bob}" in client.login(bob)
        assert "no command '{" in client.ask('{"op":"who"}')


def test_json_is_compact(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as sender, TextClient(server.place) as raw:
        raw.write(login_line(ann))
        raw.expect('"op":"login"')
        raw.expect("\n")
        sender.say("a b")
        got = raw.line('"event":"message"')
        assert got == json.dumps(json.loads(got), separators=(",", ":"))


def test_lines_may_end_with_cr_lf(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json() as program, server.text() as person:
        program.write(login_line(ann).replace(b"\n", b"\r\n"))
        program.expect(op="login")
        person.write(f"{bob}\r\n{PASSWORD}\r\nbroadcast hi \r\n".encode())
        person.line("Welcome")
        assert program.texts(1) == ["hi"]
        program.write(b'{"op":"broadcast","text":"back"}\r\n')
        assert person.line(": back") == f"{ann}: back"


def test_empty_lines_are_ignored(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as program, server.text(bob) as person:
        program.write(b"\n\r\n  \n")
        assert [each for each in program.fence() if each["event"] != "presence"] == []
        person.write(b"\n\r\n  \n")
        assert person.fence() == []


def test_bytes_may_come_one_at_a_time(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json() as program, server.text() as person:
        for byte in login_line(ann):
            program.write(bytes([byte]))
        program.expect(op="login")
        for byte in f"{bob}\n{PASSWORD}\nbroadcast grüße ☕\n".encode():
            person.write(bytes([byte]))
        assert program.texts(1) == ["grüße ☕"]


def test_half_a_line_does_nothing_and_holds_nobody_up(server: ServerProcess) -> None:
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with server.json(ann) as witness:
        with server.json(bob) as program, server.text(eve) as person:
            program.write(b'{"op":"broadcast","text":"hal')
            person.write(b"broadcast hal")
            assert witness.heard() == []
            witness.say("nobody waits")
            assert program.texts(1) == ["nobody waits"]
            program.write(b'f"}\n')
            assert witness.texts(1) == ["half"]
            program.write(b'{"op":"broadcast","text":"never finished"}')
        for name in (bob, eve):
            witness.expect(event="presence", name=name, state="offline")
        assert witness.heard() == []


def test_thousands_of_requests_in_one_write_are_answered_in_order(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as client, server.json(bob) as reader:
        count = 3000
        client.write(b"".join(line({"op": "status", "id": 1000 + n}) for n in range(count)))
        answered = [client.expect(op="status")["re"] for _ in range(count)]
        assert answered == [*range(1000, 1000 + count)]
        client.write(
            b"".join(
                line({"op": "broadcast", "id": 9000 + n, "text": str(n)}) for n in range(count)
            )
        )
        answers = [client.expect(op="broadcast") for _ in range(count)]
        assert [each["re"] for each in answers] == [*range(9000, 9000 + count)]
        first = answers[0]["seq"]
        assert [each["seq"] for each in answers] == [*range(first, first + count)]
        assert reader.texts(count) == [*map(str, range(count))]


def test_json_login_and_all_else_in_one_write(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as witness, server.json() as client:
        requests = [
            {"op": "login", "name": bob, "password": PASSWORD},
            {"op": "who"},
            {"op": "broadcast", "text": "hi"},
            {"op": "send", "to": [ann], "text": "you"},
            {"op": "status"},
            {"op": "logout"},
            {"op": "broadcast", "text": "after the logout"},
        ]
        client.write(b"".join(line({**each, "id": at}) for at, each in enumerate(requests)))
        events = client.to_end()
        assert events[0]["event"] == "hello"
        answers = [each for each in events if "re" in each]
        assert sorted(each["re"] for each in answers) == [0, 1, 2, 3, 4, 5]
        assert all(each["event"] == "reply" for each in answers)
        assert events[-1] == {"event": "bye", "code": "logged_out", "text": events[-1]["text"]}
        witness.expect(event="presence", name=bob, state="offline")
        assert witness.heard() == ["hi", "you"]


@pytest.mark.parametrize("ending", ["logout", "end of input"])
def test_text_piped_in_one_write_gets_all_answers_in_order(
    server: ServerProcess, ending: str
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as witness, server.text() as client:
        commands = ["who", "status", "broadcast hi", f"send {ann} you", "nonsense", "help who"]
        script = "\n".join([bob, PASSWORD, *commands, *["status"] * 20])
        client.send(script + ("\nlogout\nbroadcast after the logout" if ending == "logout" else ""))
        client.finish()
        output = client.to_end()
        at = -1
        for expected in (
            f"Welcome, {bob}.",
            f"Here now: {ann}",
            "not busy",
            "Sent to everybody",
            f"Delivered to {ann}",
            "no command 'nonsense'",
            "See who else is here",
        ):
            at = output.index(expected, at + 1)
        assert output.count("not busy, visible") == 21
        assert output.endswith("-- Goodbye.\n") == (ending == "logout")
        witness.expect(event="presence", name=bob, state="offline")
        assert witness.heard() == ["hi", "you"]


def test_json_client_that_only_stops_sending_gets_all_answers(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as witness, server.json(bob) as client:
        for count in range(200):
            client.send("broadcast", text=str(count))
        client.finish()
        replies = [each for each in client.to_end() if each.get("op") == "broadcast"]
        assert len(replies) == 200
        assert witness.heard() == [*map(str, range(200))]


@pytest.mark.parametrize("dialect", ["json", "text"])
def test_line_at_the_limit_is_read_and_one_byte_more_ends_the_connection(
    server: ServerProcess, dialect: str
) -> None:
    limit = SETTINGS["message_max_line_bytes"]
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as witness:
        if dialect == "json":
            with server.json(bob) as client:
                request = b'{"op":"broadcast","text":"fits"}'
                client.write(request + b" " * (limit - len(request)) + b"\n")
                assert witness.texts(1) == ["fits"]
                client.write(b'{"op":"broadcast","text":"before"}\n')
                client.write(request + b" " * (limit + 1 - len(request)) + b"\n" + request + b"\n")
                events = client.to_end()
                assert [each["code"] for each in events[-2:]] == ["line_too_long"] * 2
                assert [each["event"] for each in events[-2:]] == ["error", "bye"]
        else:
            with server.text(bob) as person:
                request = b"broadcast fits"
                person.write(request + b" " * (limit - len(request)) + b"\n")
                assert witness.texts(1) == ["fits"]
                person.write(b"broadcast before\n")
                person.write(request + b" " * (limit + 1 - len(request)) + b"\n" + request + b"\n")
                assert f"at most {limit} bytes" in person.to_end()
        witness.expect(event="presence", name=bob, state="offline")
        assert witness.heard() == ["before"]


def test_endless_line_is_cut_off_before_its_end(server: ServerProcess) -> None:
    bob = server.account("bob")
    with server.json() as early, server.json(bob) as late:
        early.write(b"{" + b"x" * 30_000)
        assert [each["code"] for each in early.to_end()[-2:]] == ["line_too_long"] * 2
        late.write(b"x" * 30_000)
        assert late.bye() == "line_too_long"


def test_client_that_leaves_before_login_is_no_fault(server: ServerProcess) -> None:
    ann = server.account("ann")
    with server.json(ann) as witness:
        for first in (b"", b"\n", b"{", b"bob", b"bob\n", b"\x16", b"\x16\x03\x01\x02\x00\x01"):
            with JsonClient(server.place) as client:
                client.write(first)
            with JsonClient(server.place) as client:
                client.write(first)
                client.reset()
        assert witness.fence() == []
    server.check()


def test_many_connections_one_after_another(server: ServerProcess) -> None:
    bob = server.account("bob")
    for _ in range(50):
        with server.json(bob) as client:
            client.write(b'{"op":"who"}\n')
    with server.json(bob) as client:
        assert client.ask("status")["name"] == bob
