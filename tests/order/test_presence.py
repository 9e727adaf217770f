"""Presence: who is told what when somebody comes, goes, hides or is busy."""

from pathlib import Path

import pytest
from server.fakes import Client, Event, Server

from chatserver.dialects.json import JsonRenderer
from chatserver.errors import CommandError
from chatserver.order.items import Busy, Ended, Hidden, Idle, Item, Reason, Shown
from chatserver.order.outcome import Outcome
from chatserver.settings import SessionSettings


def notice(name: str, state: str) -> Event:
    return {"event": "presence", "name": name, "state": state}


def happen(server: Server, kind: type[Item], client: Client, **fields: object) -> None:
    """Have something happen to a client's account, and everybody told."""
    server.order.run(kind(at=0, account=client.session.account_id, **fields))
    server.settle()


def idle(server: Server, client: Client) -> None:
    """Have somebody idle who asks for it in a session of his own."""
    happen(server, Idle, client, session=client.session.id)


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


def test_of_the_hidden_there_is_never_any_news(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    happen(server, Hidden, bob)
    alice.events()
    happen(server, Busy, bob, reply="no")
    idle(server, bob)
    server.leave(bob)
    server.join(bob)
    assert alice.events() == []


def test_hiding_is_going_and_appearing_is_coming_busy_or_not(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    for standing in ([], [notice("bob", "busy")]):
        happen(server, Hidden, bob)
        assert alice.events() == [notice("bob", "offline")]
        happen(server, Hidden, bob)
        assert alice.events() == []
        if standing:
            happen(server, Busy, bob, reply="no")
        happen(server, Shown, bob)
        assert alice.events() == [notice("bob", "online"), *standing]
    assert bob.events() == []


def test_busy_and_idle_are_told_once(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    happen(server, Busy, bob, reply="no")
    happen(server, Busy, bob, reply="not now")
    assert alice.events() == [notice("bob", "busy")]
    server.leave(server.join(Client("carol")))
    assert [each["name"] for each in bob.events()] == ["carol"] * 2  # the busy are told too
    alice.events()
    assert dict(server.directory.state.busy_replies()) == {"bob": "not now"}
    idle(server, bob)
    bob.connection.outbox.release()
    idle(server, bob)
    assert alice.events() == [notice("bob", "idle")]


@pytest.mark.parametrize(("most", "told"), [(2, False), (3, True), (0, True)])
def test_in_a_crowd_nobody_is_told_and_the_hidden_do_not_make_one(
    tmp_path: Path, most: int, told: bool
) -> None:
    session = SessionSettings(presence_notices_up_to=most)
    with Server(tmp_path, session=session) as server:
        alice, bob = server.joined("alice", "bob")
        carol = server.join(Client("carol"))
        assert alice.events() == ([notice("carol", "online")] if told else [])
        server.leave(carol)
        assert alice.events() == [notice("carol", "offline")]
        happen(server, Hidden, bob)
        alice.events()
        server.join(Client("carol"))
        assert alice.events() == [notice("carol", "online")]


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
    assert joined.since == 1
    assert bob.events() == []
    bob.connection.outbox.release()
    bob.connection.drain()
    assert bob.said() == ["after"]


@pytest.mark.parametrize(("since", "cursor"), [(None, 3), (0, 0), (5, 5), (999, 10)])
def test_a_cursor_is_never_ahead_of_the_log(server: Server, since: int | None, cursor: int) -> None:
    alice, bob = server.joined("alice", "bob")
    for number in range(10):
        server.say(alice, str(number))
    server.settle()
    bob.session.acknowledged = 3
    server.leave(bob)
    again = Client("bob", since=since)
    server.admit(again)
    assert again.session.cursor == cursor


def test_idle_owes_every_session_of_the_account_what_was_held(server: Server) -> None:
    alice, desk, laptop = server.joined("alice", "bob", "bob")
    server.say(alice, "before")
    server.settle()
    happen(server, Busy, desk, reply="")
    server.say(alice, "meanwhile")
    server.settle()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(server.presence, "_show", lambda _: None)  # whom another asked for
        idle(server, laptop)
    for each in (desk.session, laptop.session):
        (window,) = each.owed
        assert (window.after, window.own_after, window.upto) == (1, 1, 2)
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
        assert [each.name for each in server.directory.here(but=alice.session.account_id)] == [
            "bob"
        ]
        server.leave(bob)
    assert server.directory.here(but=alice.session.account_id) == ()


def test_leaving_without_having_come_is_no_error(server: Server) -> None:
    (here,) = server.joined("bob")
    never = Client("bob")
    never.session.account_id = here.session.account_id
    server.leave(never)
    assert [each.name for each in server.directory.here(but=0)] == ["bob"]


def test_busy_again_does_not_lose_what_was_held(server: Server) -> None:
    (bob,) = server.joined("bob")
    server.say(bob, "one")
    server.settle()
    happen(server, Busy, bob, reply="")
    server.say(bob, "two")
    server.settle()
    happen(server, Busy, bob, reply="again")
    assert bob.session.cursor == 1


@pytest.mark.parametrize(
    ("reason", "code"),
    [("removed", "kicked"), ("disabled", "disabled"), ("password", "password_changed")],
)
def test_a_session_that_is_its_accounts_no_more_is_told_why(
    server: Server, reason: Reason, code: str
) -> None:
    alice, desk, laptop = server.joined("alice", "bob", "bob")
    for client, told in ((desk, []), (laptop, [notice("bob", "offline")])):
        session = client.session
        server.order.run(
            Ended(at=5, account=session.account_id, sessions=(session.id,), reason=reason)
        )
        server.settle()
        assert client.connection.ending is not None
        assert client.connection.ending.code == code
        with pytest.raises(CommandError):
            session.check()
        assert alice.events() == told
    assert [each.name for each in server.directory.here(but=0)] == ["alice"]


def test_a_session_that_cannot_follow_is_cut_and_keeps_nobody_else_from_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, laptop = server.joined("bob", "bob")

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(desk.session, "keep_back", broken)
    outcome = server.order.run(Busy(at=5, account=desk.session.account_id, reply=""))
    assert isinstance(outcome, Outcome)
    assert desk.connection.ended
    assert not laptop.connection.ended
    assert laptop.session.held
