"""`connect --json`: requests as a program writes them, and what becomes of them."""

import io
import json
from typing import Any

import pytest
from msgspec import UNSET, to_builtins

from chatclient.errors import ChatError
from chatclient.faces.jsonlines import BadRequest, JsonLines, parse_request
from chatclient.link.resume import ResumingClient
from chatclient.setup.inputlines import InputLines
from chatwire.events import Error, Typing
from chatwire.replies import BroadcastReply, WhoReply

from .fake import FakeServer, Link, at_home, message


def talk(server: FakeServer, typed: bytes) -> list[dict[str, Any]]:
    """Run a session over `typed` and return what it wrote."""
    entry = server.enter()
    client = ResumingClient(server.connect, "alice", entry.password, pause=0.01)
    out = io.BytesIO()
    lines = InputLines(io.BytesIO(typed), "utf-8", "surrogateescape")
    JsonLines(entry, client, lines, out).run()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def without(event: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in names}


def test_answers_come_among_the_events_with_the_id_of_the_program() -> None:
    def play(link: Link) -> None:
        said, asked, quiet = link.expect("broadcast"), link.expect("who"), link.expect("who")
        assert (said["text"], asked["id"]) == ("hi", said["id"] + 1)
        link.send(
            to_builtins(message(5, "hello")) | {"news": "unknown fields are left out"},
            WhoReply(re=asked["id"], users=()),
            {"event": "unheard_of"},
            Typing(sender="bob", room="ops"),
            BroadcastReply(re=said["id"], seq=6, busy={}),
            Error(re=quiet["id"], code="internal", text="No."),
        )
        assert link.read() == {"op": "ack", "upto": 5}

    typed = (
        b'{"op":"broadcast","id":-7,"text":"hi","key":"k"}\n\n{"id":70000000000,"op":"who"}\r\n'
        b'{"op":"ack","upto":99}\n{"op":"pong"}\n{"op":"who"}\n{"op":"logout","id":9}\n{"op":"who"}'
    )
    with FakeServer(at_home(play)) as server:
        first, *rest = talk(server, typed)
    assert (first["op"], first["name"], "re" in first) == ("login", "alice", False)
    assert [without(each, "at") for each in rest] == [
        {"event": "message", "seq": 5, "from": "bob", "room": "lobby", "text": "hello"},
        {"event": "reply", "re": 70000000000, "op": "who", "users": []},
        {"event": "typing", "from": "bob", "room": "ops"},
        {"event": "reply", "re": -7, "op": "broadcast", "seq": 6, "busy": {}},
        {"event": "error", "code": "internal", "text": "No."},
        {"event": "reply", "re": 9, "op": "logout"},
    ]


def test_a_lost_link_is_made_again_and_says_so() -> None:
    def first(link: Link) -> None:
        link.let_in()
        link.expect("who")
        assert link.expect("broadcast")["key"] == "k"
        link.reset()

    def second(link: Link) -> None:
        link.take_login_again(seq=1)
        assert link.take_broadcast("x", 2)["key"] == "k"
        link.send(message(3, "later"))
        link.take_logout()

    with FakeServer(first, second) as server:
        written = talk(
            server, b'{"op":"who","id":1}\n{"op":"broadcast","id":2,"text":"x","key":"k"}'
        )
    assert written[1]["re"] == 1
    assert written[1]["code"] == "link_lost"
    answers = [each.get("re", each["op"]) for each in written[2:] if each["event"] == "reply"]
    assert sorted(map(str, answers)) == ["2", "login"]


@pytest.mark.parametrize(
    ("line", "code", "number"),
    [
        (b"who", "bad_request", None),
        (b"[1]", "bad_request", None),
        (b"{}", "bad_request", None),
        (b'{"op":1,"id":3}', "bad_request", 3),
        (b'{"op":"who","id":"3"}', "bad_request", None),
        (b'{"op":"who","id":true}', "bad_request", None),
        (b'{"op":"who","id":1.5}', "bad_request", None),
        (b'{"op":"\xff"}', "invalid_utf8", None),
        (b'{"op":"\\ud800"}', "bad_request", None),
        (b"[" * 200_000, "bad_request", None),
        (b"\0\x01\x02", "bad_request", None),
    ],
)
def test_bad_input_gets_an_error_and_is_not_the_end(
    line: bytes, code: str, number: int | None
) -> None:
    with FakeServer(at_home(lambda link: link.answer("idle"))) as server:
        _, error, reply = talk(server, line + b'\n{"op":"idle","id":4}\n')
    assert (error["event"], error["code"], error.get("re")) == ("error", code, number)
    assert "\n" not in error["text"]
    assert reply == {"event": "reply", "re": 4, "op": "idle"}


def test_a_line_without_end_is_the_end() -> None:
    with FakeServer(at_home()) as server, pytest.raises(ChatError, match="more than 1048576 bytes"):
        talk(server, b"x" * 2_000_000)


def test_a_request_in_parts() -> None:
    request = parse_request('{"op":"send","to":["bob"],"text":null}')
    assert (request.op, request.id) == ("send", UNSET)
    assert request.fields == {"to": ["bob"], "text": None}
    with pytest.raises(BadRequest, match="not JSON"):
        parse_request("{")
