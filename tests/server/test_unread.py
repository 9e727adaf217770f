"""What is unread, conversation by conversation, for all devices of an account."""

import json
from typing import Any

import pytest

from chatserver.commands.dispatcher import dispatch
from chatserver.order.state import State
from chatwire.protocol import encode

from .fakes import Client, Event, People, Server, request

ACCOUNTS = ("alice", "bob", "Carol")


@pytest.fixture
def people(server: Server) -> People:
    """Give alice and bob, who are in #ops, and Carol, who is not."""
    found = People(server, *ACCOUNTS)
    found.do("alice", "create", room="ops")
    found.do("bob", "join", room="ops")
    return found


def waiting(people: People, name: str = "bob", op: str = "unread") -> dict[str, tuple[int, int]]:
    """Return what is unread, and of it what is for oneself, by where it was said."""
    found = people.do(name, op)["conversations"]
    return {where(each): (each["unread"], each["mentions"]) for each in found}


def where(each: Event) -> str:
    return f"#{each['room']}" if "room" in each else " ".join(each["with"])


def talked(people: People) -> int:
    """Have things said, the last in #ops; return its number."""
    people.do("alice", "send", to=["bob"], text="psst")
    people.do("Carol", "send", to=["alice", "bob"], text="bob, you too")
    people.do("Carol", "broadcast", text="hi")
    people.do("bob", "send", room="ops", text="my own words")
    seq: int = people.do("alice", "send", room="ops", text="yes, bob.")["seq"]
    return seq


def test_what_others_said_is_unread_until_one_has_read_it(people: People) -> None:
    talked(people)
    assert waiting(people) == {
        "#ops": (1, 1),
        "#lobby": (1, 0),
        "alice Carol": (1, 1),
        "alice": (1, 0),
    }
    people.do("bob", "read", room="OPS")
    people.do("bob", "read", **{"with": ["carol", "alice"]})
    assert waiting(people) == {"#lobby": (1, 0), "alice": (1, 0)}
    people.do("bob", "read", **{"with": "alice"})
    people.do("bob", "read")
    assert waiting(people) == {}
    everything = waiting(people, op="conversations")
    assert everything == dict.fromkeys(("#ops", "#lobby", "alice Carol", "alice"), (0, 0))
    people.do("alice", "react", reaction="+1")
    people.do("alice", "topic", room="ops", topic="tea")
    assert waiting(people) == {}  # nothing was said


def test_it_is_read_as_far_as_one_says_and_never_back(people: People) -> None:
    last = talked(people)
    people.do("alice", "send", room="ops", text="more")
    assert people.do("bob", "read", room="ops", upto=last)["upto"] == last
    assert waiting(people)["#ops"] == (1, 0)
    people.do("bob", "read", room="ops", upto=1)
    assert waiting(people)["#ops"] == (1, 0)
    newest = people.server.directory.state.seq
    assert people.do("bob", "read", room="ops", upto=2**60)["upto"] == newest
    assert "#ops" not in waiting(people)


def test_one_place_is_read_or_all_of_them(people: People) -> None:
    talked(people)
    refused = ("bad_request", "read: name a user or a room, not both.")
    before = waiting(people)
    assert people.refused("bob", "read", room="ops", **{"with": "alice"}) == refused
    assert waiting(people) == before
    people.do("bob", "read")
    assert waiting(people) == {}


def test_reading_on_one_device_clears_the_others(people: People) -> None:
    upto = talked(people)
    phone = people.server.join(Client("bob"))
    phone.events()
    people.shown("bob")
    people.do("bob", "read", room="ops")
    assert phone.events() == [{"event": "read", "room": "ops", "upto": upto}]
    people.do("bob", "read", room="ops")  # there is nothing to tell
    assert phone.events() == people.shown("bob") == []
    people.do("bob", "read", **{"with": "alice"})
    assert phone.events() == [{"event": "read", "with": ["alice"], "upto": upto}]
    context = people.server.context(phone)
    assert (
        people.server.ask(context, "unread")["conversations"]
        == people.do("bob", "unread")["conversations"]
    )


def test_how_far_one_has_read_outlives_a_session(people: People) -> None:
    talked(people)
    people.do("bob", "read", room="ops")
    before = people.do("bob", "conversations")
    people.server.leave(people.clients["bob"])
    again = People(people.server, "bob")
    assert again.do("bob", "conversations") == before


def test_what_was_said_before_one_joined_is_not_unread(people: People) -> None:
    talked(people)
    people.do("Carol", "join", room="ops")
    assert "#ops" not in waiting(people, "Carol")
    people.do("alice", "send", room="ops", text="welcome")
    assert waiting(people, "Carol")["#ops"] == (1, 0)
    people.do("Carol", "leave", room="ops")
    assert "#ops" not in waiting(people, "Carol", "conversations")


def test_what_is_told_of_a_conversation_is_of_one_moment(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, store = people.server, people.server.store
    first = people.do("alice", "send", room="ops", text="one")["seq"]
    write, count = store.write, store.unread
    asked: list[Event] = []

    def look(op: str = "conversations") -> None:
        reply = dispatch(server.context(people.clients["bob"]), request(op))
        asked.append(json.loads(encode(reply)))

    def write_late(state: State) -> None:
        if state.unsaved.messages:  # they have their place, and are not on disk
            look()
            look("rooms")
        write(state)

    def count_late(*arguments: Any) -> dict[int, tuple[int, int]]:
        monkeypatch.undo()
        people.do("alice", "send", room="ops", text="bob: three")  # meanwhile
        return count(*arguments)

    monkeypatch.setattr(store, "write", write_late)
    second = people.do("alice", "send", room="ops", text="bob: two")["seq"]
    monkeypatch.setattr(store, "write", write)
    look()
    for op in ("conversations", "rooms"):
        monkeypatch.setattr(store, "unread", count_late)
        look(op)
    found = [
        [
            (x.get("newest"), x["unread"], x.get("mentions", 0))
            for x in told
            if x.get(place) == "ops"
        ]
        for each in asked
        for place, told in (("room", each.get("conversations")), ("name", each.get("rooms")))
        if told is not None
    ]
    assert found[:3] == [[(first, 1, 0)], [(None, 1, 0)], [(second, 2, 1)]]
    assert found[3:] == [[(second, 2, 1)], [(None, 3, 2)]]


def test_with_whom_nothing_was_said_there_is_nothing_to_read(people: People) -> None:
    assert people.do("bob", "read", **{"with": "Carol"})["upto"] >= 0
    assert people.refused("bob", "read", **{"with": "bbo"})[0] == "no_such_user"
    assert people.refused("bob", "read", upto=-1)[0] == "bad_request"
