"""Reading the past: who may read what, in which order, and where it ends."""

from collections.abc import Iterable

import pytest
from kept import ALICE, BOB, CAROL, DAVE, NOW, Kept, item
from msgspec.structs import replace

from chatserver.order.items import (
    AccountDeleted,
    AccountMade,
    AccountRole,
    Acked,
    Came,
    Edited,
    Erased,
    Reacted,
    TopicSet,
    Trimmed,
)
from chatserver.order.records import LOBBY_ID
from chatserver.storage.past import Page, StoredMessage, Stretch, Window
from chatwire.protocol import MOST_COUNTED

NEVER = 2**62


LOBBY = Stretch(LOBBY_ID, 0)


def edited(target: int, text: str, at: int = NOW) -> Edited:
    return Edited(at=at, account=BOB, session=BOB, target=target, text=text)


def reacted(target: int, reaction: str, by: int, *, on: bool = True) -> Reacted:
    return Reacted(at=NOW, account=by, session=by, target=target, reaction=reaction, on=on)


def test_a_message_is_given_back_as_it_was_stored(kept: Kept) -> None:
    kept.say("hi\n'there' \0 ü 😀")
    kept.say("psst", BOB, CAROL, ALICE)
    kept.say("hm", ALICE, ALICE)
    assert kept.store.messages(kept.window(own_after=0), 10) == [
        StoredMessage(1, NOW, "bob", "lobby", (), "hi\n'there' \0 ü 😀", 1, BOB, ()),
        StoredMessage(2, NOW, "bob", None, ("alice", "carol"), "psst", 2, BOB, (1, 2, 3)),
        StoredMessage(3, NOW, "alice", None, ("alice",), "hm", 3, ALICE, (1,)),
    ]


def test_names_are_spelled_as_they_are_now(kept: Kept) -> None:
    kept.say("psst", BOB, ALICE)
    kept.apply(
        Came(at=NOW, account=BOB, session=9, name="BOB"),
        AccountDeleted(at=NOW, account=ALICE),
        AccountMade(at=NOW, name="Alice"),
    )
    (message,) = kept.store.following(0, 10, 1000)
    assert (message.sender, message.to) == ("BOB", ("alice",))


# -- windows --


def test_a_window_has_the_room_and_ones_private_messages(kept: Kept) -> None:
    kept.say("room")
    kept.say("to alice", BOB, ALICE)
    kept.say("to carol", BOB, CAROL)
    kept.say("to both", BOB, CAROL, ALICE)
    assert kept.texts(kept.window()) == ["room", "to alice", "to both"]
    assert kept.texts(kept.window(CAROL)) == ["room", "to carol", "to both"]
    assert kept.texts(kept.window(DAVE)) == ["room"]


def test_what_one_said_oneself_may_begin_later_and_leave_some_out(kept: Kept) -> None:
    kept.say("1 mine", ALICE)
    kept.say("2 not mine")
    kept.say("3 mine, here", ALICE)
    kept.say("4 mine to both", ALICE, BOB, CAROL)
    kept.say("5 mine, here", ALICE, BOB)
    kept.say("6 not mine", BOB, ALICE)
    kept.say("7 mine, to myself", ALICE, ALICE)
    assert kept.texts(kept.window()) == ["2 not mine", "6 not mine"]
    assert len(kept.texts(kept.window(own_after=0))) == 7
    lacked = replace(kept.window(own_after=1), without=(3, 5, 7))
    assert kept.texts(lacked) == ["2 not mine", "4 mine to both", "6 not mine"]
    assert kept.store.count(lacked) == 3
    assert kept.texts(lacked, limit=2) == ["4 mine to both", "6 not mine"]


def test_a_window_begins_after_its_start_and_ends_with_its_end(kept: Kept) -> None:
    for number in range(1, 7):
        kept.say(str(number), BOB, *(() if number % 2 else (ALICE,)))
    assert kept.texts(kept.window(after=2, upto=5)) == ["3", "4", "5"]
    assert kept.texts(kept.window(after=6)) == []
    assert kept.texts(kept.window(upto=0)) == []


def test_a_conversation_begins_with_its_stretch(kept: Kept) -> None:
    kept.say("before")
    kept.say("private before", BOB, ALICE)
    kept.say("after")
    (private,) = kept.direct(ALICE, BOB)
    for after in (0, 1):
        window = Window((Stretch(1, 2), private), ALICE, after, after, 9)
        assert kept.texts(window) == ["private before", "after"]
        assert kept.store.count(window) == 2


def test_of_too_many_the_newest_are_shown_oldest_first(kept: Kept) -> None:
    for number in range(10):
        kept.say(str(number))
    assert kept.texts(kept.window(), limit=3) == ["7", "8", "9"]
    assert kept.store.count(kept.window()) == 10
    assert len(kept.texts(kept.window(), limit=-1)) == 10


def test_a_count_ends_somewhere(kept: Kept) -> None:
    for to in ((), (ALICE,)):
        kept.apply(*(item("x", BOB, *to) for _ in range(MOST_COUNTED + 5)))
        for window in (kept.window(), kept.window(own_after=0)):
            assert kept.store.count(window) == MOST_COUNTED
    assert kept.store.count(kept.window(after=MOST_COUNTED * 2)) == 10


# -- many conversations, of which the query looks only at what it may give --


@pytest.fixture
def busy(kept: Kept) -> Kept:
    """Give a store with conversations of all lengths, mixed and one after another."""
    others = [CAROL, DAVE, *range(5, 30)]
    kept.apply(*(AccountMade(at=0, name=f"u{number}") for number in others[2:]))
    for number in others[2:]:
        kept.apply(Came(at=0, account=number, session=number, name=f"u{number}"))
    batch = [item("early", number, ALICE) for number in others for _ in range(number % 7)]
    batch += [item("mixed", others[number * 7 % 27], ALICE) for number in range(200)]
    batch += [item("mine", ALICE, others[number % 3]) for number in range(50)]
    batch += [item("lobby", BOB) for number in range(120)]
    batch += [item("late", others[number % 5], ALICE) for number in range(9)]
    kept.apply(*batch)
    return kept


@pytest.mark.parametrize("limit", [1, 2, 9, 50, 150, 450, 1000, -1])
@pytest.mark.parametrize("own_after", [0, 10**6, 300])
def test_the_nearest_of_many_are_those_that_a_look_at_all_would_give(
    busy: Kept, limit: int, own_after: int
) -> None:
    everything = busy.store.following(0, 10_000, 10**6)
    stretches = busy.stretches(ALICE)
    for upto in (busy.state.seq, 333, 20):
        lacked = [
            each
            for each in everything
            if each.seq <= upto and (each.sender_id != ALICE or each.seq > own_after)
        ]
        window = Window(stretches, ALICE, 0, own_after, upto)
        found = busy.store.messages(window, limit)
        assert found == (lacked if limit < 0 else lacked[-limit:])
        assert busy.store.count(window) == len(lacked)
        before = [each for each in everything if 20 < each.seq < upto]
        back = busy.store.history(Page(stretches, 20, upto), limit)
        assert back == (before if limit < 0 else before[-limit:])
        forward = busy.store.history(Page(stretches, 20, upto, True), limit)
        assert forward == (before if limit < 0 else before[:limit])


def seqs(messages: Iterable[StoredMessage]) -> list[int]:
    return [each.seq for each in messages]


@pytest.mark.parametrize(
    ("after", "before", "forward", "limit", "expected"),
    [
        (0, NEVER, False, 2, [7, 8]),
        (0, NEVER, True, 2, [1, 2]),
        (3, 8, False, 9, [4, 5, 7]),
        (3, 8, True, 1, [4]),
        (8, NEVER, True, 9, []),
        (0, 2, False, 9, [1]),
    ],
)
def test_a_history_is_of_one_or_several_conversations(
    kept: Kept, after: int, before: int, forward: bool, limit: int, expected: list[int]
) -> None:
    for number in range(1, 9):
        kept.say("x", BOB, *([ALICE], [CAROL], [ALICE, CAROL])[number % 3])
    with_carol = (*kept.direct(BOB, CAROL), *kept.direct(ALICE, BOB, CAROL))
    assert seqs(kept.store.history(Page(with_carol, after, before, forward), limit)) == expected


# -- others --


def test_some_are_those_that_one_may_read(kept: Kept) -> None:
    kept.say("room")
    kept.say("to alice", BOB, ALICE)
    kept.say("to carol", BOB, CAROL)
    kept.say("gone")
    kept.say("last")
    kept.apply(Trimmed(at=NOW, seqs=(4,)))
    kept.apply(AccountMade(at=NOW, name="eve"), Came(at=NOW, account=5, session=5, name="eve"))
    asked = [1, 2, 3, 4, 5, 99]
    found = {
        each: seqs(kept.store.some(asked, kept.stretches(each)))
        for each in (ALICE, BOB, CAROL, DAVE, 5)
    }
    assert found == {ALICE: [5, 2, 1], BOB: [5, 3, 2, 1], CAROL: [5, 3, 1], DAVE: [5, 1], 5: []}


@pytest.mark.parametrize(
    ("after", "limit", "characters", "expected"),
    [(0, 10, 100, [1, 2, 3]), (1, 1, 100, [2]), (0, 10, 9, [1, 2]), (0, 9, 1, [1]), (3, 9, 9, [])],
)
def test_what_follows_has_a_limit_of_messages_and_of_characters(
    kept: Kept, after: int, limit: int, characters: int, expected: list[int]
) -> None:
    for text, to in (("four", ()), ("fours", (ALICE,)), ("x" * 50, (CAROL, DAVE))):
        kept.say(text, BOB, *to)
    assert seqs(kept.store.following(after, limit, characters)) == expected


def test_unread_is_counted_for_each_conversation_up_to_a_number(kept: Kept) -> None:
    """What others said, and how much of it names the reader."""
    for number in range(5):
        kept.say("alice, look" if number > 2 else "x")
        kept.say("alice is me", ALICE)
        if number % 2:
            kept.say("x", BOB, ALICE)
    (private,) = kept.direct(ALICE, BOB)
    lobby, nowhere, number = Stretch(1, 0), Stretch(99, 0), private.conversation
    unread, newest = kept.store.unread, kept.store.last_seq
    assert unread(ALICE, [lobby, private], newest, 3) == {1: (3, 2), number: (2, 0)}
    assert unread(ALICE, [lobby], newest, 1) == {1: (1, 1)}
    assert unread(ALICE, [lobby], 3, 9) == {1: (2, 0)}
    assert unread(ALICE, [Stretch(1, 8), nowhere], newest, 9) == {1: (1, 1), 99: (0, 0)}
    assert unread(BOB, [lobby, private], newest, 9) == {1: (5, 0), number: (0, 0)}
    assert unread(ALICE, [], newest, 9) == {}


def test_what_was_mended_reads_as_it_does_now(kept: Kept) -> None:
    """For everybody, and so do its mentions; of what was deleted only its place is left."""
    mended, deleted = kept.say("alice, hi"), kept.say("alice, go away")
    kept.apply(
        edited(mended, "carol, hi", at=NOW + 1),
        Erased(at=NOW + 2, account=BOB, session=BOB, target=deleted),
        reacted(mended, "👍", ALICE),
        reacted(mended, "+1", CAROL),
        reacted(mended, "👍", CAROL),
    )
    kept.apply(reacted(mended, "+1", CAROL, on=False))
    one, other = kept.store.some([mended, deleted], kept.stretches(DAVE))[::-1]
    assert (one.text, one.edited, one.mentions) == ("carol, hi", NOW + 1, ("carol",))
    assert one.reactions == (("👍", "alice"), ("👍", "carol"))
    assert (other.text, other.deleted, other.mentions) == ("", NOW + 2, ())
    unread = {each: kept.store.unread(each, [LOBBY], 10**6, 9)[1] for each in (ALICE, CAROL)}
    assert unread == {ALICE: (1, 0), CAROL: (1, 1)}


def test_changes_are_those_of_what_one_had_before(kept: Kept) -> None:
    """A message that is given as well reads as it does now, and is not said to have changed."""
    old, new = kept.say("old"), kept.say("new")
    kept.apply(
        edited(old, "mended"),
        edited(new, "mended as well"),
        reacted(old, "👍", ALICE),
        AccountRole(at=NOW, account=BOB, role="admin"),
        TopicSet(at=NOW, account=BOB, session=BOB, room=LOBBY_ID, topic="tea"),
        edited(old, "mended again"),
    )

    def changed(window: Window, limit: int = -1) -> list[tuple[int, str, str]]:
        return [(each.seq, each.kind, each.value) for each in kept.store.changes(window, limit)]

    topic, react = (6, "topic", "tea"), (5, "react", "👍")
    first, last = (3, "edit", "mended again"), (7, "edit", "mended again")
    assert changed(kept.window(after=1)) == [first, topic, last]
    assert changed(kept.window(after=1), 1) == [last]
    assert changed(kept.window(after=1, upto=6)) == [first, topic]
    assert changed(kept.window(CAROL, after=1)) == [first, react, topic, last]
    assert changed(kept.window(CAROL)) == [topic]
    without = replace(kept.window(CAROL, after=1), without=(5, 7))
    assert changed(without) == [first, topic]


def test_how_far_accounts_were_given_everything(kept: Kept) -> None:
    kept.say("x")
    kept.apply(Acked(at=NOW, account=ALICE, upto=1), AccountDeleted(at=NOW, account=CAROL))
    assert kept.store.acked([ALICE, BOB, CAROL, 99]) == {ALICE: 1, BOB: 0}
