"""The replay: what was missed comes first, once, and what is said meanwhile follows."""

import time

import pytest

from chatserver.dialects.text import RENDERER as TEXT
from chatserver.replay import Replay

from .fakes import Client, Server


def missed_by(server: Server, client: Client, *, own: bool = False, limit: int = 500) -> None:
    """Log the client in and show it what it has missed, as `login` does."""
    session = client.session
    joined = server.admit(client)
    replay = Replay(server.store, limit)
    window = replay.window(session, joined.standing.since, joined.seq, own=own)
    replay.show(session, window, replay.count(window))


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
    joined = server.admit(bob)
    for number in range(5, 10):
        server.say(alice, str(number))
    server.settle()
    window = server.replay.window(bob.session, joined.standing.since, joined.seq, own=False)
    server.replay.show(bob.session, window, server.replay.count(window))
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
    missed_by(server, phone, own=True)
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


def test_the_outbox_is_released_whatever_happens(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    gone(server, "bob")
    (alice,) = server.joined("alice")
    server.say(alice, "hi")
    server.settle()
    monkeypatch.setattr(server.store, "messages", broken)
    monkeypatch.setattr(Replay, "count", lambda *_: 1)
    bob = Client("bob")
    session = bob.session
    server.admit(bob)
    window = server.replay.window(session, 0, 1, own=False)
    with pytest.raises(RuntimeError):
        server.replay.show(session, window, 1)
    assert not bob.connection.outbox.holding


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
    session = bob.session
    joined = server.admit(bob)
    bob.connection.push_bytes(b"x" * 30_000 + b"\n")  # live messages, in a busy room
    window = server.replay.window(session, joined.standing.since, joined.seq, own=False)
    start = time.monotonic()
    server.replay.show(session, window, server.replay.count(window))
    assert time.monotonic() - start < PATIENCE
