"""Ignoring people and conversations: what it hides, and that it is kept."""

import io
from contextlib import closing
from pathlib import Path

import pytest

from chatclient.talk.ignored import Ignored
from chatwire.events import Message, Presence, RoomChanged
from chatwire.replies import ConversationsReply, HistoryReply, Waiting
from chatwire.usage import UsageError

from .fake import FakeServer, Link, at_home, commands
from .screen import NO_HURRY, Screen, logged_in
from .test_plain import plain
from .test_rooms import ALL, CAN, active, take, take_conversations

PLACE = "chat.example.org:4119"


def said(sender: str, room: str = "lobby", seq: int = 1) -> Message:
    return Message(seq=seq, at="2026-11-22T15:24:02Z", sender=sender, room=room, text="hi")


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


WAITING = (
    Waiting(room="ops", newest=9, read=2, unread=5, mentions=1),
    Waiting(with_=("bob",), newest=8, read=1, unread=2, mentions=0),
    Waiting(with_=("carol",), newest=4, read=3, unread=1, mentions=0),
)
IGNORED = "You ignore #ops: 5 unread, 1 for you; bob: 2 unread."


def test_what_the_server_counts_of_it_after_a_login_waits_for_nobody(tmp_path: Path) -> None:
    environ = {"CHAT_CLIENT_VIEW": "all", "XDG_CONFIG_HOME": str(tmp_path)}
    welcome = {"commands": ALL, "can": CAN}
    with logged_in(welcome=welcome, change=NO_HURRY, **environ) as (screen, link):
        take_conversations(link, *WAITING)
        screen.wait_for_status("bob 2 · carol 1 · @you 1")
        screen.wait(lambda: screen.screen.title.startswith("(8) "))
        screen.say("ignore bob")
        active(link)
        screen.say("ignore #ops")
        screen.wait(lambda: screen.status.endswith("│ carol 1"))
        screen.wait(lambda: screen.screen.title.startswith("(1) "))
        link.close()
        screen.wait_for_status("not connected")
        screen.type("\r")
        again = screen.door.open()
        again.take_login_again()
        take_conversations(again, *WAITING)
        screen.wait_for("Connected again.")
        screen.wait(lambda: screen.status.endswith("│ carol 1"))


def test_it_waits_for_nobody_after_a_new_start_either(tmp_path: Path) -> None:
    screen = Screen(80, 24, {"CHAT_PASSWORD": "secret", "XDG_CONFIG_HOME": str(tmp_path)})
    with closing(screen):
        place = f"127.0.0.1:{screen.door.port}"
        for each in ("#ops", "bob"):
            Ignored("alice", place, tmp_path / "chat" / "ignored").change(each)
        link = screen.door.open()
        link.let_in(commands=ALL, can=CAN)
        take_conversations(link, *WAITING)
        screen.wait(lambda: screen.status.endswith("│ carol 1"))
        screen.wait(lambda: screen.screen.title.startswith("(1) "))
        screen.type("unread\r")
        active(link)
        take(link, "unread", ConversationsReply(op="unread", conversations=WAITING))
        screen.wait_for(f"carol: 1 unread\n{IGNORED}")
        screen.wait_for_line(">")
        screen.say("next")
        assert take(link, "history", HistoryReply(messages=(), more=False))["with"] == ["carol"]
        screen.wait_for_line("carol>")
        link.send(said("bob", seq=10), said("carol", "ops", seq=11), said("dave", seq=12))
        screen.wait_for("dave: hi")
        assert screen.bells == 0
        screen.say("/next")
        screen.wait_for("Nothing else waits to be read.")


def test_lines_tell_of_it_when_they_are_asked_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def play(link: Link) -> None:
        link.answer("unread", ConversationsReply(op="unread", conversations=WAITING))

    with FakeServer(at_home(play, commands=commands("unread", "logout"))) as server:
        place = f"127.0.0.1:{server.port}"
        for each in ("#ops", "bob"):
            Ignored("alice", place, tmp_path / "chat" / "ignored").change(each)
        out = io.StringIO()
        plain(server, io.BytesIO(b"unread\n"), out).run()
    assert [line[6:] for line in out.getvalue().splitlines()[-2:]] == ["carol: 1 unread", IGNORED]
