"""Presence: who is told what when somebody comes, goes, hides or is busy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chatserver.dialects.json import JsonRenderer
from chatserver.order.presence import Presence
from chatserver.sessions.directory import UserDirectory
from chatserver.settings import SessionSettings, Settings
from chatserver.storage.store import Standing

from .fakes import CHEAP, Client, Event, Server


def notice(name: str, state: str) -> Event:
    return {"event": "presence", "name": name, "state": state}


def change(server: Server, action: Callable[[], object]) -> None:
    server.log.run(lambda _: action())
    server.settle()


def test_the_others_are_told_who_comes_and_goes(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    carol = server.join(Client("Carol"))
    assert alice.events() == bob.events() == [notice("Carol", "online")]
    assert carol.events() == []
    server.leave(carol)
    assert alice.events() == bob.events() == [notice("Carol", "offline")]
    assert carol.events() == []


def test_a_second_session_is_no_news(server: Server) -> None:
    alice, desk = server.joined("alice", "bob")
    laptop = server.join(Client("bob"))
    server.leave(laptop)
    assert alice.events() == []
    assert desk.events() == []
    server.leave(desk)
    assert alice.events() == [notice("bob", "offline")]


def test_hiding_is_going_and_appearing_is_coming(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    change(server, lambda: server.presence.hide(bob.session, hidden=True))
    assert alice.events() == [notice("bob", "offline")]
    change(server, lambda: server.presence.hide(bob.session, hidden=True))
    assert alice.events() == []
    change(server, lambda: server.presence.hide(bob.session, hidden=False))
    assert alice.events() == [notice("bob", "online")]
    assert bob.events() == []


def test_of_the_hidden_there_is_never_any_news(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    change(server, lambda: server.presence.hide(bob.session, hidden=True))
    alice.events()
    change(server, lambda: server.presence.busy(bob.session, "no", 0))
    change(server, lambda: server.presence.idle(bob.session, 0))
    server.leave(bob)
    server.join(bob)
    assert alice.events() == []


def test_appearing_while_busy_is_both(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    change(server, lambda: server.presence.hide(bob.session, hidden=True))
    change(server, lambda: server.presence.busy(bob.session, "no", 0))
    alice.events()
    change(server, lambda: server.presence.hide(bob.session, hidden=False))
    assert alice.events() == [notice("bob", "online"), notice("bob", "busy")]


def test_busy_and_idle_are_told_once(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    change(server, lambda: server.presence.busy(bob.session, "no", 0))
    change(server, lambda: server.presence.busy(bob.session, "not now", 0))
    assert alice.events() == [notice("bob", "busy")]
    assert dict(server.directory.busy_replies()) == {"bob": "not now"}
    change(server, lambda: server.presence.idle(bob.session, 0))
    bob.connection.outbox.release()
    change(server, lambda: server.presence.idle(bob.session, 0))
    assert alice.events() == [notice("bob", "idle")]


def test_the_busy_are_told_too(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    change(server, lambda: server.presence.busy(bob.session, "no", 0))
    server.leave(alice)
    assert bob.events() == [notice("alice", "offline")]


def test_in_a_crowd_nobody_is_told(tmp_path: Path) -> None:
    settings = Settings(passwords=CHEAP, session=SessionSettings(presence_notices_up_to=2))
    with Server(tmp_path, settings) as server:
        alice, _ = server.joined("alice", "bob")
        carol = server.join(Client("carol"))
        assert alice.events() == []  # three are here
        server.leave(carol)
        assert alice.events() == [notice("carol", "offline")]


def test_the_hidden_do_not_make_a_crowd(tmp_path: Path) -> None:
    settings = Settings(passwords=CHEAP, session=SessionSettings(presence_notices_up_to=2))
    with Server(tmp_path, settings) as server:
        alice, bob = server.joined("alice", "bob")
        change(server, lambda: server.presence.hide(bob.session, hidden=True))
        alice.events()
        server.join(Client("carol"))
        assert alice.events() == [notice("carol", "online")]


def test_a_limit_of_zero_is_none(tmp_path: Path) -> None:
    settings = Settings(passwords=CHEAP, session=SessionSettings(presence_notices_up_to=0))
    with Server(tmp_path, settings) as server:
        alice, *_ = server.joined("alice", "bob", "carol")
        server.join(Client("dave"))
        assert alice.events() == [notice("dave", "online")]


def test_when_the_server_stops_nobody_is_told_that_everybody_goes(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    server.presence.silent = True
    server.leave(bob)
    assert alice.events() == []


# -- the place of a login in the order --


def test_a_login_has_its_place_and_holds_what_comes_after(server: Server) -> None:
    (alice,) = server.joined("alice")
    server.say(alice, "before")
    bob = Client("bob")
    joined = server.admit(bob)
    server.say(alice, "after")
    server.settle()
    assert joined.seq == 1
    assert joined.online == ("alice",)
    assert joined.standing.since == 1
    assert bob.events() == []
    bob.connection.outbox.release()
    bob.connection.drain()
    assert bob.said() == ["after"]


def test_a_cursor_is_never_ahead_of_the_log() -> None:
    directory = UserDirectory([Standing("bob", read=3)])
    presence = Presence(directory, 0)
    for since, cursor in ((None, 3), (0, 0), (5, 5), (999, 10)):
        client = Client("bob", since=since)
        presence.join(client.session, 10, known=True)
        assert client.session.cursor == cursor


def test_how_far_somebody_has_read_outlives_the_session(server: Server) -> None:
    (bob,) = server.joined("bob")
    bob.session.acknowledged = 5
    server.leave(bob)
    standing = server.directory.standing("bob")
    assert standing is not None
    assert standing.read == 5


def test_idle_owes_every_session_of_the_account_what_was_held(server: Server) -> None:
    desk, laptop = server.joined("bob", "bob")
    change(server, lambda: server.presence.busy(desk.session, "", 3))
    sessions = server.log.run(lambda _: server.presence.idle(laptop.session, 8))
    assert sessions == (desk.session, laptop.session)
    for each in sessions:
        (window,) = each.owed
        assert (window.after, window.own_after, window.upto) == (3, 3, 8)
        assert each.connection.outbox.holding


@pytest.mark.parametrize("step", ["event", "push_bytes", "drain"])
def test_a_notice_that_fails_keeps_nobody_from_coming_or_going(
    server: Server, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    (alice,) = server.joined("alice")
    target = JsonRenderer if step == "event" else type(alice.connection)
    bob = Client("bob")
    with monkeypatch.context() as patched:
        patched.setattr(target, step, broken)
        server.admit(bob)
        assert [each.name for each in server.directory.here(but="alice")] == ["bob"]
        server.log.run(lambda _: server.presence.leave(bob.session))
    assert server.directory.here(but="alice") == ()


def test_leaving_without_having_come_is_no_error(server: Server) -> None:
    bob = Client("bob")
    server.leave(bob)
    server.join(Client("bob"))
    server.leave(bob)
    assert [each.name for each in server.directory.here(but="")] == ["bob"]


def test_busy_again_does_not_lose_what_was_held(server: Server) -> None:
    (bob,) = server.joined("bob")
    change(server, lambda: server.presence.busy(bob.session, "", 3))
    change(server, lambda: server.presence.busy(bob.session, "", 8))
    assert bob.session.cursor == 3
