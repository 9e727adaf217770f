"""Numbers of any size in any field: there is an answer, and it is never the server's fault."""

from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from chatserver.commands import all_commands

from .fakes import PASSWORD, People, Server

GIVEN: dict[str, object] = {
    "name": "bob",
    "password": PASSWORD,
    "room": "lobby",
    "text": "hi",
    "query": "hi",
    "role": "moderator",
    "reason": "",
    "minutes": 5,
    "target": 1,
    "upto": 1,
}
"""What a command has to be told besides."""
NEEDED: dict[str, dict[str, object]] = {
    "react": {"reaction": "+1"},
    "edit": {"text": "hi"},
    "reply": {"text": "hi"},
    "send": {"room": "lobby", "text": "hi"},
    "set": {"access": "open"},
}


def _takes_a_number(kind: Any) -> bool:
    try:
        msgspec.convert(1, kind)
    except msgspec.ValidationError:
        return False
    return True


FIELDS = [
    (command.name, field.encode_name, field.type)
    for command in all_commands()
    for field in fields(command.arguments)
    if field.name != "id" and _takes_a_number(field.type)
]


@pytest.mark.parametrize(
    ("op", "field", "kind"), FIELDS, ids=[" ".join(each[:2]) for each in FIELDS]
)
def test_any_number_is_answered(server: Server, op: str, field: str, kind: Any) -> None:
    (command,) = (each for each in all_commands() if each.name == op)
    people = People(server, "alice", "bob")
    people.do("bob", "broadcast", text="hi")
    needed = {each.encode_name: each for each in fields(command.arguments) if each.required}
    given_besides = {name: GIVEN[name] for name in needed if name in GIVEN} | NEEDED.get(op, {})

    @settings(max_examples=10)
    @example(2**62)
    @example(2**62 + 1)
    @example(2**63 - 1)
    @example(2**63)
    @example(2**64)
    @example(-(2**63) - 1)
    @example(10**400)
    @given(st.integers())
    def any_number(number: int) -> None:
        if op == "login":
            client, context = server.arriving("bob")
            answer = server.ask(context, op, **given_besides, **{field: number})
            answer = answer or next(each for each in client.events() if "op" in each)
            if context.session is not None:
                client.session = context.session
                server.leave(client)
        else:
            answer = people.ask("alice", op, **{**given_besides, field: number})
        assert answer.get("code") != "internal", answer
        assert answer or op in ("ack", "typing")
        if answer.get("code") == "bad_request":
            with pytest.raises(msgspec.ValidationError):  # nothing else is wrong with it
                msgspec.convert(number, kind)

    any_number()
