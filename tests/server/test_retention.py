"""Retention: what is kept how long, by clocks that a test moves, and that nothing is left of it."""

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chatserver.order import log
from chatserver.order.clock import Clock
from chatserver.order.items import (
    AccountDeleted,
    Acked,
    Edited,
    Erased,
    Invited,
    Left,
    Reacted,
    RoomMade,
    Said,
    TopicSet,
)
from chatserver.order.retention import Retention
from chatserver.settings import HistorySettings
from chatserver.storage.schema import read_only

from .fakes import Server, index_all, said_once

DAY = 86_400.0
NOW = 1_795_361_042.0
DAYS = 30


class Keeper:
    """A server and its retention, again and again: `start` is another start of the program."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.wall, self.steady = NOW, 500.0
        self.start()

    def start(self) -> None:
        self.retention: Retention = self.server.new_retention(
            Clock(lambda: self.wall, lambda: self.steady)
        )
        self.run()

    def run(self, seconds: float = 0.0, ticks: int = 1) -> None:
        """Let time go on, and what there is to do be done."""
        for _ in range(ticks):
            self.wall += seconds / ticks
            self.steady += seconds / ticks
            self.retention.tick()
            self.server.settle()

    def say(self, days: float, text: str, *to: str, count: int = 1) -> None:
        """Have bob say something so many days before now, `count` times."""
        said_once(self.server, self.wall - days * DAY, *[text] * count, to=to)

    def acked(self, name: str, upto: int) -> None:
        account = self.server.account(name).id
        self.server.order.run(Acked(at=0, account=account, upto=upto))

    def act(self, what: type[Any], days: float = 0, **fields: Any) -> int:
        """Have bob do something so many days before now; return the number it got."""
        session = self.server.account("bob").sessions[0]
        bob = self.server.account("bob").id
        self.server.settle()
        self.server.directory.state.at = 0  # it never goes back but here
        at = int((self.wall - days * DAY) * 1000)
        return self.server.order.run(what(at=at, account=bob, session=session, **fields)).seq

    def changes(self) -> list[int]:
        return self.found("SELECT seq FROM changes ORDER BY seq")

    def found(self, query: str) -> list[int]:
        with closing(read_only(self.server.store.path)) as database:
            return [number for (number,) in database.execute(query)]

    def kept(self) -> list[int]:
        return [each.seq for each in self.server.store.following(0, 10**6, 10**9)]


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    monkeypatch.setattr(log, "_TIDY_SECONDS", 0.0)  # the clock of the test is faster
    with Server(tmp_path, history=HistorySettings(retention_days=DAYS)) as server:
        server.add_accounts("alice", "bob", "carol")
        server.joined("bob")
        yield Keeper(server)


@pytest.mark.parametrize("ahead", [40 * DAY, 9000 * DAY, -9000 * DAY, 1.1 * DAY, -1.1 * DAY])
@pytest.mark.parametrize("between_starts", [True, False])
def test_after_a_jump_nothing_is_deleted_for_seven_days_of_running(
    keeper: Keeper, caplog: pytest.LogCaptureFixture, ahead: float, *, between_starts: bool
) -> None:
    keeper.wall += ahead
    if between_starts:
        keeper.start()
    keeper.say(31, "old", count=3)
    keeper.say(0, "new")
    keeper.run(6.9 * DAY, ticks=7 * 24)
    assert keeper.kept() == [1, 2, 3, 4]
    keeper.start()  # what has been rested is not forgotten, and a start is no rest
    keeper.run(0.05 * DAY)
    assert keeper.kept() == [1, 2, 3, 4]
    keeper.run(0.1 * DAY, ticks=3)
    assert keeper.kept() == [4]
    assert len([each for each in caplog.records if "the clock is" in each.message]) == 1


def test_a_clock_that_is_put_forward_bit_by_bit_has_jumped_too(keeper: Keeper) -> None:
    keeper.run(3600)
    keeper.say(29.5, "young")
    keeper.say(0, "new")
    for _ in range(60):
        keeper.wall += 0.4 * DAY
        keeper.run(60)
    assert keeper.kept() == [1, 2]


def test_a_clock_that_is_put_right_by_minutes_has_not_jumped(
    keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    keeper.say(31, "old", count=1234)
    keeper.say(0, "new")
    keeper.wall += 3600
    with caplog.at_level(logging.INFO):
        keeper.run(3600)
        keeper.run(5, ticks=5)
        keeper.wall -= 3000
        keeper.start()
        keeper.run(3600)
    assert keeper.kept() == [1235]
    assert [each.message for each in caplog.records] == [
        "1234 messages older than 30 days were deleted"
    ]


def test_the_first_start_with_a_wrong_clock_is_known_at_the_second(keeper: Keeper) -> None:
    keeper.say(0, "words", "alice", count=3)
    keeper.wall += 9000 * DAY
    keeper.start()
    keeper.run(DAY, ticks=24)
    assert keeper.kept() == [1, 2, 3]


def test_what_was_said_when_the_clock_was_ahead_hides_nothing_that_is_old(keeper: Keeper) -> None:
    keeper.say(-5000, "from the future", count=2100)  # more than two steps
    keeper.say(31, "old")
    keeper.say(0, "new")
    keeper.start()
    keeper.run(10, ticks=5)
    assert 2101 not in keeper.kept()
    assert len(keeper.kept()) == 2101


def test_what_a_recipient_has_not_read_stays_until_it_has_and_at_most_twice_as_long(
    keeper: Keeper,
) -> None:
    keeper.say(61, "too old", "alice")
    keeper.say(59, "waits", "alice")
    keeper.say(59, "one of two waits", "alice", "carol")
    keeper.say(59, "for nobody", "carol")
    keeper.say(59, "to everybody")
    keeper.say(59, "to myself", "bob")
    keeper.say(0, "new")
    carol = keeper.server.account("carol").id
    keeper.server.order.run(AccountDeleted(at=0, account=carol))
    keeper.run(3600)
    assert keeper.kept() == [2, 3, 7]
    keeper.acked("alice", 2)
    keeper.run(3600, ticks=2)
    assert keeper.kept() == [3, 7]
    keeper.run(2 * DAY, ticks=48)
    assert keeper.kept() == [7]


def test_what_waits_does_not_hold_up_what_comes_after_it(keeper: Keeper) -> None:
    keeper.say(40, "waits", "alice", count=1500)
    keeper.say(39, "old")
    keeper.say(0, "new")
    keeper.start()
    keeper.run(5, ticks=5)
    assert len(keeper.kept()) == 1501
    assert 1501 not in keeper.kept()


def clear(keeper: Keeper) -> None:
    """Do what the indexer and the housekeeper do within a minute."""
    for _ in range(15):  # each takes some room in the log for what the test itself waits for
        keeper.run(4.0)
        index_all(keeper.server.index)


def files_with(folder: Path, word: str) -> list[str]:
    return [each.name for each in folder.iterdir() if word.encode() in each.read_bytes()]


def test_a_minute_later_it_is_in_no_file_and_the_folder_is_small(
    keeper: Keeper, tmp_path: Path
) -> None:
    texts = [f"unmistakable{number} übles wörtchen {number * 31}" for number in range(6_000)]
    said_once(keeper.server, NOW - 70 * DAY, *texts[::3], to=("alice",))
    said_once(keeper.server, NOW - 70 * DAY, *texts[1::3], *texts[2::3])
    keeper.say(0, "kept")
    index_all(keeper.server.index)
    before = {name.partition("-")[0] for name in files_with(tmp_path, "unmistakable")}
    assert before == {"chat.db", "search.db"}
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) > 1_000_000
    keeper.start()
    clear(keeper)
    assert keeper.kept() == [6_001]
    for word in ("unmistakable", "übles", "ubles", "wörtchen", "wortchen"):
        assert files_with(tmp_path, word) == []
    assert keeper.server.store.gone() == []
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 300_000


def test_what_the_last_server_did_not_come_to_is_cleared_by_the_next(
    keeper: Keeper, tmp_path: Path
) -> None:
    keeper.say(31, "unmistakable")
    keeper.say(0, "kept")
    index_all(keeper.server.index)
    keeper.run(3600)
    keeper.run()
    assert keeper.kept() == [2]
    assert keeper.server.store.gone() == [1]
    keeper.server.index._changed.get()  # as if it ended now
    keeper.start()
    clear(keeper)
    assert files_with(tmp_path, "unmistakable") == []
    assert keeper.server.store.gone() == []


def test_changes_go_as_messages_do(keeper: Keeper) -> None:
    made = keeper.act(RoomMade, days=40, name="ops")
    keeper.say(35, "one")
    keeper.say(20, "two")
    reacted = [
        keeper.act(Reacted, days=31, target=made + number, reaction=":)") for number in (1, 2)
    ]
    topic = keeper.act(TopicSet, days=5, room=2, topic="kept")
    newest = keeper.act(Reacted, target=made + 1, reaction=":(")
    assert keeper.changes() == [made, *reacted, topic, newest]
    keeper.start()
    keeper.run(5, ticks=5)
    assert keeper.kept() == [made + 2]
    # What was done to a message goes with it, but for the newest of all: the numbers go on there.
    assert keeper.changes() == [reacted[1], topic, newest]
    keeper.act(TopicSet, room=2, topic="last")
    keeper.run(31 * DAY, ticks=31)
    keeper.run(10, ticks=10)
    assert keeper.kept() == []
    assert keeper.changes() == [newest + 1]


def test_what_was_said_in_a_room_that_is_no_more_is_in_no_file_a_minute_later(
    keeper: Keeper, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeper.act(RoomMade, name="ops")
    for number in range(1100):
        keeper.act(Said, text=f"unmistakable{number}", room=2)
    index_all(keeper.server.index)
    left = keeper.act(Left, room=2)
    with caplog.at_level(logging.INFO):
        clear(keeper)
    assert keeper.kept() == []
    assert keeper.changes() == [left]
    assert files_with(tmp_path, "unmistakable") == []
    assert keeper.server.store.gone() == []
    assert caplog.records == []


def test_of_a_room_that_is_no_more_nothing_stays_and_its_number_is_not_used_again(
    keeper: Keeper,
) -> None:
    alice = keeper.server.account_id("alice")
    for name in ("ops", "web"):
        keeper.act(RoomMade, name=name)
    seq = keeper.act(Said, text="alice: bob", room=2)
    keeper.act(Reacted, target=seq, reaction=":)")
    keeper.act(Invited, room=2, who=alice)
    keeper.act(Left, room=2)
    newest = keeper.act(Left, room=3)  # of all, in the last conversation of all
    clear(keeper)
    numbers = "SELECT id FROM conversations", "SELECT DISTINCT conversation FROM members"
    for query in numbers:
        assert keeper.found(query) == [1, 3]
    for table in ("messages", "mentions", "reactions", "invitations"):
        assert keeper.found(f"SELECT 1 FROM {table}") == []
    assert keeper.changes() == [newest]
    assert list(keeper.server.directory.state.conversations) == [1, 3]
    keeper.act(RoomMade, name="ops")
    clear(keeper)
    for query in numbers:
        assert keeper.found(query) == [1, 4]
    assert keeper.server.account("bob").ended == ()


@pytest.mark.parametrize("again", [False, True])
def test_words_that_were_taken_back_are_in_no_file_a_minute_later(
    keeper: Keeper, tmp_path: Path, *, again: bool
) -> None:
    said = [keeper.act(Said, text=f"unmistakable{number} said", to=(1,)) for number in range(3)]
    index_all(keeper.server.index)
    keeper.act(Edited, target=said[0], text="corrected")
    keeper.act(Erased, target=said[1])
    assert keeper.server.store.gone() == said[:2]
    if again:
        keeper.server.index._changed.get()  # as if it ended now
        keeper.server.index._changed.get()
        keeper.start()
    clear(keeper)
    assert files_with(tmp_path, "unmistakable0") == files_with(tmp_path, "unmistakable1") == []
    assert set(files_with(tmp_path, "unmistakable2")) >= {"chat.db", "search.db"}
    assert keeper.server.store.gone() == []
