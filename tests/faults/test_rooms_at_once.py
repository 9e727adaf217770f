"""Several who do to a room at once what only one of them can; and a disk that is full."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from e2e.client import Event, JsonClient, at_once, seqs

from .amounts import amounts, needs_proc
from .conftest import Start
from .target import Target
from .test_storage import EXPECTED_WHEN_FULL, full_disk

TURNS = amounts(5, 200)
MOST = 3

SETTINGS = {"rooms_max_members": MOST, "rooms_max_per_account": 2}


@pytest.fixture
def crowd(server: Target) -> Iterator[list[JsonClient]]:
    """Six people, of whom the last two are one account."""
    with ExitStack() as stack:
        names = server.accounts(*["crowd"] * 5)
        yield [stack.enter_context(server.json(name)) for name in [*names, names[-1]]]


def all_at_once(asked: list[tuple[JsonClient, str, dict[str, Any]]]) -> list[Event]:
    """Have each ask something; return the answers."""

    def call(client: JsonClient, op: str, fields: dict[str, Any]) -> Callable[[], Event]:
        return lambda: client.request(op, **fields)

    return at_once(*(call(*each) for each in asked))


def codes(answers: list[Event]) -> list[str]:
    return sorted(each.get("code", "done") for each in answers)


def members(client: JsonClient, room: str) -> dict[str, str]:
    return {each["name"]: each["role"] for each in client.ask("members", room=room)["members"]}


@pytest.mark.parametrize("turns", TURNS)
def test_a_name_is_one_persons(crowd: list[JsonClient], turns: int) -> None:
    for turn in range(turns):
        names = [f"Name{turn}", f"nAME{turn}"] * 3
        answers = all_at_once(
            [(x, "create", {"room": name}) for x, name in zip(crowd, names, strict=True)]
        )
        assert codes(answers) == ["done"] + ["room_exists"] * 5
        maker = next(x for x, y in zip(crowd, answers, strict=True) if y["event"] == "reply")
        assert members(crowd[0], f"name{turn}") == {maker.name: "owner"}
        maker.ask("leave", room=f"NAME{turn}")
        assert crowd[0].refused("members", room=f"name{turn}")["code"] == "no_such_room"


@pytest.mark.parametrize("turns", TURNS)
def test_a_room_takes_as_many_as_fit(crowd: list[JsonClient], turns: int) -> None:
    owner, others = crowd[0], crowd[1:5]
    for turn in range(turns):
        room = f"small{turn}"
        owner.ask("create", room=room)
        answers = all_at_once([(each, "join", {"room": room}) for each in others])
        assert codes(answers) == ["done"] * (MOST - 1) + ["not_allowed"] * (5 - MOST)
        refusals = {each["text"] for each in answers if each["event"] == "error"}
        assert refusals == {f"#{room} is full: a room has at most {MOST} members."}
        there = {x.name for x, y in zip(others, answers, strict=True) if y["event"] == "reply"}
        assert members(owner, room).keys() == {owner.name} | there
        for each in others:
            each.request("leave", room=room)
        owner.ask("leave", room=room)


@pytest.mark.parametrize("turns", TURNS)
def test_an_account_makes_as_many_rooms_as_it_may(crowd: list[JsonClient], turns: int) -> None:
    *_, desk, phone = crowd
    for turn in range(turns):
        rooms = [f"one{turn}", f"two{turn}", f"three{turn}", f"four{turn}"]
        devices = [desk, phone] * 2
        numbers = [x.send("create", room=y) for x, y in zip(devices, rooms, strict=True)]
        answers = [x.answer(y) for x, y in zip(devices, numbers, strict=True)]
        assert codes(answers) == ["done"] * 2 + ["not_allowed"] * 2
        for room, answer in zip(rooms, answers, strict=True):
            if answer["event"] == "reply":
                desk.ask("leave", room=room)
            else:
                assert "You have made 2 rooms" in answer["text"]


@pytest.mark.parametrize("turns", TURNS)
def test_of_the_last_owners_one_stays_while_there_are_others(
    crowd: list[JsonClient], turns: int
) -> None:
    one, two, three = crowd[:3]
    for turn in range(turns):
        room = f"owned{turn}"
        one.ask("create", room=room)
        for each in (two, three):
            each.ask("join", room=room)
        one.ask("role", name=two.name, role="owner", room=room)
        if turn % 2:
            asked = [(one, "leave", {"room": room}), (two, "leave", {"room": room})]
        else:  # each makes the other a member
            role = {"room": room, "role": "member"}
            asked = [
                (one, "role", role | {"name": two.name}),
                (two, "role", role | {"name": one.name}),
            ]
        answers = all_at_once(asked)
        assert codes(answers) == ["done", "not_allowed"]
        assert list(members(three, room).values()).count("owner") == 1
        # Whoever is left can go when nobody else is there, and takes the room along.
        three.ask("leave", room=room)
        for each in (one, two):
            if members(one, room).get(each.name) == "member":
                each.ask("leave", room=room)
        answers = all_at_once([(each, "leave", {"room": room}) for each in (one, two)])
        assert "done" in codes(answers)
        assert one.refused("members", room=room)["code"] == "no_such_room"


def test_who_asks_again_for_a_room_is_told_that_it_is_made(crowd: list[JsonClient]) -> None:
    first = crowd[0].ask("create", room="again", key="k")
    second = crowd[0].ask("create", room="again", key="k")
    assert second["duplicate"] is True
    assert (second["seq"], second["room"]) == (first["seq"], first["room"])
    # What everybody can find is no guess.
    for _ in range(25):
        assert crowd[1].refused("create", room="again")["code"] == "room_exists"
    crowd[1].ask("create", room="another")
    for each in crowd[:2]:
        each.request("leave", room="again")
        each.request("leave", room="another")


def test_who_is_removed_hears_up_to_that_and_nothing_after(crowd: list[JsonClient]) -> None:
    owner, victim, talker = crowd[:3]
    owner.ask("create", room="edge", access="closed")
    for each in (victim, talker):
        owner.ask("invite", name=each.name, room="edge")
        each.ask("join", room="edge")
    victim.fence()
    numbers = [talker.send("send", room="edge", text=str(number)) for number in range(100)]
    removed = owner.ask("remove", name=victim.name, room="edge", reason="enough")["seq"]
    numbers += [talker.send("send", room="edge", text="after") for _ in range(10)]
    said = [talker.answer(number)["seq"] for number in numbers]
    heard = victim.fence()
    assert seqs(heard) == [seq for seq in said if seq < removed]
    assert [x["seq"] for x in heard if x["event"] == "room"][-1] == removed
    assert heard[-1]["reason"] == "enough"
    for each in (talker, owner):
        each.request("leave", room="edge")


# -- a full disk --


@needs_proc
def test_a_full_disk_refuses_every_change_and_loses_none(start: Start) -> None:
    server = start(history_replay_limit=0)
    server.expected = EXPECTED_WHEN_FULL
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with ExitStack() as stack:
        one, two, three = (stack.enter_context(server.json(x)) for x in (ann, bob, eve))
        one.ask("create", room="ops", access="closed")
        one.ask("invite", name=bob, room="ops")
        two.ask("join", room="ops")
        seq = one.ask("send", room="ops", text=f"hello {bob}")["seq"]
        asked: list[tuple[JsonClient, str, dict[str, Any]]] = [
            (three, "create", {"room": "den"}),
            (one, "send", {"room": "ops", "text": "lost"}),
            (one, "edit", {"target": seq, "text": "lost"}),
            (two, "react", {"target": seq, "reaction": "+1"}),
            (one, "invite", {"name": eve, "room": "ops"}),
            (one, "topic", {"room": "ops", "topic": "lost"}),
            (one, "set", {"room": "ops", "speaking": "moderators"}),
            (one, "mute", {"name": bob, "room": "ops", "minutes": 5}),
            (one, "role", {"name": bob, "role": "owner", "room": "ops"}),
            (one, "delete", {"target": seq}),
            (two, "leave", {"room": "ops"}),
        ]
        keyed = [(x, y, z | {"key": f"k{at}"}) for at, (x, y, z) in enumerate(asked)]
        for each in (one, two, three):
            each.fence()
        before = standing(one, two, three)
        with full_disk(server):
            for client, op, fields in keyed:
                refused = client.refused(op, **fields)
                assert refused["code"] == "storage_full", (op, refused)
                assert "nothing was changed" in refused["text"] or op == "send"
            for each in (one, two, three):  # who may come all the same has nothing to see
                with server.json(each.name, since=0) as again:
                    assert "lost" not in str(again.ask("rooms")) + str(again.events)
            assert standing(one, two, three) == before
            two.ask("read", room="ops")
        told = [x for each in (one, two, three) for x in each.fence()]
        assert [x for x in told if x["event"] not in ("presence", "read")] == []
        unread = two.ask("conversations")["conversations"]
        assert [x["unread"] for x in unread if x.get("room") == "ops"] == [0]
        # Then all of it happens, once.
        for client, op, fields in keyed:
            assert "duplicate" not in client.ask(op, **fields), op
        heard = [x["event"] for x in one.fence() if x["event"] != "presence"]
        assert heard == ["reacted", "room"]
        after = standing(one, two, three)
        server.kill()
    again = start(history_replay_limit=0)
    with ExitStack() as stack:
        people = [stack.enter_context(again.json(name)) for name in (ann, bob, eve)]
        assert standing(*people) == after


def standing(*people: JsonClient) -> list[object]:
    """Return all that each can ask about rooms."""
    found: list[object] = []
    for each in people:
        # What is as it mostly is may be left out.
        listed = each.ask("rooms")["rooms"]
        found.append([{"speaking": "everyone", "history": "all"} | room for room in listed])
        for op, room in (("members", "ops"), ("members", "den"), ("history", "ops")):
            answer = each.request(op, room=room)
            found.append({name: value for name, value in answer.items() if name != "re"})
    return found
