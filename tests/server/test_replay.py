"""The replay: what was missed comes first, once, and what is said meanwhile follows."""

import time

import pytest

from chatserver.dialects.text import RENDERER as TEXT
from chatserver.order.replay import Replay

from .fakes import DEADLINE, Client, Server


def missed_by(server: Server, client: Client, *, limit: int = 500) -> None:
    """Log the client in and show it what it has missed, as `login` does."""
    server.admit(client)
    replay = Replay(server.store, limit)
    replay.show(client.session, replay.read(client.session.owed.pop(0)))


def gone(server: Server, name: str) -> None:
    """Have an account come and go, so that the room begins for it here."""
    (client,) = server.joined(name)
    server.leave(client)


def test_what_was_said_while_away_is_shown_oldest_first(server: Server) -> None:
    gone(server, "bob")
    (alice,) = server.joined("alice")
    server.say(alice, "one")
    server.say(alice, "two", "bob")
    server.say(alice, "not for bob", "Carol")
    server.settle()
    bob = Client("bob")
    missed_by(server, bob)
    *messages, end = bob.events()
    assert [each["text"] for each in messages] == ["one", "two"]
    assert all(each["replay"] is True for each in messages)
    assert (messages[0]["room"], messages[1]["to"]) == ("lobby", ["bob"])
    assert end == {"event": "replayed", "count": 2, "more": 0}


def test_live_messages_follow_without_gap_or_repeat(server: Server) -> None:
    gone(server, "bob")
    (alice,) = server.joined("alice")
    for number in range(5):
        server.say(alice, str(number))
    server.settle()
    bob = Client("bob")
    server.admit(bob)
    for number in range(5, 10):
        server.say(alice, str(number))
    server.settle()
    server.replay.show(bob.session, server.replay.read(bob.session.owed.pop(0)))
    events = bob.events()
    assert [each.get("text") for each in events] == [*"01234", None, *"56789"]
    assert not bob.connection.outbox.holding


def test_nothing_missed_is_nothing_shown(server: Server) -> None:
    bob = Client("bob")
    missed_by(server, bob)
    assert bob.events() == []
    assert not bob.connection.outbox.holding


def test_of_too_many_the_newest_are_shown_and_the_others_counted(server: Server) -> None:
    gone(server, "bob")
    (alice,) = server.joined("alice")
    for number in range(10):
        server.say(alice, str(number))
    server.settle()
    bob = Client("bob")
    missed_by(server, bob, limit=3)
    *messages, end = bob.events()
    assert [each["text"] for each in messages] == ["7", "8", "9"]
    assert (end["count"], end["more"]) == (3, 7)


def test_a_limit_of_zero_shows_all(server: Server) -> None:
    gone(server, "bob")
    (alice,) = server.joined("alice")
    for number in range(10):
        server.say(alice, str(number))
    server.settle()
    bob = Client("bob")
    missed_by(server, bob, limit=0)
    assert len(bob.said()) == 10


def test_a_device_that_resumes_gets_its_own_words_too(server: Server) -> None:
    desk, alice = server.joined("bob", "alice")
    server.say(desk, "1 own")
    server.say(alice, "2")
    server.say(desk, "3 own", "alice")
    server.settle()
    phone = Client("bob", since=1)
    missed_by(server, phone)
    assert phone.said() == ["2", "3 own"]


def test_the_room_begins_at_the_first_login_but_private_messages_wait(server: Server) -> None:
    (alice,) = server.joined("alice")
    server.say(alice, "before")
    server.say(alice, "private", "bob")
    server.settle()
    bob = Client("bob")
    missed_by(server, bob)
    assert bob.said() == ["private"]


def test_what_was_replayed_in_text_counts_as_read(server: Server) -> None:
    gone(server, "bob")
    (alice,) = server.joined("alice")
    server.say(alice, "hi")
    server.say(alice, "for somebody else", "dave")
    server.settle()
    bob = Client("bob", TEXT)
    missed_by(server, bob)
    assert bob.text().endswith("UTC] alice: hi\n-- That is all.\n")
    assert bob.session.read == 2


def test_a_replay_that_fails_ends_the_session_and_nothing_is_sent_behind_the_gap(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    desk, laptop, alice = server.joined("bob", "bob", "alice")
    as_desk = server.context(desk)
    server.ask(as_desk, "busy")
    server.say(alice, "held")
    server.settle()
    laptop.session.claim.acquire()  # so that its turn comes after the fault has gone
    with monkeypatch.context() as patched:
        patched.setattr(server.store, "messages", broken)
        server.ask(as_desk, "idle")
    server.say(alice, "later")
    server.settle()
    assert desk.said() == []
    assert desk.connection.ending is not None
    assert desk.connection.ending.code == "internal"
    laptop.session.claim.release()
    server.replay.serve(laptop.session)
    assert laptop.said() == ["held", "later"]


def test_a_session_that_does_not_read_keeps_no_other_waiting(server: Server) -> None:
    desk, alice = server.joined("bob", "alice")
    stalled = server.join(Client("bob", outbox_bytes=4096))
    as_desk = server.context(desk)
    server.ask(as_desk, "busy")
    for number in range(20):
        server.say(alice, f"{number:01000}")
    server.settle()
    stalled.stream.room = 0
    server.ask(as_desk, "idle")  # comes back, though the other's outbox is full
    assert [int(text) for text in desk.said()] == list(range(20))
    server.ask(as_desk, "busy")  # and is not refused while that goes on
    server.say(alice, "again")
    server.ask(as_desk, "idle")
    assert desk.said() == ["again"]
    stalled.connection.end("too_slow", "Cut off.")
    server.replay.stop(DEADLINE)
    assert not server.replay._threads


def test_replays_that_queue_up_are_shown_in_order(server: Server) -> None:
    desk, other, alice = server.joined("bob", "bob", "alice")
    as_desk = server.context(desk)
    other.session.claim.acquire()
    for number in range(3):
        server.ask(as_desk, "busy")
        server.say(alice, f"held {number}")
        server.say(desk, f"own {number}")
        server.settle()
        server.ask(as_desk, "idle")
        server.say(alice, f"live {number}")
        server.settle()
    assert other.said() == []
    other.session.claim.release()
    server.replay.serve(other.session)
    expected = [f"{word} {number}" for number in range(3) for word in ("held", "own", "live")]
    assert other.said() == expected
    assert not other.connection.outbox.holding


# -- a replay larger than an outbox --


def said_much(server: Server, count: int = 50) -> None:
    gone(server, "bob")
    (alice,) = server.joined("alice")
    for number in range(count):
        server.say(alice, f"{number:01000}")
    server.settle()


def test_a_replay_larger_than_an_outbox_goes_as_fast_as_the_client_reads(server: Server) -> None:
    said_much(server)
    bob = Client("bob", outbox_bytes=4096)
    missed_by(server, bob)
    assert [int(text) for text in bob.said()] == list(range(50))
    assert bob.connection.ending is None


PATIENCE = 5.0
"""Seconds; without a mistake it takes none, with one it would never end."""


def test_a_client_that_is_ended_is_not_waited_for(server: Server) -> None:
    said_much(server, 12)
    bob = Client("bob", outbox_bytes=4096)
    bob.stream.room = 0
    bob.connection.end("shutting_down", "The server is shutting down.")
    start = time.monotonic()
    missed_by(server, bob)
    assert time.monotonic() - start < PATIENCE


def test_what_is_held_does_not_slow_the_replay(server: Server) -> None:
    said_much(server, 12)
    bob = Client("bob", outbox_bytes=40_000)
    server.admit(bob)
    bob.connection.push_bytes(b"x" * 30_000 + b"\n")  # live messages, in a busy room
    start = time.monotonic()
    server.replay.show(bob.session, server.replay.read(bob.session.owed.pop(0)))
    assert time.monotonic() - start < PATIENCE
