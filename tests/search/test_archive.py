"""The archive: pages of the past, and what is found in it, for those who may read it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kept import ALICE, BOB, CAROL, DAVE, NOW, Kept
from server.fakes import index_all

from chatserver.order.items import (
    AccountDeleted,
    AccountMade,
    Came,
    Edited,
    Erased,
    Joined,
    RoomMade,
    Said,
    Trimmed,
)
from chatserver.order.records import LOBBY_ID
from chatserver.search.archive import Archive
from chatserver.search.index import SearchIndex
from chatserver.search.parts import Scope
from chatserver.search.query import parse_query
from chatserver.storage.past import Page, Stretch

NEVER = 2**62


class Talked:
    """A store with messages 1 to 8, and its archive."""

    def __init__(self, kept: Kept, folder: Path, most_bytes: int = 0) -> None:
        self.kept = kept
        kept.say("room 1", ALICE)
        kept.say("to bob 2", ALICE, BOB)
        kept.say("to alice 3", BOB, ALICE)
        kept.say("to both 4", BOB, ALICE, CAROL)
        kept.say("room 5", BOB)
        kept.say("to myself 6", ALICE, ALICE)
        kept.say("to carol 7", BOB, CAROL)
        kept.say("room 8", ALICE)
        self.index = SearchIndex(folder / "search.db", kept.store)
        index_all(self.index)
        self.archive = Archive(kept.store, self.index, most_bytes)

    def found(
        self, words: str, account: int, since: int = 0, limit: int = 10
    ) -> tuple[list[str], bool]:
        """Return what an account finds that has been in the lobby since message `since`."""
        scope = Scope((Stretch(LOBBY_ID, since),), self.kept.stretches(account)[1:])
        messages, more = self.archive.search(parse_query(words), account, scope, limit)
        return [each.text for each in messages], more

    def close(self) -> None:
        self.index.close()
        self.kept.close()


@pytest.fixture
def talked(tmp_path: Path) -> Iterator[Talked]:
    opened = Talked(Kept(tmp_path / "chat.db"), tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("after", "before", "forward", "limit", "expected", "more"),
    [
        (0, NEVER, False, 2, ["room 5", "room 8"], True),
        (0, NEVER, False, 3, ["room 1", "room 5", "room 8"], False),
        (0, 8, False, 1, ["room 5"], True),
        (0, 5, False, 1, ["room 1"], False),
        (0, 1, False, 9, [], False),
        (0, NEVER, True, 2, ["room 1", "room 5"], True),
        (5, NEVER, True, 2, ["room 8"], False),
    ],
)
def test_a_page_of_the_room(
    talked: Talked,
    after: int,
    before: int,
    forward: bool,
    limit: int,
    expected: list[str],
    more: bool,
) -> None:
    lobby = talked.kept.stretches(DAVE)
    messages, left = talked.archive.history(Page(lobby, after, before, forward), limit)
    assert ([each.text for each in messages], left) == (expected, more)


def test_pages_backward_and_forward_meet(talked: Talked) -> None:
    with_bob = (
        *talked.kept.direct(ALICE, BOB),
        *talked.kept.direct(ALICE, BOB, CAROL),
    )
    backward: list[str] = []
    before, more = NEVER, True
    while more:
        messages, more = talked.archive.history(Page(with_bob, 0, before), 1)
        backward = [each.text for each in messages] + backward
        before = messages[0].seq
    assert backward == ["to bob 2", "to alice 3", "to both 4"]
    forward, _ = talked.archive.history(Page(with_bob, 0, NEVER, True), 9)
    assert [each.text for each in forward] == backward


def test_messages_are_as_their_readers_got_them(talked: Talked) -> None:
    both = talked.kept.direct(ALICE, BOB, CAROL)
    (message,), _ = talked.archive.history(Page(both, 0, NEVER), 1)
    assert (message.seq, message.sender, message.to) == (4, "bob", ("alice", "carol"))
    (said,), _ = talked.archive.history(Page(talked.kept.stretches(DAVE), 0, 5), 1)
    assert (said.seq, said.room) == (1, "lobby")


@pytest.mark.parametrize(("most", "expected"), [(1, 1), (450, 2), (10_000, 3)])
def test_an_answer_has_a_size_and_at_least_one_message(
    tmp_path: Path, most: int, expected: int
) -> None:
    talked = Talked(Kept(tmp_path / "chat.db"), tmp_path, most)
    lobby = talked.kept.stretches(DAVE)
    for forward in (False, True):
        messages, more = talked.archive.history(Page(lobby, 0, NEVER, forward), 9)
        assert (len(messages), more) == (expected, expected < 3)
        assert messages[0 if forward else -1].seq == (1 if forward else 8)
    talked.close()


# -- search --


@pytest.mark.parametrize(
    ("words", "account", "since", "expected"),
    [
        ("to*", ALICE, 0, ["to myself 6", "to both 4", "to alice 3", "to bob 2"]),
        ("to*", BOB, 0, ["to carol 7", "to both 4", "to alice 3", "to bob 2"]),
        ("to*", CAROL, 0, ["to carol 7", "to both 4"]),
        ("to*", DAVE, 0, []),
        ("to* from:alice", BOB, 0, ["to bob 2"]),
        ("room", DAVE, 0, ["room 8", "room 5", "room 1"]),
        ("room", DAVE, 5, ["room 8"]),
        ("both", CAROL, 5, ["to both 4"]),
        (" ", ALICE, 0, []),
        ("!?", ALICE, 0, []),
    ],
)
def test_a_search_finds_what_one_may_read_newest_first(
    talked: Talked, words: str, account: int, since: int, expected: list[str]
) -> None:
    assert talked.found(words, account, since) == (expected, False)


def test_a_search_says_whether_there_is_more(talked: Talked) -> None:
    assert talked.found("room", DAVE, limit=2) == (["room 8", "room 5"], True)
    assert talked.found("room", DAVE, limit=3)[1] is False


def test_what_is_no_longer_there_is_neither_found_nor_counted(talked: Talked) -> None:
    """The index is behind: what was deleted is still in it."""
    talked.kept.apply(Trimmed(at=NOW, seqs=(1, 4)))
    assert talked.found("room", ALICE, limit=2) == (["room 8", "room 5"], False)
    assert talked.found("both", CAROL) == ([], False)


def test_a_name_used_again_finds_nothing_of_the_account_before(talked: Talked) -> None:
    talked.kept.apply(
        AccountDeleted(at=NOW, account=ALICE),
        AccountMade(at=NOW, name="alice"),
        Came(at=NOW, account=5, session=5, name="alice"),
    )
    assert talked.found("to*", 5) == ([], False)
    assert talked.found("to*", CAROL)[0] == ["to carol 7", "to both 4"]


@pytest.mark.parametrize(
    "words",
    ['carol" OR "room', "readers:a1", "NOT room", "x OR room", 'to* readers:"a1"', "a1", "a2"],
)
def test_nobody_can_search_for_what_is_not_his(talked: Talked, words: str) -> None:
    assert not [text for text in talked.found(words, DAVE)[0] if "to" in text]


# -- rooms, and words that were mended --


class Room:
    """A room that carol has made and bob has joined after message `since`, and what is found."""

    def __init__(self, talked: Talked, access: str = "closed") -> None:
        self.talked = talked
        kept = talked.kept
        kept.apply(RoomMade(at=NOW, account=CAROL, session=CAROL, name="ops", access=access))
        room = kept.state.room("ops")
        assert room is not None
        self.id = room.id

    def say(self, *texts: str) -> list[int]:
        kept = self.talked.kept
        said = [
            Said(at=NOW, account=CAROL, session=CAROL, text=text, room=self.id) for text in texts
        ]
        return [outcome.seq for outcome in kept.apply(*said)]

    def found(self, words: str, *places: Stretch, limit: int = 10) -> tuple[list[str], bool]:
        index_all(self.talked.index)
        scope = Scope(places, self.talked.kept.stretches(BOB)[1:2])
        messages, more = self.talked.archive.search(parse_query(words), BOB, scope, limit)
        return [each.text for each in messages], more


def test_what_was_said_in_a_room_is_found_by_those_who_may_read_it(talked: Talked) -> None:
    room = Room(talked)
    room.say("to arms")
    there, lobby = Stretch(room.id, 0), Stretch(LOBBY_ID, 0)
    assert room.found("arms", lobby) == ([], False)
    assert room.found("arms", there) == (["to arms"], False)
    assert room.found("to*", there) == (["to arms", "to alice 3", "to bob 2"], False)
    assert room.found("from:carol", lobby, there) == (["to arms"], False)
    assert talked.found(f"arms readers:c{room.id}", BOB) == ([], False)
    assert talked.found("arms", DAVE) == ([], False)


@pytest.mark.parametrize("part", [8_000_000, 3000])
def test_what_lies_before_a_membership_makes_no_answer_short(
    talked: Talked, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr("chatserver.search.parts._MOST", part)
    talked.kept.say("needle in private", BOB, ALICE)
    room = Room(talked)
    before = room.say(*(f"needle {number}" for number in range(60)))
    after = room.say("needle at last")
    assert after == [before[-1] + 1]
    since = Stretch(room.id, before[-1])
    assert room.found("needle", since, limit=2) == (["needle at last", "needle in private"], False)
    assert room.found("needle", since, limit=1) == (["needle at last"], True)
    assert room.found("needle", Stretch(room.id, before[-3]), limit=2)[0] == [
        "needle at last",
        "needle 59",
    ]


def test_a_message_is_found_by_what_it_reads_now(talked: Talked) -> None:
    kept, index = talked.kept, talked.index
    seq = kept.say("a botched thing", BOB, ALICE)
    other = kept.say("a botched plan", BOB, ALICE)
    index_all(index)
    kept.state.targets = kept.store.targets([(seq, ALICE), (other, ALICE)])
    kept.apply(
        Edited(at=NOW, account=BOB, session=BOB, target=seq, text="a mended thing"),
        Erased(at=NOW, account=BOB, session=BOB, target=other),
    )
    # Before the index knows of it, while it knows both readings, and when all is made anew.
    assert talked.found("botched", ALICE) == ([], False)
    index.forget([seq, other])
    index._step()
    for _ in range(2):
        assert talked.found("botched", ALICE) == ([], False)
        assert talked.found("mend* thing from:bob", ALICE) == (["a mended thing"], False)
        assert talked.found('"a thing"', ALICE) == ([], False)
        index_all(index)
    assert index.purged() == [seq, other]
    assert talked.found("from:bob", ALICE)[0][:2] == ["a mended thing", "room 5"]


def test_changes_keep_no_search_waiting(talked: Talked, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(talked)  # the newest of all is a change
    talked.kept.apply(Joined(at=NOW, account=DAVE, session=DAVE, room=room.id))
    index_all(talked.index)
    assert talked.index.upto == talked.kept.store.last_seq
