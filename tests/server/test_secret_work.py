"""For whoever is not in it a closed room takes the same work as a free name: as many calls and
look-ups, in his own thread and in the log's, and as much of SQLite, step by step.

How long it takes is measured in faults/test_secret_rooms; this tells the same on a busy machine.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import pytest

from chatserver.commands.dispatcher import dispatch
from chatserver.order.items import Act, Came, Invited, Joined, Trimmed
from chatserver.order.pending import Entry

from .fakes import DEADLINE, People, Server, request

FEW = 4
"""So many calls, or steps of SQLite, more or less are tenths of a microsecond: where a row is found
that tells nothing, and looked at once."""


class Work:
    """What a request has taken: calls of Python in both threads, statements and steps of SQLite."""

    def __init__(self) -> None:
        self.calls = self.statements = self.steps = 0
        self.done = threading.Event()

    def _call(self, frame: FrameType, event: str, _: object) -> None:
        if event in ("call", "c_call") and frame.f_code.co_filename != __file__:
            self.calls += 1

    def state(self) -> None:
        self.statements += 1

    def step(self) -> int:
        self.steps += 1
        return 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the calls of this thread."""
        sys.setprofile(self._call)
        try:
            yield
        finally:
            sys.setprofile(None)


class Scene:
    """Alice and bob's closed room, from which bob was removed; Carol has never been in it."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.people = people = People(server, "alice", "bob", "Carol")
        self.work = Work()
        people.do("alice", "create", room="den", access="closed")
        people.do("alice", "invite", room="den", name="bob")
        people.do("bob", "join", room="den")
        self.fill(server, 10)
        for _ in range(40):
            people.do("alice", "send", room="den", text="bob: cargo " * 20)
        self.there = people.do("bob", "send", room="den", text="Carol: mine")["seq"]
        people.do("alice", "react", target=self.there, reaction="+1")
        people.do("alice", "remove", room="den", name="bob")
        self.gone = people.do("alice", "send", room="lobby", text="gone")["seq"]
        people.do("alice", "broadcast", text="the newest is never deleted")
        server.order.run(Trimmed(at=0, seqs=(self.gone,)))
        server.settle()
        for connection in (server.store._writer, *server.store._readers.queue):
            connection.set_trace_callback(lambda _: self.work.state())
            connection.set_progress_handler(lambda: self.work.step(), 1)  # noqa: PLW0108 - of now
        follow = server.log.follow

        def follow_counted(batch: Sequence[Entry]) -> None:
            with self.work.counted():
                follow(batch)
            if any(isinstance(each.item, Act) for each in batch):
                self.work.done.set()

        monkeypatch.setattr(server.log, "follow", follow_counted)

    def fill(self, server: Server, people: int) -> None:
        """Have more people in the room."""
        alice, room = self.people.clients["alice"].session, server.directory.state.room("den")
        assert room is not None
        for number in range(people):
            who, session = server.account_id(f"member{number}"), 10**6 + number
            for item in (
                Came(at=0, account=who, session=session, name=f"member{number}"),
                Invited(at=0, account=alice.account_id, session=alice.id, room=room.id, who=who),
                Joined(at=0, account=who, session=session, room=room.id),
            ):
                server.order.run(item)

    def ask(self, name: str, op: str, /, **fields: object) -> Work:
        """Ask for something that is refused; return what that took."""
        server, client = self.people.server, self.people.clients[name]
        server.settle()
        context, asked = server.context(client), request(op, **fields)
        self.work = work = Work()
        with work.counted():
            answer = dispatch(context, asked)
        if answer is None:
            assert work.done.wait(DEADLINE)
        self.work = Work()
        server.settle()
        told = client.named("error")
        assert answer is not None or len(told) == 1, (op, fields)
        return work


ASKED: tuple[tuple[str, dict[str, object]], ...] = (
    *((op, {"room": "ROOM"}) for op in ("join", "leave", "members", "history", "read")),
    ("join", {"room": "ROOM", "key": "k"}),
    ("send", {"room": "ROOM", "text": "x"}),
    ("send", {"room": "ROOM", "text": "x", "key": "k"}),
    ("invite", {"room": "ROOM", "name": "alice"}),
    ("remove", {"room": "ROOM", "name": "alice"}),
    ("topic", {"room": "ROOM", "topic": "x"}),
    ("set", {"room": "ROOM", "access": "open"}),
    ("search", {"query": "in:#ROOM cargo"}),
    ("around", {"target": "SEQ"}),
    ("reply", {"target": "SEQ", "text": "x"}),
    ("edit", {"target": "SEQ", "text": "x"}),
    ("delete", {"target": "SEQ"}),
    ("react", {"target": "SEQ", "reaction": "x"}),
    ("send", {"to": ["alice"], "text": "x", "reply_to": "SEQ"}),
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with pytest.MonkeyPatch.context() as patch, Server(tmp_path_factory.mktemp("work")) as server:
        server.add_accounts("alice", "bob", "Carol")
        yield Scene(server, patch)


def filled(fields: dict[str, object], room: str, seq: int) -> dict[str, object]:
    values: dict[object, object] = {"ROOM": room, "SEQ": seq, "in:#ROOM cargo": f"in:#{room} cargo"}
    return {
        name: values.get(value, value) if isinstance(value, str) else value
        for name, value in fields.items()
    }


@pytest.mark.parametrize(("op", "fields"), ASKED)
@pytest.mark.parametrize("name", ["bob", "Carol"])
def test_a_secret_takes_the_work_of_a_free_name(
    scene: Scene, name: str, op: str, fields: dict[str, object]
) -> None:
    known, free = filled(fields, "den", scene.there), filled(fields, "d3n", scene.gone)
    for each in (known, free):
        scene.ask(name, op, **each)  # whatever is found out once
    there, not_there = scene.ask(name, op, **known), scene.ask(name, op, **free)
    assert there.statements == not_there.statements
    assert there.calls > 0
    assert abs(there.calls - not_there.calls) <= FEW
    assert abs(there.steps - not_there.steps) <= FEW
