"""Ignoring people and conversations: what it hides, and that it is kept."""

from pathlib import Path

import pytest

from chatclient.talk.ignored import Ignored
from chatwire.events import Message, Presence, RoomChanged
from chatwire.replies import HistoryReply
from chatwire.usage import UsageError

PLACE = "chat.example.org:4119"


def said(sender: str, room: str = "lobby") -> Message:
    return Message(seq=1, at="2026-11-22T15:24:02Z", sender=sender, room=room, text="hi")


def privately(sender: str, *to: str) -> Message:
    return Message(seq=1, at="2026-11-22T15:24:02Z", sender=sender, to=to, text="hi")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "chat" / "ignored"


def test_a_person_is_ignored_everywhere(file: Path) -> None:
    ignored = Ignored("alice", PLACE, file)
    assert ignored.change("Bob") == "You hear nothing of bob any more; ignore -bob ends that."
    for event in (said("BOB"), said("bob", "ops"), privately("bob", "alice", "carol")):
        assert ignored.hides(event)
    assert ignored.hides(Presence(name="bob", state="online"))
    assert not ignored.hides(said("carol"))
    assert not ignored.hides(privately("carol", "alice", "bob"))
    past = HistoryReply(messages=(said("bob"), said("carol")), more=False)
    assert [each.sender for each in ignored.without(past).messages] == ["carol"]


def test_a_conversation_is_ignored_whoever_speaks(file: Path) -> None:
    ignored = Ignored("alice", PLACE, file)
    ignored.change("#Ops")
    ignored.change("(carol bob)")
    assert ignored.hides(said("bob", "ops"))
    assert ignored.hides(RoomChanged(seq=1, at="", sender="bob", room="ops", change="joined"))
    assert ignored.hides(privately("bob", "alice", "carol"))
    assert not ignored.hides(privately("bob", "alice"))
    assert not ignored.hides(said("bob"))
    past = HistoryReply(messages=(said("bob", "ops"),), more=False)
    assert ignored.without(past) is past  # it was asked for
    assert ignored.change("") == "You ignore #ops, (bob carol)."


def test_it_is_kept_for_each_server_and_ends(file: Path) -> None:
    Ignored("alice", PLACE, file).change("bob")
    Ignored("alice", "elsewhere:4119", file).change("lobby")
    again = Ignored("alice", PLACE, file)
    assert again.hides(said("bob"))
    assert not again.hides(said("carol"))
    assert again.change("-BOB") == "You hear of bob again."
    assert not again.hides(said("bob"))
    assert Ignored("alice", PLACE, file).change("") == "You ignore nobody."
    assert Ignored("alice", "elsewhere:4119", file).change("") == "You ignore #lobby."


def test_what_makes_no_sense_changes_nothing(file: Path) -> None:
    ignored = Ignored("alice", PLACE, file)
    for typed in ("alice", "-bob", "-", "()"):
        with pytest.raises(UsageError):
            ignored.change(typed)
    assert not file.exists()
    file.parent.write_text("no folder")
    with pytest.raises(UsageError, match="cannot be kept"):
        ignored.change("bob")
    assert not ignored.hides(said("bob"))
