"""Bytes on the wire: the choice of the dialect, lines in pieces and lines in heaps."""

import time

import pytest

from .client import PASSWORD, SCALE, JsonClient, line
from .process import ServerProcess


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


def test_bytes_may_come_one_at_a_time_with_cr_lf_and_empty_lines(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    login = line({"op": "login", "id": 0, "name": ann, "password": PASSWORD})
    back = b'{"op":"broadcast","text":"back"}\r\n'
    with server.json() as program, server.text() as person:
        for byte in login.replace(b"\n", b"\r\n") + b"\n\r\n  \n":
            program.write(bytes([byte]))
        program.expect(op="login")
        for byte in f"{bob}\r\n{PASSWORD}\r\n\n\r\n  \nbroadcast grüße ☕ \r\n".encode():
            person.write(bytes([byte]))
        assert program.texts(1) == ["grüße ☕"]
        program.write(back)
        person.line("Welcome")
        assert person.line() == "-- Sent to everybody here."
        assert person.line() == f"{ann}: back"
        person.name = bob
        assert person.fence() == []
        program.name = ann
        assert {each["event"] for each in program.fence()} <= {"hello", "presence", "reply"}


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
