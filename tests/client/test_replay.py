"""A replay is held until it is whole, and given without what this client itself said."""

import pytest

from chatclient.errors import LinkLost
from chatclient.link import backlog
from chatclient.link.replay import Replay
from chatclient.link.seen import Seen
from chatwire.protocol import LoginReply, Presence, Replayed

from .fake import message


def welcome(*, missed: int, busy: bool = False) -> LoginReply:
    return LoginReply(re=1, name="me", online=(), seq=9, missed=missed, busy=busy, hidden=False)


@pytest.mark.parametrize(("missed", "busy"), [(0, False), (3, True)])
def test_where_none_is_to_come_it_is_whole(missed: int, busy: bool) -> None:
    replay = Replay(welcome(missed=missed, busy=busy))
    assert replay.whole
    [login] = replay.events(Seen("me"))
    assert isinstance(login, LoginReply)
    assert login.missed == missed  # held by the server


def test_the_welcome_counts_what_is_new_to_the_program() -> None:
    replay, seen = Replay(welcome(missed=3)), Seen("me", upto=1)
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
    seen.note_said(2)  # the answer came last
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
