"""A replay is whole when it is given, and nothing is given twice or to who said it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatclient.errors import LinkLost
from chatclient.link import backlog
from chatclient.link.replay import Replay
from chatclient.link.seen import Seen
from chatwire.events import Message, Numbered, Presence, Reacted, Replayed
from chatwire.replies import LoginReply

from .fake import message, welcome

STEPS = st.lists(
    st.tuples(
        st.sampled_from(("own", "came")),
        st.sampled_from((Message, Reacted)),
        st.sampled_from(("me", "ME", "bob")),
        st.integers(1, 30),
    ),
    max_size=60,
)


def reaction(seq: int, sender: str) -> Reacted:
    at = "2030-01-01T00:00:00.000Z"
    return Reacted(seq=seq, at=at, sender=sender, target=1, reaction="+1", on=True)


@given(st.integers(0, 20), STEPS)
def test_nothing_is_given_twice_or_back_to_who_did_it(
    upto: int, steps: list[tuple[str, type[Numbered], str, int]]
) -> None:
    seen = Seen("Me", upto)
    had, own = {*range(upto + 1)}, dict[int, type[Numbered]]()
    for what, kind, sender, seq in steps:
        if what == "own":
            seen.note_own(seq, kind)
            own[seq] = kind
            continue
        mine = own.pop(seq, None) is kind and sender != "bob"
        event = message(seq, "hi", sender) if kind is Message else reaction(seq, sender)
        assert bool(seen.fresh(event)) == (not mine and seq not in had)
        had |= {*range(seq + 1)}
        assert seen.upto == max(had)


def test_the_last_that_others_said_is_known() -> None:
    seen = Seen("me")
    for event in (
        message(2, "hi"),
        message(3, "psst", to=("me",)),
        message(4, "hi"),
        message(5, "hi", "ME"),
        reaction(6, "bob"),
    ):
        seen.fresh(event)
    assert (seen.heard, seen.told, seen.upto) == (4, 3, 6)


@pytest.mark.parametrize(
    ("more", "upto"),
    [
        pytest.param({}, 9, id="nothing follows"),
        pytest.param({"missed": 1}, 4, id="messages do"),
        pytest.param({"replay": True}, 4, id="changes do"),
        pytest.param({"missed": 1, "busy": True}, 9, id="they are held"),
    ],
)
def test_who_is_let_in_has_had_what_does_not_follow(more: dict[str, Any], upto: int) -> None:
    assert Seen.since(welcome("me", seq=9, **more), 4).upto == upto


def test_the_newest_of_many_that_were_said_are_known_again() -> None:
    seen = Seen("me")
    for seq in range(1, 5001):
        seen.note_own(seq, Message)
    assert not any(seen.fresh(message(seq, "hi", "me")) for seq in range(4001, 5001))


def test_the_end_of_a_replay_counts_what_was_given_of_it() -> None:
    seen = Seen("me")
    seen.note_own(2, Message)
    held = [
        message(1, "hi", replay=True),
        message(2, "hi", "me", replay=True),
        Replayed(count=2, more=0),
    ]
    assert [each for event in held for each in seen.fresh(event)] == [
        held[0],
        Replayed(count=1, more=0),
    ]
    assert seen.fresh(Replayed(count=1, more=0)) == []  # nobody has seen it begin
    assert seen.fresh(Replayed(count=1, more=5)) == [Replayed(count=0, more=5)]


@pytest.mark.parametrize(("missed", "busy"), [(0, False), (3, True)])
def test_where_none_is_to_come_it_is_whole(missed: int, busy: bool) -> None:
    replay = Replay(welcome("me", missed=missed, busy=busy))
    assert replay.whole
    [login] = replay.events(Seen("me"))
    assert isinstance(login, LoginReply)
    assert login.missed == missed  # held by the server


def test_the_welcome_counts_what_is_new_to_the_program() -> None:
    replay, seen = Replay(welcome("me", missed=3)), Seen("me", upto=1)
    before = Presence(name="bob", state="online")
    for event in (
        before,
        message(1, "had", replay=True),
        message(2, "mine", sender="me", replay=True),
        message(3, "new", replay=True),
    ):
        replay.hold(event)
        assert not replay.whole
    replay.hold(Replayed(count=3, more=0))
    assert replay.whole
    seen.note_own(2, Message)  # the answer came last
    login, *rest = replay.events(seen)
    assert isinstance(login, LoginReply)
    assert login.missed == 1
    assert rest == [before, message(3, "new", replay=True), Replayed(count=1, more=0)]


def test_a_replay_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatclient.link.replay.MOST_BYTES", 5 * backlog.size_of(message(1, "x")))
    replay = Replay(welcome(missed=9))
    for seq in range(1, 6):
        replay.hold(message(seq, "x"))
    with pytest.raises(LinkLost, match="without end"):
        replay.hold(message(6, "x"))
