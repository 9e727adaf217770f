"""What a hostile server sends does not fill the memory, and does not keep anybody waiting."""

import contextlib
import threading

import pytest
from msgspec import UNSET, structs

from chatclient.errors import LinkLost, Refused
from chatclient.link.backlog import MOST_BYTES
from chatclient.link.inbox import MOST_EVENTS_BESIDE, Inbox
from chatclient.link.resume import ResumingClient
from chatclient.talk.roster import MOST_NAMES, Roster
from chatwire.events import Error, Message, Presence, Replayed

from .fake import DEADLINE, HISTORY, FakeServer, Link, greeted, message, talking, welcome


def test_an_error_has_a_bounded_text() -> None:
    endless = Error(code="x", text="word " * 1_000_000)
    with talking(lambda link: link.answer("login", endless)) as chat:
        with pytest.raises(Refused) as caught:
            chat.login("alice", "secret")
        assert len(caught.value.text) <= 500


@pytest.mark.parametrize("leaving", [False, True], ids=["asking", "leaving"])
@pytest.mark.parametrize("size", [1, 1_000_000], ids=["many", "large"])
def test_what_waits_is_bounded(leaving: bool, size: int) -> None:
    inbox = Inbox(10)
    if leaving:
        inbox.leave()
    else:
        inbox.expect()
    taken = 0
    try:
        while taken <= 2 * MOST_EVENTS_BESIDE:
            inbox.put(message(1, "x"), size)
            taken += 1
    except LinkLost as lost:
        assert "without end" in lost.text  # noqa: PT017 - it is counted until then
    assert 10 <= taken <= MOST_EVENTS_BESIDE + 10
    assert taken * size <= MOST_BYTES
    assert len(inbox.take(0, 2 * MOST_EVENTS_BESIDE)) == taken


def test_what_a_program_does_not_take_is_bounded_in_bytes() -> None:
    sent, over = [], threading.Event()

    def floods(link: Link) -> None:
        link.take_login_again()
        link.sock.settimeout(1.0)
        with contextlib.suppress(TimeoutError):  # then it reads no more
            for seq in range(1, 2000):
                link.send(message(seq, "x" * 100_000))
                sent.append(seq)
        over.set()

    with (
        FakeServer(floods) as server,
        ResumingClient(server.connect, "alice", "secret", pause=300) as client,
    ):
        client.start()
        assert over.wait(DEADLINE)
        client.abandon()
    # What waits in the connection, here, and what the system has of it.
    assert 10 <= len(sent) <= 3 * MOST_BYTES // 100_000


@pytest.mark.parametrize(
    ("wanted", "waited"), [(2**62, 60.0), (61, 60.0), (-5, 0.0), (2, 2.0), (None, 1.0)]
)
def test_a_server_cannot_have_a_login_wait_for_ever(
    wanted: int | None, waited: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)

    def play(link: Link) -> None:
        retry_after = UNSET if wanted is None else wanted
        link.answer("login", Error(code="try_later", text="Later.", retry_after=retry_after))
        link.take_login()

    with FakeServer(greeted(play)) as server:
        server.enter().connection.close()
    assert slept == [waited]


def test_a_million_names_are_not_kept() -> None:
    roster = Roster("alice")
    many = tuple(f"user{number}" for number in range(2 * MOST_NAMES))
    roster.hear(welcome(online=many))
    assert len(roster.here()) == len(roster.names()) == MOST_NAMES
    for number in range(MOST_NAMES):
        roster.hear(Presence(name=f"other{number}", state="online"))
        roster.hear(message(number, "hi", sender=f"speaker{number}"))
    assert len(roster.here()) <= MOST_NAMES
    assert len(roster.names()) == MOST_NAMES


def test_a_million_commands_are_not_kept() -> None:
    def play(link: Link) -> None:
        names = (f"c{number}" for number in range(50_000))
        link.take_login(commands=tuple(structs.replace(HISTORY, name=name) for name in names))

    with FakeServer(greeted(play)) as server:
        entry = server.enter()
        with entry.connection:
            assert len(list(entry.commands)) < 2000


def test_a_replay_without_end_is_left_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is given; and a server that behaves is stayed with."""
    monkeypatch.setattr("chatclient.link.replay.MOST_BYTES", 5000)

    def replays(link: Link) -> None:
        link.take_login_again(seq=9, missed=1)
        link.send(*(message(seq, "x" * 1000, replay=True) for seq in range(1, 9)))
        link.until_closed()

    def behaves(link: Link) -> None:
        link.take_login_again(seq=9, missed=1)
        link.send(message(9, "enough", replay=True), Replayed(count=1, more=0))
        link.until_closed()

    with (
        FakeServer(Link.take_login_again, replays, behaves) as server,
        ResumingClient(server.connect, "alice", "secret", pause=0.01) as client,
    ):
        client.start()
        while not isinstance(event := client.next_event(DEADLINE), Message):
            assert event is not None
        assert event.text == "enough"
