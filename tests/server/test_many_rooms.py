"""Many rooms, and many people in one: nobody waits for a list, nothing is missing, and what was not
looked into is told."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from chatserver.order.items import Came, RoomMade
from chatserver.services import Services
from chatserver.sessions import directory, rooms

from .fakes import People, Server, index_all

MANY = 230
"""More rooms than are looked at in one go, and more than a stranger searches."""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """Give alice, who is in very many rooms with a word in each, and bob, who is in one."""
    with Server(tmp_path_factory.mktemp("many")) as server:
        server.add_accounts("alice", "bob")
        found = People(server, "alice", "bob")
        alice = found.clients["alice"].session
        acts: dict[str, int] = {"account": alice.account_id, "session": alice.id}
        for number in range(MANY):
            server.order.append(RoomMade(at=0, name=f"room{number}", **acts))
        server.settle()
        for number in range(MANY):
            found.do("alice", "send", room=f"room{number}", text=f"needle in {number}")
        found.do("bob", "join", room="room0")
        for number in range(MANY):  # who is here is no matter of connections
            account = server.account_id(f"somebody{number}")
            came = Came(at=0, account=account, session=10**6 + number, name=f"somebody{number}")
            server.order.append(came)
        server.settle()
        index_all(server.index)
        yield found


def found_by(people: People, name: str, query: str = "needle") -> tuple[set[int], bool]:
    """Return in which rooms something was found, and whether not all was looked into."""
    answer = people.do(name, "search", query=query, limit=500)
    assert not answer["more"]
    return {int(x["room"][4:]) for x in answer["messages"]}, answer.get("partial", False)


def test_whoever_is_in_very_many_rooms_finds_what_was_said_in_each(people: People) -> None:
    assert found_by(people, "alice") == (set(range(MANY)), False)


def test_whoever_is_in_few_is_told_that_not_all_others_were_looked_into(people: People) -> None:
    last = set(range(MANY - 200, MANY))
    assert found_by(people, "bob") == ({0} | last, True)
    assert found_by(people, "bob", "needle in:#room1") == ({1}, False)


class Turns:
    """A lock that notes what is looked at while it is held."""

    def __init__(self) -> None:
        self.now = 0
        self.each: list[int] = []

    def __enter__(self) -> None:
        self.now = 0

    def __exit__(self, *_: object) -> None:
        self.each.append(self.now)


@pytest.mark.parametrize(
    ("ask", "where", "look"),
    [
        (lambda server: server.rooms.rooms(1), rooms, "seen_by"),
        (lambda server: server.rooms.everything(1).places, rooms, "_readable"),
        (lambda server: server.rooms.talks(1), rooms, "_talk"),
        (lambda server: server.rooms.members(1, "lobby")[1], rooms, "_listed"),
        (lambda server: server.directory.here(0), directory.UserDirectory, "_idle"),
        (lambda server: server.directory.seen(9e9), directory, "_ago"),
    ],
    ids=["rooms", "search", "conversations", "members", "who", "last"],
)
def test_the_log_does_not_wait_until_a_long_list_is_made(
    people: People,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[Services], Sequence[object]],
    where: object,
    look: str,
) -> None:
    turns, found = Turns(), getattr(where, look)

    def looking(*arguments: object) -> object:
        turns.now += 1
        return found(*arguments)

    people.server.settle()
    monkeypatch.setattr(people.server.directory, "_lock", turns)
    monkeypatch.setattr(where, look, looking)
    listed = ask(people.server.services)
    assert len(listed) >= MANY
    assert sum(turns.each) == len(listed)
    assert max(turns.each) <= 100
