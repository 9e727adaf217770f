"""To whoever is not in it a closed room is a free name: in every answer, in what is told without
being asked, and in how long anything takes.

Everything is asked twice, about a room that there is and about one that there is not; about
messages in it and about numbers of messages that are gone. Whoever asks has two accounts.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from e2e.client import Event, JsonClient, eventually

from chatserver.commands import all_commands
from chatserver.commands.registry import Command

from .target import Target
from .test_hidden import TIMINGS, _apart, assert_alike, timed

__all__ = ["_apart"]

PHASES = ("stranger", "withdrawn", "removed", "left")
"""What bob was to a room before he asks; ann is a stranger to all."""

GUESSES = 20

OTHERWISE = {"create", "login", "logout"}
"""Commands with tests of their own."""

SILENT = {"typing", "ack", "pong"}
"""Requests that have no answer."""


class Room:
    """A closed room, and a free name that is as long; a message in it, and one that is gone."""

    def __init__(self, phase: str) -> None:
        letter = phase[0].upper()
        self.phase = phase
        self.name, self.free = f"Vault-{letter}1", f"Vault-{letter}2"
        self.seq = self.gone = 0

    @property
    def sides(self) -> tuple[tuple[str, int], tuple[str, int]]:
        return (self.name, self.seq), (self.free, self.gone)


class Scene:
    """Two who are in the rooms, and two who are not."""

    def __init__(self, server: Target, stack: ExitStack) -> None:
        self.server = server
        self.stack = stack
        self.rooms = {phase: Room(phase) for phase in PHASES}
        for name in ("ivy", "jon", "ann", "bob"):
            server.add(name)
        self.enter()
        for each in (self.ann, self.bob):
            for number in range(20):
                each.say(f"visible {number}")
                each.tell(["ann", "bob"], f"private {number}")
        self.ivy.ask("create", room="doomed", access="closed")
        for room in self.rooms.values():
            self.fill(room)
        self.ivy.ask("leave", room="doomed")

    def enter(self) -> None:
        """Log everybody in."""
        self.ivy, self.jon, self.ann, self.bob = (
            self.stack.enter_context(self.server.json(name))
            for name in ("ivy", "jon", "ann", "bob")
        )

    def fill(self, room: Room) -> None:
        """Make a room in which something has happened, and have bob become what he was to it."""
        ivy, name = self.ivy, room.name
        ivy.ask("create", room=name, access="closed")
        for who in (self.jon, self.bob) if room.phase in ("removed", "left") else (self.jon,):
            ivy.ask("invite", name=who.name, room=name)
            who.ask("join", room=name)
        if room.phase == "withdrawn":
            ivy.ask("invite", name="bob", room=name)
        ivy.ask("topic", room=name, topic="cargo")
        ivy.ask("send", room=name, text="other cargo")
        speaker = self.bob if room.phase in ("removed", "left") else ivy
        room.seq = speaker.ask("send", room=name, text="cargo for bob and ann")["seq"]
        room.gone = ivy.ask("send", room="doomed", text="cargo for bob and ann")["seq"]
        speaker.ask("edit", target=room.seq, text="more cargo for bob and ann")
        self.jon.ask("react", target=room.seq, reaction="+1")
        if room.phase == "left":
            self.bob.ask("leave", room=name)
        elif room.phase in ("withdrawn", "removed"):
            ivy.ask("remove", name="bob", room=name)

    def live(self, room: Room) -> None:
        """Have everything happen there that can."""
        ivy, jon, name = self.ivy, self.jon, room.name
        seq = ivy.ask("send", room=name, text="ann and bob: cargo", key=None)["seq"]
        jon.ask("send", room=name, text="yes", reply_to=seq)
        jon.ask("react", target=seq, reaction="+1")
        ivy.ask("edit", target=seq, text="ann and bob: no cargo")
        ivy.ask("delete", target=seq)
        jon.send("typing", room=name)
        jon.ask("read", room=name)
        ivy.ask("mute", name="jon", room=name, minutes=1)
        ivy.ask("mute", name="jon", room=name, minutes=0)
        ivy.ask("role", name="jon", role="moderator", room=name)
        ivy.ask("topic", room=name, topic=f"topic {seq}")
        ivy.ask("set", room=name, speaking="moderators")
        jon.ask("leave", room=name)
        ivy.ask("invite", name="jon", room=name)
        jon.ask("join", room=name)
        ivy.ask("set", room=name, speaking="everyone")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Rooms of all phases; what was said in the doomed room is gone from the disk."""
    data = tmp_path_factory.mktemp("secret") / "data"
    with ExitStack() as stack:
        server = Target(data)
        scene = Scene(server, stack)
        server.stop()  # at its next start it clears up what nobody can read
        scene.server = Target(data)
        stack.callback(scene.server.stop)
        numbers = [room.gone for room in scene.rooms.values()]
        eventually(lambda: not on_disk(data, numbers))
        assert len(on_disk(data, [room.seq for room in scene.rooms.values()])) == len(PHASES)
        scene.enter()
        for each in (scene.ann, scene.bob):
            each.fence()
        yield scene


def on_disk(data: Path, numbers: list[int]) -> list[int]:
    with closing(sqlite3.connect(data / "chat.db")) as database:
        found = database.execute("SELECT seq FROM messages").fetchall()
    return [seq for (seq,) in found if seq in numbers]


# -- what can be asked --


def values(field: str, name: str, seq: int) -> tuple[Any, ...]:
    """Return what a field may be asked with. A new field of a command has to be here, too."""
    table: dict[str, tuple[Any, ...]] = {
        **dict.fromkeys(
            ("target", "reply_to", "around", "before", "after", "upto", "since"), (seq,)
        ),
        "room": (name, name.upper()),
        "name": ("bob", "jon", name),
        "to": (["bob"], [name]),
        "with": ("ivy", ["ivy", "jon"], name),
        "text": ("hello",),
        "topic": (name,),
        "role": ("moderator", "king"),
        "minutes": (5,),
        "reason": ("why",),
        "access": ("open", "closed"),
        "speaking": ("moderators",),
        "history": ("all",),
        "reaction": ("x",),
        "on": (False,),
        "limit": (1,),
        "query": (
            f"in:#{name}",
            f"in:{name.lower()} cargo",
            f"{name} cargo",
            "from:ivy cargo",
            "visible",
        ),
        "reply": (f"in {name}",),
        "command": (name,),
        "device": (1,),
        "active": (True,),
        "key": (),
        "id": (),
    }
    return table[field]


def questions(command: Command, name: str, seq: int) -> Iterator[dict[str, Any]]:
    """Yield everything that can be asked with a command, with and without each field."""
    fields = msgspec.structs.fields(command.arguments)
    choices = [
        [
            *([] if each.required else [{}]),
            *({each.encode_name: x} for x in values(each.encode_name, name, seq)),
        ]
        for each in fields
    ]
    for chosen in product(*choices):
        yield {"op": command.name} | {key: value for one in chosen for key, value in one.items()}


def lines(command: Command, name: str, seq: int) -> Iterator[str]:
    """Yield what can be typed with a command."""
    kinds: dict[str, tuple[str, ...]] = {
        "name": ("jon", name),
        "names": ("jon",),
        "number": ("", "5"),
        "word": ("", name, "moderator"),
        "words": (f"hello {name}", f"in:#{name} cargo"),
        "room": (f"#{name}", name.lower()),
        "place": (f"#{name}", name, "(ivy jon)"),
        "target": (f"^{seq}",),
        "settings": ("open",),
        "reaction": ("👍", "-👍"),
    }
    for chosen in product(*(kinds[each.kind] for each in command.help.parameters)):
        yield " ".join([command.name, *filter(None, chosen)])


def ask(client: JsonClient, question: dict[str, Any]) -> Event | None:
    number = client.send(**question)
    if question["op"] not in SILENT:
        return client.answer(number)
    client.ask("ping")
    found = [each for each in client.events if each.get("re") == number]
    return found[0] if found else None


def alike(room: Room, answer: object) -> str:
    """Return an answer without what differs anyway: the name, and numbers."""
    text = json.dumps(answer)
    for name in (room.name, room.free):
        text = re.sub(re.escape(name), "NAME", text, flags=re.IGNORECASE)
    return re.sub(r'"(seq|at|re|newest|read|upto)": ("[^"]*"|\d+)', "", text)


def typed(text: str, room: Room) -> str:
    return re.sub(r"\d+", "N", alike(room, text))


# -- answers --


@pytest.mark.parametrize("phase", PHASES)
def test_every_answer_is_that_of_a_free_name(scene: Scene, phase: str) -> None:
    room = scene.rooms[phase]
    known, free = room.sides
    for command in all_commands():
        if command.name in OTHERWISE:
            continue
        for about, other in zip(questions(command, *known), questions(command, *free), strict=True):
            for client in (scene.bob, scene.ann) if phase == "stranger" else (scene.bob,):
                there, not_there = ask(client, about), ask(client, other)
                assert alike(room, there) == alike(room, not_there), (client.name, about)
        scene.bob.ask("idle")


@pytest.mark.parametrize("phase", PHASES)
def test_in_text_too(scene: Scene, phase: str) -> None:
    room = scene.rooms[phase]
    known, free = room.sides
    with scene.server.text("bob") as person:
        person.fence()
        for command in all_commands():
            if command.name in OTHERWISE:
                continue
            for about, other in zip(lines(command, *known), lines(command, *free), strict=True):
                answers = []
                for each in (about, other):
                    person.send(each)
                    answers.append([typed(line, room) for line in person.fence()])
                assert answers[0] == answers[1], about
        person.ask("idle", "You are no longer busy")


def test_what_nobody_asks_for_tells_nothing_either(scene: Scene) -> None:
    for each in (scene.ann, scene.bob):
        each.fence()
    names = [room.name.lower() for room in scene.rooms.values()]
    for room in scene.rooms.values():
        scene.live(room)
    for each in (scene.ann, scene.bob):
        told = json.dumps([x for x in each.fence() if x["event"] != "presence"])
        lists = [each.ask(op) for op in ("rooms", "conversations", "unread", "who", "status")]
        with scene.server.guest() as guest:
            lists.append(guest.login(each.name, since=0))
            again = guest.fence()
        everything = (told + json.dumps(lists)).lower()
        assert not [name for name in (*names, "cargo") if name in everything]
        # The replay has what the two have said themselves, in other tests too.
        assert {x.get("room", "lobby") for x in again if "text" in x} == {"lobby"}
        assert [x["name"] for x in each.ask("rooms")["rooms"]] == ["lobby"]
    # Of the rooms that bob was in he is told that he is so no more, and of no other.
    ends = [(x["room"], x["change"]) for x in again if x["event"] == "room"]
    assert ends == [("Vault-R1", "removed"), ("Vault-L1", "left")]


def test_words_that_cannot_be_found_take_no_places_of_those_that_can(scene: Scene) -> None:
    room = scene.rooms["removed"].name
    for each in (scene.ann, scene.bob):
        each.say("zebra in the lobby")
    for _ in range(5):
        scene.ivy.ask("send", room=room, text="zebra for bob")
    for each in (scene.ann, scene.bob):
        found = each.ask("search", query="zebra", limit=2)
        assert ([x["text"] for x in found["messages"]], found["more"]) == (
            ["zebra in the lobby"] * 2,
            False,
        )


def test_only_making_a_room_tells_that_a_name_is_taken_and_not_often(scene: Scene) -> None:
    for each in (scene.ann, scene.bob):
        for _ in range(GUESSES):
            assert each.refused("create", room=scene.rooms["left"].name)["code"] == "room_exists"
        for name in (scene.rooms["left"].name, "Vault-X2"):
            refused = each.refused("create", room=name)
            assert refused["code"] == "rate_limited"
            assert 86_000 < refused["retry_after"] <= 86_401


# -- time --


@pytest.mark.usefixtures("_apart")
@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize("phase", ["stranger", "removed"])
def test_it_takes_as_long_as_for_a_free_name(
    scene: Scene, phase: str, timing: tuple[int, float]
) -> None:
    count, edge = timing
    count //= 2
    room, bob = scene.rooms[phase], scene.bob
    for _ in range(300):
        scene.ivy.ask("send", room=room.name, text="cargo " * 100)
    asked: dict[str, Callable[[str, int], object]] = {
        "join": lambda name, _: bob.refused("join", room=name),
        "members": lambda name, _: bob.refused("members", room=name),
        "history": lambda name, _: bob.refused("history", room=name),
        "send": lambda name, _: bob.refused("send", room=name, text="x"),
        "invite": lambda name, _: bob.refused("invite", name="ann", room=name),
        "read": lambda name, _: bob.refused("read", room=name),
        "search": lambda name, _: bob.refused("search", query=f"in:#{name} cargo"),
        "around": lambda _, seq: bob.refused("around", target=seq),
        "edit": lambda _, seq: bob.refused("edit", target=seq, text="x"),
        "react": lambda _, seq: bob.refused("react", target=seq, reaction="x"),
        "reply to": lambda _, seq: bob.refused("send", to=["ann"], text="x", reply_to=seq),
    }
    for what, question in asked.items():
        took: tuple[list[float], list[float]] = ([], [])
        for at in range(count):
            for which in (0, 1) if at % 2 else (1, 0):
                name, seq = room.sides[which]
                took[which].append(timed(lambda q=question, n=name, s=seq: q(n, s)))
        bob.events.clear()
        assert_alike(f"{phase}: {what}", *took, edge)
