"""The directory: who is here, who can see that, and which conversations are whose."""

import time
from collections.abc import Sequence

import pytest

from chatserver.order.clock import Clock
from chatserver.order.items import AccountDeleted, Acked, Busy, Hidden, Idle, Shown
from chatserver.order.records import LOBBY_ID
from chatserver.sessions.directory import Standing
from chatserver.sessions.rooms import Rooms
from chatserver.sessions.session import Session
from chatserver.storage.past import Stretch
from chatwire.replies import Here, Seen

from .fakes import Client, Server

NOW = 1_795_361_042
"""What the clock says (s) while a test does not move it."""


class House:
    """A server's directory, at `now`."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.directory = server.directory
        self.now = float(NOW)
        server.time = Clock(lambda: self.now, lambda: self.now)

    @property
    def at(self) -> int:
        return int(self.now * 1000)

    def id(self, name: str) -> int:
        return self.server.account_id(name)

    def join(self, *names: str) -> list[Client]:
        return self.server.joined(*names)

    def leave(self, client: Client) -> None:
        self.server.leave(client)

    def delete(self, client: Client) -> None:
        self.server.order.run(AccountDeleted(at=self.at, account=account(client)))

    def busy(self, name: str, reply: str = "") -> None:
        self.server.order.run(Busy(at=self.at, account=self.id(name), reply=reply))

    def hide(self, name: str) -> None:
        self.server.order.run(Hidden(at=self.at, account=self.id(name)))

    def show(self, name: str) -> None:
        self.server.order.run(Shown(at=self.at, account=self.id(name)))

    def say(self, sender: Client, *to: str) -> None:
        self.server.say(sender, "hi", *to)

    def names(self, but: str = "nobody") -> list[str]:
        return [each.name for each in self.directory.here(self.id(but))]

    def seen(self, within: float) -> list[tuple[str, bool, int]]:
        found = self.directory.seen(within)
        return [(each.name, each.online, each.seconds_ago) for each in found]

    def sessions_of(self, name: str) -> Sequence[Session]:
        return self.directory.sessions_of(self.id(name))


def account(client: Client) -> int:
    return client.session.account_id


@pytest.fixture
def house(server: Server, monkeypatch: pytest.MonkeyPatch) -> House:
    made = House(server)
    monkeypatch.setattr(time, "time", lambda: made.now)
    return made


def test_nobody_is_here_at_first(house: House) -> None:
    directory = house.directory
    assert directory.sessions() == directory.here(1) == directory.seen(9999) == ()
    assert directory.sessions_of(1) == directory.numbered((1, 2)) == ()
    assert (directory.visible_count(), directory.account_id("alice")) == (0, None)
    with pytest.raises(KeyError):
        directory.standing(1)


def test_who_has_entered_is_here_once_it_has_come(house: House) -> None:
    session = Client("bob").session
    house.directory.enter(session)
    assert house.directory.numbered((session.id,)) == (session,)
    assert house.directory.sessions() == ()
    house.directory.remove(session)
    house.directory.remove(session)
    assert house.directory.numbered((session.id,)) == ()


def test_others_are_named_in_order_and_not_oneself(house: House) -> None:
    house.join("Carol", "bob", "alice")
    assert house.names(but="bob") == ["alice", "Carol"]
    assert house.directory.account_id("CAROL") == house.id("Carol")


def test_an_account_with_two_sessions_is_one(house: House) -> None:
    desk, laptop = house.join("bob", "Bob")
    assert house.names() == ["Bob"]  # as its owner spelled it last
    assert house.directory.visible_count() == 1
    assert house.sessions_of("bob") == (desk.session, laptop.session)
    house.leave(desk)
    house.leave(desk)  # a dying connection, once more
    assert house.sessions_of("bob") == (laptop.session,)
    assert house.directory.visible_count() == 1
    house.leave(laptop)
    assert (house.directory.visible_count(), house.names()) == (0, [])


def test_the_lobby_begins_when_an_account_comes_first(house: House) -> None:
    (alice,) = house.join("alice")
    house.say(alice)
    for _ in range(2):
        (bob,) = house.join("bob")
        assert Rooms(house.directory).stretches(account(bob)) == (Stretch(LOBBY_ID, 1),)
        house.say(bob)
        house.leave(bob)


def test_how_an_account_stands(house: House) -> None:
    (bob,) = house.join("bob")
    assert house.directory.standing(account(bob)) == Standing(False, "", False, "member")
    house.busy("bob", "at lunch")
    house.hide("bob")
    assert house.directory.standing(account(bob)) == Standing(True, "at lunch", True, "member")
    house.server.order.run(Idle(at=0, account=account(bob), session=bob.session.id))
    assert house.directory.standing(account(bob)) == Standing(False, "", True, "member")


def test_the_hidden_are_nowhere_and_come_back(house: House) -> None:
    _, bob = house.join("alice", "bob")
    house.hide("bob")
    assert (house.names(), house.directory.visible_count()) == (["alice"], 1)
    assert bob.session in house.directory.sessions()
    house.leave(bob)
    house.join("bob")  # who logs in hidden does not appear
    assert house.names() == ["alice"]
    house.show("bob")
    assert house.names() == ["alice", "bob"]


def test_hiding_looks_exactly_like_logging_out(house: House) -> None:
    _, carol = house.join("bob", "carol")
    house.hide("bob")
    house.leave(carol)
    for later in (0, 30, 90):
        house.now = NOW + later
        assert house.seen(1000) == [("bob", False, later), ("carol", False, later)]
    assert house.seen(89) == []


def test_coming_and_going_while_hidden_does_not_move_the_time(house: House) -> None:
    (bob,) = house.join("bob")
    house.hide("bob")
    house.now += 60
    house.leave(bob)
    house.join("bob")
    assert house.directory.seen(1000) == (Seen(name="bob", online=False, seconds_ago=60),)


def test_last_names_the_latest_first_and_nobody_who_never_came(house: House) -> None:
    old, gone = house.join("old", "gone")
    house.leave(old)
    house.delete(gone)
    house.now += 480
    (new,) = house.join("new")
    house.leave(new)
    house.now += 20
    house.join("here")
    house.id("never")
    here, late, early = ("here", True, 0), ("new", False, 20), ("old", False, 500)
    assert house.seen(1000) == [here, late, early]
    assert house.seen(60) == [here, late]
    assert house.seen(0) == [here]


def test_a_clock_that_was_set_back_makes_nobody_come_from_the_future(house: House) -> None:
    (bob,) = house.join("bob")
    house.leave(bob)
    house.now -= 3600
    assert house.seen(60) == [("bob", False, 0)]


def test_idle_time_is_that_of_the_liveliest_session(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, laptop = house.join("bob", "bob")
    house.busy("bob")
    desk.connection.last_command, laptop.connection.last_command = 100.0, 150.0
    monkeypatch.setattr(time, "monotonic", lambda: 162.5)
    assert house.directory.here(0) == (Here(name="bob", busy=True, idle_seconds=12),)


def test_a_new_account_of_an_old_name_starts_afresh(house: House) -> None:
    old, alice = house.join("bob", "alice")
    house.busy("bob", "no")
    house.say(alice, "bob")
    house.server.order.run(Acked(at=0, account=account(old), upto=1))
    house.delete(old)
    (new,) = house.join("bob")
    assert account(new) != account(old)
    assert house.directory.standing(account(new)) == Standing(False, "", False, "member")
    assert house.directory.talks(account(new), [account(alice)]) == ()
    assert house.sessions_of("bob") == (new.session,)


def test_talks_are_those_with_one_or_exactly_those_of_several(house: House) -> None:
    alice, bob, carol = house.join("alice", "bob", "carol")
    for to in ((bob,), (bob, carol), (carol,), (alice,)):
        house.say(alice, *(each.session.account for each in to))
    directory, first = house.directory, LOBBY_ID + 1

    def talks(*others: Client) -> set[int]:
        found = directory.talks(account(alice), list(map(account, others)))
        return {each.conversation - first for each in found}

    assert talks(bob) == {0, 1}
    assert talks(carol) == {1, 2}
    assert talks(bob, carol) == talks(carol, bob) == talks(alice, bob, carol) == {1}
    assert talks(alice, bob) == {0}
    assert talks(alice) == {3}
    assert directory.talks(account(bob), [account(bob)]) == ()


def test_a_window_has_the_conversations_with_something_new(house: House) -> None:
    alice, bob = house.join("alice", "bob")
    house.say(alice)
    house.say(alice, "bob")
    bob.session.keep_back(1, 1)
    window = house.directory.window(bob.session, 5)
    assert (window.stretches, window.after, window.own_after, window.upto) == (
        (Stretch(LOBBY_ID + 1, 0),),
        1,
        1,
        5,
    )
