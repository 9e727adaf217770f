"""The replay: what was missed comes first, once, and what is said meanwhile follows."""

import time
from collections.abc import Sequence

import pytest

from chatserver.dialects.text import RENDERER as TEXT
from chatserver.order.replay import Replay

from .fakes import DEADLINE, Client, Server, raising


class Away:
    """Alice, who speaks, and bob, for whom the room has begun and who is away."""

    def __init__(self, server: Server) -> None:
        self.server = server
        bob, self.alice = server.joined("bob", "alice")
        server.leave(bob)

    def say(self, texts: Sequence[str], *to: str) -> None:
        for text in texts:
            self.server.say(self.alice, text, *to)

    def show(self, client: Client, limit: int = 500) -> Client:
        """Show a client that has come what it has missed, as `login` does."""
        replay = Replay(self.server.store, limit)
        replay.show(client.session, replay.read(client.session.owed.pop(0)))
        return client

    def come(self, client: Client, limit: int = 500) -> Client:
        """Have a client of bob's come and see what it has missed."""
        self.server.admit(client)
        return self.show(client, limit)


@pytest.fixture
def away(server: Server) -> Away:
    return Away(server)


def numbers(count: int) -> list[str]:
    """Return as many texts of a thousand bytes each."""
    return [f"{number:01000}" for number in range(count)]


def test_what_was_said_while_away_is_shown_oldest_first(away: Away) -> None:
    away.say(["one"])
    away.say(["two"], "bob")
    away.say(["not for bob"], "Carol")
    *messages, end = away.come(Client("bob")).events()
    assert [each["text"] for each in messages] == ["one", "two"]
    assert all(each["replay"] is True for each in messages)
    assert (messages[0]["room"], messages[1]["to"]) == ("lobby", ["bob"])
    assert end == {"event": "replayed", "count": 2, "more": 0}


def test_live_messages_follow_without_gap_or_repeat(away: Away) -> None:
    away.say("01234")
    bob = Client("bob")
    away.server.admit(bob)
    away.say("56789")
    events = away.show(bob).events()
    assert [each.get("text") for each in events] == [*"01234", None, *"56789"]
    assert not bob.connection.outbox.holding


def test_nothing_missed_is_nothing_shown(away: Away) -> None:
    bob = away.come(Client("bob"))
    assert bob.events() == []
    assert not bob.connection.outbox.holding


@pytest.mark.parametrize(("limit", "shown", "more"), [(3, "789", 7), (0, "0123456789", 0)])
def test_of_too_many_the_newest_are_shown_and_the_others_counted(
    away: Away, limit: int, shown: str, more: int
) -> None:
    away.say("0123456789")
    *messages, end = away.come(Client("bob"), limit).events()
    assert [each["text"] for each in messages] == [*shown]
    assert (end["count"], end["more"]) == (len(shown), more)


def test_a_device_that_resumes_gets_its_own_words_too(away: Away) -> None:
    (desk,) = away.server.joined("bob")
    away.server.say(desk, "1 own")
    away.say(["2"])
    away.server.say(desk, "3 own", "alice")
    assert away.come(Client("bob", since=1)).said() == ["2", "3 own"]


def test_the_room_begins_at_the_first_login_but_private_messages_wait(away: Away) -> None:
    away.say(["before"])
    away.say(["private"], "Carol")
    assert away.come(Client("Carol")).said() == ["private"]


def test_what_was_replayed_in_text_counts_as_read(away: Away) -> None:
    away.say(["hi"])
    away.say(["for somebody else"], "dave")
    bob = away.come(Client("bob", TEXT))
    assert bob.text().endswith("UTC] alice: hi\n-- That is all.\n")
    assert bob.session.read == 2


def test_a_replay_that_fails_ends_the_session_and_nothing_is_sent_behind_the_gap(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, laptop, alice = server.joined("bob", "bob", "alice")
    as_desk = server.context(desk)
    server.ask(as_desk, "busy")
    server.say(alice, "held")
    laptop.session.claim.acquire()  # so that its turn comes after the fault has gone
    with monkeypatch.context() as patched:
        patched.setattr(server.store, "messages", raising(MemoryError()))
        server.ask(as_desk, "idle")
    server.say(alice, "later")
    assert desk.said() == []
    assert desk.code == "internal"
    laptop.session.claim.release()
    server.replay.serve(laptop.session)
    assert laptop.said() == ["held", "later"]


def test_a_session_that_does_not_read_keeps_no_other_waiting(server: Server) -> None:
    desk, alice = server.joined("bob", "alice")
    stalled = server.join(Client("bob", outbox_bytes=4096))
    as_desk = server.context(desk)
    server.ask(as_desk, "busy")
    for text in numbers(20):
        server.say(alice, text)
    stalled.stream.room = 0
    server.ask(as_desk, "idle")  # comes back, though the other's outbox is full
    assert desk.said() == numbers(20)
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
        server.ask(as_desk, "idle")
        server.say(alice, f"live {number}")
    assert other.said() == []
    other.session.claim.release()
    server.replay.serve(other.session)
    expected = [f"{word} {number}" for number in range(3) for word in ("held", "own", "live")]
    assert other.said() == expected
    assert not other.connection.outbox.holding


# -- a replay larger than an outbox --


def test_a_replay_larger_than_an_outbox_goes_as_fast_as_the_client_reads(away: Away) -> None:
    away.say(numbers(50))
    bob = away.come(Client("bob", outbox_bytes=4096))
    assert bob.said() == numbers(50)
    assert bob.ending is None


PATIENCE = 5.0
"""Seconds; without a mistake it takes none, with one it would never end."""


@pytest.mark.parametrize("ended", [True, False], ids=["an end", "what is held"])
def test_neither_an_end_nor_what_is_held_slows_the_replay(away: Away, ended: bool) -> None:
    away.say(numbers(12))
    bob = Client("bob", outbox_bytes=4096 if ended else 40_000)
    away.server.admit(bob)
    if ended:
        bob.stream.room = 0
        bob.connection.end("shutting_down", "The server is shutting down.")
    else:
        bob.connection.push_bytes(b"x" * 30_000 + b"\n")  # live messages, in a busy room
    start = time.monotonic()
    away.show(bob)
    assert time.monotonic() - start < PATIENCE
