"""The directory: who is here, who can see that, and where messages go."""

import time

import pytest

from chatserver.sessions.directory import UserDirectory
from chatserver.storage.store import Standing
from chatwire.protocol import Here, Seen

from .fakes import Client


@pytest.fixture
def directory() -> UserDirectory:
    return UserDirectory([])


def join(directory: UserDirectory, *names: str) -> list[Client]:
    clients = [Client(name) for name in names]
    for each in clients:
        directory.join(each.session, 7, known=True)
    return clients


def names_here(directory: UserDirectory, but: str = "") -> list[str]:
    return [each.name for each in directory.here(but)]


def names_seen(directory: UserDirectory, within: float) -> list[tuple[str, bool]]:
    return [(each.name, each.online) for each in directory.seen(within)]


def test_nobody_is_here_at_first(directory: UserDirectory) -> None:
    assert directory.lobby() == directory.sessions() == directory.here("") == ()
    assert directory.seen(9999) == ()
    assert directory.visible_count() == 0
    assert directory.standing("alice") is None
    assert not directory.recipient("alice").sessions


def test_others_are_named_in_order_and_not_oneself(directory: UserDirectory) -> None:
    join(directory, "Carol", "bob", "alice")
    assert names_here(directory, but="bob") == ["alice", "Carol"]
    assert directory.online(but="bob") == ("alice", "Carol")


def test_an_account_with_two_sessions_is_one(directory: UserDirectory) -> None:
    desk, laptop = Client("bob"), Client("Bob")
    assert directory.join(desk.session, 0, known=True)
    assert not directory.join(laptop.session, 0, known=True)
    assert directory.online(but="") == ("Bob",)  # as its owner spelled it last
    assert directory.visible_count() == 1
    assert directory.recipient("bob").sessions == (desk.session, laptop.session)
    assert not directory.leave(desk.session)
    assert directory.visible_count() == 1
    assert directory.leave(laptop.session)
    assert directory.visible_count() == 0
    assert names_here(directory) == []


def test_only_the_session_that_leaves_is_removed(directory: UserDirectory) -> None:
    (old,) = join(directory, "bob")
    directory.leave(old.session)
    (new,) = join(directory, "bob")
    assert not directory.leave(old.session)  # a dying connection, once more
    assert directory.recipient("bob").sessions == (new.session,)


def test_the_room_begins_when_an_account_comes_first(directory: UserDirectory) -> None:
    bob = Client("bob")
    directory.join(bob.session, 7, known=True)
    directory.leave(bob.session)
    directory.join(bob.session, 9, known=True)
    assert directory.since("bob") == 7
    assert directory.since("nobody") == 0


def test_snapshots_do_not_change(directory: UserDirectory) -> None:
    (bob,) = join(directory, "bob")
    lobby, busy = directory.lobby(), directory.busy_replies()
    join(directory, "alice")
    directory.set_busy("bob", "no")
    assert lobby == (bob.session,)
    assert dict(busy) == {}
    assert directory.lobby() is directory.lobby()  # made once


def test_the_busy_are_not_in_the_lobby(directory: UserDirectory) -> None:
    alice, bob = join(directory, "alice", "bob")
    directory.set_busy("bob", "at lunch")
    assert directory.lobby() == (alice.session,)
    assert directory.sessions() == (alice.session, bob.session)
    assert dict(directory.busy_replies()) == {"bob": "at lunch"}
    recipient = directory.recipient("bob")
    assert (recipient.busy, recipient.reply, recipient.visible) == (True, "at lunch", True)
    directory.set_busy("bob", None)
    assert set(directory.lobby()) == {alice.session, bob.session}
    assert dict(directory.busy_replies()) == {}
    assert directory.recipient("bob").reply == ""


def test_a_busy_reply_may_be_empty(directory: UserDirectory) -> None:
    join(directory, "bob")
    directory.set_busy("bob", "")
    assert dict(directory.busy_replies()) == {"bob": ""}
    assert directory.here("")[0].busy


def test_the_hidden_get_everything_and_are_nowhere(directory: UserDirectory) -> None:
    alice, bob = join(directory, "alice", "bob")
    directory.set_busy("bob", "secret")
    assert directory.set_hidden("bob", True) == -1
    assert directory.set_hidden("bob", True) == 0
    assert directory.visible_count() == 1
    assert names_here(directory) == ["alice"]
    assert directory.online(but="") == ("alice",)
    assert dict(directory.busy_replies()) == {}
    assert not directory.recipient("bob").visible
    directory.set_busy("bob", None)
    assert set(directory.lobby()) == {alice.session, bob.session}
    assert directory.set_hidden("bob", False) == 1
    assert names_here(directory) == ["alice", "bob"]


def test_who_logs_in_hidden_does_not_appear(directory: UserDirectory) -> None:
    (bob,) = join(directory, "bob")
    directory.set_hidden("bob", True)
    assert not directory.leave(bob.session)
    assert not directory.join(bob.session, 0, known=True)
    assert directory.visible_count() == 0


def test_hiding_looks_exactly_like_logging_out(
    directory: UserDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    _, carol = join(directory, "bob", "carol")
    monkeypatch.setattr(time, "time", lambda: now)
    directory.set_hidden("bob", True)
    directory.leave(carol.session)
    for later in (0, 30, 90):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        bob, other = directory.seen(1000)
        assert (bob.online, bob.seconds_ago) == (other.online, other.seconds_ago) == (False, later)
    assert [each.name for each in directory.seen(89)] == []


def test_leaving_while_hidden_does_not_move_the_time(
    directory: UserDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    (bob,) = join(directory, "bob")
    monkeypatch.setattr(time, "time", lambda: now)
    directory.set_hidden("bob", True)
    monkeypatch.setattr(time, "time", lambda: now + 60)
    directory.leave(bob.session)
    directory.join(bob.session, 0, known=True)
    assert directory.seen(1000) == (Seen(name="bob", online=False, seconds_ago=60),)


def test_last_names_the_latest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    directory = UserDirectory(
        [Standing("old", seen_at=now - 500), Standing("new", seen_at=now - 20), Standing("never")]
    )
    join(directory, "here")
    monkeypatch.setattr(time, "time", lambda: now)
    assert names_seen(directory, 1000) == [("here", True), ("new", False), ("old", False)]
    assert names_seen(directory, 60) == [("here", True), ("new", False)]
    assert names_seen(directory, 0) == [("here", True)]


def test_a_clock_that_was_set_back_makes_nobody_come_from_the_future() -> None:
    directory = UserDirectory([Standing("bob", seen_at=time.time() + 3600)])
    assert directory.seen(60) == (Seen(name="bob", online=False, seconds_ago=0),)


def test_idle_time_is_that_of_the_liveliest_session(
    directory: UserDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, laptop = join(directory, "bob", "bob")
    desk.connection.last_command, laptop.connection.last_command = 100.0, 150.0
    monkeypatch.setattr(time, "monotonic", lambda: 162.5)
    assert directory.here("") == (Here(name="bob", busy=False, idle_seconds=12),)


def test_a_standing_comes_and_goes_with_the_disk() -> None:
    standing = Standing("bob", 3, 4, 5.0, busy=True, reply="no", hidden=True, name="bob")
    directory = UserDirectory([standing])
    assert directory.standing("bob") == standing


def test_while_visibly_here_there_is_no_time_of_being_seen(directory: UserDirectory) -> None:
    (bob,) = join(directory, "bob")

    def seen_at() -> float | None:
        standing = directory.standing("bob")
        assert standing is not None
        return standing.seen_at

    assert seen_at() is None
    directory.set_hidden("bob", True)
    assert seen_at() is not None
    directory.set_hidden("bob", False)
    assert seen_at() is None
    directory.leave(bob.session)
    assert seen_at() == pytest.approx(time.time(), abs=60)


def test_what_was_read_only_moves_forward(directory: UserDirectory) -> None:
    join(directory, "bob")
    assert directory.note_read("bob", 5)
    assert not directory.note_read("bob", 5)
    assert not directory.note_read("bob", 3)
    standing = directory.standing("bob")
    assert standing is not None
    assert standing.read == 5


def test_a_new_account_of_an_old_name_starts_afresh(directory: UserDirectory) -> None:
    (bob,) = join(directory, "bob")
    directory.set_busy("bob", "no")
    directory.set_hidden("bob", True)
    directory.note_read("bob", 5)
    directory.note_saved(["bob"])
    directory.leave(bob.session)
    directory.join(bob.session, 9, known=False)  # and deleted from the disk
    assert directory.standing("bob") == Standing("bob", since=9, name="bob")
    assert directory.online(but="") == ("bob",)


def test_whoever_is_here_is_no_new_one(directory: UserDirectory) -> None:
    (desk,) = join(directory, "bob")
    directory.note_saved(["bob"])
    laptop = Client("bob")
    directory.join(laptop.session, 9, known=False)
    assert directory.recipient("bob").sessions == (desk.session, laptop.session)
    assert directory.since("bob") == 7


def test_an_account_that_could_not_be_saved_yet_is_no_new_one(directory: UserDirectory) -> None:
    (bob,) = join(directory, "bob")
    directory.set_busy("bob", "no")
    directory.leave(bob.session)
    directory.join(bob.session, 9, known=False)
    assert directory.recipient("bob").busy


def test_a_name_is_spelled_as_its_owner_does_after_a_restart(directory: UserDirectory) -> None:
    (carol,) = join(directory, "Carol")
    directory.leave(carol.session)
    stored = directory.standing("carol")
    assert stored is not None
    assert [each.name for each in UserDirectory([stored]).seen(60)] == ["Carol"]
