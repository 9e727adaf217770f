"""Ten accounts in five rooms do at random what can be done there, while clients and the server are
killed: everybody is shown exactly what the model says, once and in order."""

import json
import os
import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from faults.amounts import amounts

from .client import Client, Event, JsonClient, TextClient
from .conftest import StartServer
from .process import ServerProcess
from .rooms_model import LOBBY, SLACK, Happened, Model, Shown

AMOUNTS = amounts((1, 400), (40, 800), timeout=900)
"""Histories, and steps of each."""

SETTINGS = {"history_replay_limit": 0}

NAMES = tuple(
    f"{name}{number}" for number, name in enumerate(["ann", "bob", "eve", "ivo", "kim"] * 2)
)
TYPISTS = NAMES[8:]
"""These sometimes use the text dialect."""

ROOMS = {
    "hall": "open",
    "yard": "open",
    "den": "closed",
    "attic": "closed",
    "news": "open moderators",
}

KINDS = {
    "create": "made",
    "join": "joined",
    "leave": "left",
    "invite": "invited",
    "remove": "removed",
    "mute": "muted",
    "send": "said",
    "tell": "said",
    "broadcast": "said",
}
"""What has happened when a request was carried out, where it is not called the same."""

OPS = (
    *["send"] * 40,
    *["edit"] * 8,
    *["join"] * 9,
    *["leave", "invite", "remove", "tell", "delete", "broadcast"] * 5,
    *["react", "role", "mute", "topic", "set"] * 3,
)
SETUPS: tuple[dict[str, str], ...] = (
    {"access": "closed"},
    {"access": "closed", "history": "all"},
    {"access": "open"},
    {"history": "all"},
    {"history": "joined"},
    {"speaking": "moderators"},
    {"speaking": "everyone"},
    {"access": "open", "speaking": "everyone", "history": "all"},
)
TOKEN = re.compile(r"<\d+>")


@dataclass
class Act:
    """Something that somebody asks for, perhaps more than once, on these links."""

    name: str
    op: str
    fields: dict[str, Any]
    links: list[int] = field(default_factory=list)
    answer: Event | None = None
    after: int = 0
    """What had happened at least when it was asked for; `before`: and at most, when answered."""
    before: int = 0


@dataclass
class Device:
    """A program that remembers what it was shown."""

    name: str
    seen: int | None = None


@dataclass
class Link:
    """One session: where it began, and what it was shown."""

    number: int
    device: Device
    client: Client
    starts: range
    """After which message its replay can begin; `places`: and its place in the order."""
    places: range
    resumed: bool
    events: list[Event] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    asked: list[tuple[int, Act]] = field(default_factory=list)
    whole: int = 0
    """Up to which message all has come that was to."""

    @property
    def name(self) -> str:
        return self.device.name


class Play:
    """What happens, at random."""

    def __init__(self, server: ServerProcess, start: StartServer, seed: int) -> None:
        self.random = random.Random(seed)
        self.server = server
        self.start = start
        self.links: list[Link] = []
        self.past: list[Link] = []
        self.acts: list[Act] = []
        self.undone: dict[str, list[Act]] = {name: [] for name in NAMES}
        self.first: dict[str, int] = {}
        self.acked = dict.fromkeys(NAMES, 0)
        """How far the programs of each have been given everything, at most."""
        self.newest = 0
        self.messages: list[int] = []
        self.pasts: list[tuple[str, str, Event]] = []
        """What everybody could read of each room in the end, as it was answered."""
        self.devices = {name: (Device(name), Device(name)) for name in NAMES}
        for name in NAMES:
            server.add(name)
        for room, (name, setup) in zip(
            ROOMS, zip(NAMES[:5], ROOMS.values(), strict=True), strict=True
        ):
            access, _, speaking = setup.partition(" ")
            self.come(name)
            fields = {"room": room, "access": access} | ({"speaking": speaking} if speaking else {})
            self.ask(self.links[-1], Act(name, "create", fields))
            self.collect()

    def go_on(self, steps: int) -> None:
        """Have something happen in each step, and the server killed twice on the way."""
        for step in range(steps):
            chance = self.random.random()
            talking = [each for each in self.links if isinstance(each.client, JsonClient)]
            if step in (steps // 3, 2 * steps // 3):
                self.kill_server()
            elif chance < 0.08 or len(talking) < 3:
                self.come(self.random.choice(NAMES))
            elif chance < 0.12:
                self.kill_client(self.random.choice(self.links))
            elif chance < 0.30:
                self.collect()
            else:
                link = self.random.choice(self.links)
                self.type(link) if link not in talking else self.ask(link, self.act(link.name))
        self.end()

    # -- coming and going --

    def come(self, name: str, *, text: bool = True) -> None:
        """Log somebody in from a device that is not connected, if there is one."""
        used = [each.device for each in self.links]
        free = [each for each in self.devices[name] if all(each is not other for other in used)]
        if not free:
            return
        device = self.random.choice(free)
        text = text and name in TYPISTS and name in self.first and self.random.random() < 0.6
        since = None if text or self.random.random() < 0.3 else device.seen
        client = self.server.client("text" if text else "json", secure=self.random.random() < 0.2)
        number, starts = len(self.links) + len(self.past) + 1, range(self.acked[name] + 1)
        if any(each.name == name and isinstance(each.client, TextClient) for each in self.links):
            starts = range(self.newest + SLACK)  # what arrives there is acknowledged
        if isinstance(client, TextClient):
            client.login(name)
            places = range(self.newest, self.newest + SLACK)
            self.links.append(Link(number, device, client, starts, places, resumed=False))
            return
        place = client.login(name, **({} if since is None else {"since": since}))["seq"]
        client.expect(event="hello")
        if since is not None:
            starts = range(since, since + 1)
        self.first.setdefault(name, place)
        self.newest = max(self.newest, place)
        places = range(place, place + 1)
        link = Link(number, device, client, starts, places, resumed=since is not None)
        self.links.append(link)
        undone, self.undone[name] = self.undone[name], []
        for act in undone:
            self.ask(link, act)

    def kill_client(self, link: Link) -> None:
        """Hang up in the middle of everything, or having read it all."""
        if self.random.random() < 0.4:
            self.collect()
            self.fence(link)
        if self.random.random() < 0.5:
            link.client.close()
        else:
            link.client.reset()
        self.part(link)

    def part(self, link: Link) -> None:
        """Note that a session is over: what it has asked for is asked for again, elsewhere."""
        self.note_shown(link)
        link.client.close()
        self.links.remove(link)
        self.past.append(link)
        self.undone[link.name] += [act for _, act in link.asked]
        if isinstance(link.client, TextClient):
            self.acked[link.name] = self.newest + SLACK  # as far as its system has taken

    def kill_server(self) -> None:
        """Have the power fail and come back."""
        self.server.kill()
        for link in tuple(self.links):
            with suppress(OSError, AssertionError):
                link.events += link.client.to_end() if isinstance(link.client, JsonClient) else []
            self.part(link)
        self.server = self.start(data=self.server.data, **SETTINGS)
        for name in self.random.sample(NAMES, 8):
            self.come(name)

    def end(self) -> None:
        """Have everybody come, ask again for what was not answered, and see all there is."""
        self.collect()
        for link in [x for x in self.links if self.undone[x.name]]:
            self.fence(link)
            self.part(link)  # a device for what has to be asked again
        for name in NAMES:
            for _ in range(2):
                self.come(name, text=False)
        self.collect()
        for link in self.links:
            self.fence(link)
            for room in (LOBBY, *ROOMS) if isinstance(link.client, JsonClient) else ():
                answer = link.client.request("history", room=room, limit=500)
                self.pasts.append((link.name, room, answer))

    # -- asking and being told --

    def ask(self, link: Link, act: Act) -> None:
        """Ask for something; the answer is awaited later."""
        assert isinstance(link.client, JsonClient)
        if not act.links:
            self.acts.append(act)
            act.fields["key"] = f"k{len(self.acts)}"
            act.after = self.newest
        act.links.append(link.number)
        op = "send" if act.op == "tell" else act.op
        link.asked.append((link.client.send(op, **act.fields), act))

    def type(self, link: Link) -> None:
        """Have somebody say something in text; whether it was said shows later."""
        assert isinstance(link.client, TextClient)
        act = Act(link.name, "typed", {"text": f"<{len(self.acts)}>"}, [link.number])
        self.acts.append(act)
        place = self.random.choice([f"#{room}" for room in ROOMS] + [*NAMES[:3]])
        act.fields |= {"room": place[1:]} if place.startswith("#") else {"to": [place]}
        link.client.send(f"send {place} {act.fields['text']}")

    def collect(self) -> None:
        """Take all the answers that are open."""
        answered = []
        for link in self.links:
            for number, act in link.asked:
                assert isinstance(link.client, JsonClient)
                act.answer = link.client.answer(number)
                answered.append(act)
                self.note(act, act.answer)
            link.asked.clear()
        for act in answered:
            act.before = self.newest + SLACK

    def note(self, act: Act, answer: Event) -> None:
        if answer["event"] == "error":
            assert answer["code"] != "internal", answer
            return
        self.newest = max(self.newest, answer["seq"])
        if act.op in {"send", "tell", "broadcast"}:
            self.messages.append(answer["seq"])
        # Had it happened before, then on another link.
        act.links = act.links[:-1] if "duplicate" in answer else act.links[-1:]

    def fence(self, link: Link) -> None:
        """Have a session know all that has happened by now."""
        whole = self.newest
        if isinstance(link.client, TextClient):
            link.words += TOKEN.findall("\n".join(link.client.fence()))
        else:
            link.events += link.client.fence()
            self.note_shown(link)
            if link.events and self.random.random() < 0.5:
                link.client.send("ack", upto=link.device.seen)
                self.acked[link.name] = max(self.acked[link.name], link.device.seen or 0)
        link.whole = whole

    def note_shown(self, link: Link) -> None:
        if isinstance(link.client, JsonClient):
            link.events += link.client.events
            link.client.events = []
            kinds = {"message", "edited", "deleted", "reacted", "room"}
            link.events = [each for each in link.events if each["event"] in kinds]
            if link.events:
                link.device.seen = link.events[-1]["seq"]

    # -- what to ask for --

    def act(self, name: str) -> Act:
        """Return something that somebody may want, and may not be allowed."""
        choose = self.random.choice
        op, room, other = choose(OPS), choose([*ROOMS]), choose(NAMES)
        text = f"<{len(self.acts)}>"
        fields: dict[str, Any] = {"room": room}
        if op == "leave" and NAMES[:5][[*ROOMS].index(room)] == name:
            op = "send"  # who has made a room stays, or it would be another one
        if op == "remove" and NAMES[:5][[*ROOMS].index(room)] == other:
            op = "invite"
        if op in {"edit", "delete", "react"} and self.messages:
            fields = {"target": choose(self.messages[-40:])}
            fields |= {"edit": {"text": text}, "react": {"reaction": choose("abc")}}.get(op, {})
        elif op in {"broadcast", "edit", "delete", "react"}:
            op, fields = "broadcast", {"text": text}
        elif op == "tell":
            fields = {"to": self.random.sample(NAMES, choose((1, 1, 2))), "text": text}
        elif op == "send":
            fields["text"] = text
        elif op in {"invite", "remove", "role", "mute"}:
            fields["name"] = other
            if op == "role":
                fields["role"] = choose(("owner", "moderator", "moderator", "member"))
            elif op == "mute":
                fields["minutes"] = choose((0, 1000))
        elif op == "set":
            fields |= choose(SETUPS)
        elif op == "topic":
            fields["topic"] = f"about {len(self.acts)}"
        return Act(name, op, fields)


# -- what has happened, as it is on disk --


def happened(server: ServerProcess, acts: list[Act]) -> list[Happened]:
    """Return everything that is on disk, with what was asked for it."""
    by_key = {act.fields["key"]: act for act in acts if "key" in act.fields}
    typed = {act.fields["text"]: act for act in acts if act.op == "typed"}
    with closing(sqlite3.connect(server.data / "chat.db")) as database:
        names = dict(database.execute("SELECT id, name FROM accounts"))
        places = {
            number: (name, frozenset(names[each] for each in json.loads(people or "[]")))
            for number, name, people in database.execute(
                "SELECT id, name, people FROM conversations"
            )
        }
        rows = database.execute(
            """SELECT seq, conversation, sender, 'said', NULL, NULL, '', text, key FROM messages
            UNION ALL SELECT seq, conversation, by, kind, target, who, value, '', key FROM changes
            ORDER BY seq"""
        ).fetchall()
    found = []
    for seq, place, by, kind, target, who, detail, now, key in rows:
        if now.startswith("fence "):
            continue
        act = by_key.pop(key) if key else typed.get(now)
        text, value = now, detail
        room, people = places[place]
        if act is not None:
            assert kind in (KINDS.get(act.op, act.op), "withdrawn", "said"), (act, kind)
            assert (act.name, act.fields.get("room", room)) == (names[by], room), act
            assert act.answer is None or act.answer.get("seq", seq) == seq, act
            text = str(act.fields.get("text", ""))
            if kind == "made":
                value = f"{act.fields['access']} {act.fields.get('speaking', '')}".strip()
        found.append(
            Happened(
                seq,
                kind,
                names[by],
                room,
                people,
                target,
                names.get(who),
                value,
                text,
                () if act is None else tuple(act.links),
                to_self=act is not None and act.name in act.fields.get("to", ()),
            )
        )
    # What was acknowledged is there; what was refused is not, and what was so already need not be.
    for act in by_key.values():
        assert act.answer is not None
        unneeded = act.op in {"join", "invite", "role", "mute", "topic", "set", "react"}
        assert act.answer["event"] == "error" or unneeded, act
    return found


# -- the comparison --


def assert_shown(model: Model, link: Link) -> None:
    """Fail unless a session was shown what the model says, from one of the places it can have."""
    problems = set()
    for place in link.places:
        for start in reversed(link.starts):
            problem = misfit(model, link, min(start, place), place)
            if problem is None:
                return
            problems.add(problem)
    raise AssertionError(f"{link}: {problems}")


def assert_refused_with_reason(model: Model, act: Act) -> None:
    """Fail where the model would have had something happen at every moment it can have been."""
    kind = KINDS.get(act.op, act.op)
    assert act.answer is not None
    if act.answer["event"] != "error" or kind in {"edit", "delete", "react", "tell"}:
        return
    fields = {name: act.fields.get(name) for name in ("room", "name", "role")}
    room = str(fields["room"] or LOBBY)
    wanted = Happened(
        0, kind, act.name, room, who=fields["name"], value=str(fields["role"]), links=(1,)
    )
    moments = range(act.after, min(act.before, model.last) + 1)
    assert any(model.refusal(model.after[each], wanted) for each in moments), act


@pytest.mark.parametrize("amount", AMOUNTS)
def test_everybody_is_shown_what_the_model_says(
    start_server: StartServer, amount: tuple[int, int], tmp_path: Path
) -> None:
    histories, steps = amount
    for number in range(histories):
        seed = int(os.environ.get("CHAT_TEST_SEED", number))
        print(f"seed {seed}")  # CHAT_TEST_SEED={seed} has it again
        play = Play(start_server(data=tmp_path / f"data{number}", **SETTINGS), start_server, seed)
        play.go_on(steps)
        play.server.stop()
        for link in play.links:
            link.client.close()
        model = Model(happened(play.server, play.acts), play.first)
        for link in play.past + play.links:
            assert_shown(model, link)
        for name, room, answer in play.pasts:
            said = [(each["seq"], each["text"]) for each in answer.get("messages", ())]
            readable = model.readable(name, room)
            assert (said if "messages" in answer else None) == readable, (name, room)
        for act in play.acts:
            if act.op != "typed":
                assert_refused_with_reason(model, act)


def misfit(model: Model, link: Link, start: int, place: int) -> str | None:
    """Return where a session was shown something else than the model says, if anywhere."""
    shown = model.shown(link.number, link.name, start, place, resumed=link.resumed)
    if isinstance(link.client, TextClient):
        return misfit_in_text(shown, link)
    got = iter(link.events)
    event = next(got, None)
    for each in shown:
        if event is not None and each.is_it(event):
            event = next(got, None)
        elif event is None and each.seq > link.whole:
            return None
        elif not each.perhaps:
            return f"{each} was to come, and not {event}"
    return None if event is None else f"{event} was not to come"


def misfit_in_text(shown: Iterator[Shown], link: Link) -> str | None:
    got = iter(link.words)
    word = next(got, None)
    for each in shown:
        if each.texts is None:
            continue
        if word in each.texts:
            word = next(got, None)
        elif word is None and each.seq > link.whole:
            return None
        elif not (each.perhaps or "" in each.texts):
            return f"{each} was to come, and not {word}"
    return None if word is None else f"{word} was not to come"
