"""The line at the bottom."""

import time

import pytest

from chatclient.link.keeper import LinkState
from chatclient.screen.output import cut
from chatclient.screen.statusline import StatusLine
from chatclient.talk.conversation import Conversation
from chatwire.events import Event
from chatwire.replies import Reply, StatusReply

from .fake import welcome

WIDE = 200


def line(*events: Event) -> StatusLine:
    status = StatusLine("host:4119", "TLS")
    for event in events:
        status.hear(event)
    return status


def test_what_it_says() -> None:
    assert line().text(None, (), 0, WIDE) == " host:4119 TLS │ nobody else here"
    assert line().text(Conversation(), ("bob",), 2, WIDE) == (
        " host:4119 TLS │ → lobby │ here: bob │ 2 not sent yet"
    )


def test_a_server_that_does_not_answer_is_told_in_place_of_its_name() -> None:
    status = line()
    status.unanswered_seconds = 14.9
    assert "no answer" not in status.text(None, (), 0, WIDE)
    status.unanswered_seconds = 15.2
    assert status.text(None, (), 0, WIDE) == " no answer for 15 s │ nobody else here"
    assert status.text(None, (), 0, 20) == " no answer for 15 s"
    status.link_changed(LinkState("connecting"))
    assert "no answer" not in status.text(None, (), 0, WIDE)


def test_many_names_are_cut_short() -> None:
    names = tuple(f"person{number}" for number in range(12))
    text = line().text(Conversation(names), names, 0, WIDE)
    assert text.count("person0, person1, person2 +9") == 2
    assert "here: " + "x" * 32 + " +1" in line().text(None, ("x" * 32, "y"), 0, WIDE)


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (78, " host:4119 TLS │ → bob │ here: bob, carol │ busy │ bob 2 · #ops 5 · @you 1"),
        (68, " host:4119 TLS │ → bob │ 2 here │ busy │ bob 2 · #ops 5 · @you 1"),
        (55, " → bob │ 2 here │ busy │ bob 2 · #ops 5 · @you 1"),
        (42, " 2 here │ busy │ bob 2 · #ops 5 · @you 1"),
        (30, " busy │ bob 2 · #ops 5 +1"),
        (5, " busy │ bob 2 · #ops 5 +1"),
    ],
)
def test_what_matters_least_makes_room(columns: int, text: str) -> None:
    unread = ("bob 2", "#ops 5", "@you 1")
    status = line(Reply(op="busy"))
    assert status.text(Conversation(("bob",)), ("bob", "carol"), 0, columns, unread) == text


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (90, " host:4119 TLS │ → bob │ here: bob, carol │ bob 2 · #ops 5 · @you 1 │ bob is typing"),
        (78, " host:4119 TLS │ → bob │ 2 here │ bob 2 · #ops 5 · @you 1 │ bob is typing"),
        (66, " → bob │ 2 here │ bob 2 · #ops 5 · @you 1 │ bob is typing"),
        (49, " 2 here │ bob 2 · #ops 5 · @you 1 │ bob is typing"),
        (48, " → bob │ 2 here │ bob 2 · #ops 5 · @you 1"),
        (24, " bob 2 · #ops 5 +1"),
    ],
)
def test_who_is_writing_takes_no_room_from_what_waits(columns: int, text: str) -> None:
    unread = ("bob 2", "#ops 5", "@you 1")
    there, here = Conversation(("bob",)), ("bob", "carol")
    assert line().text(there, here, 0, columns, unread, "bob is typing") == text


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (80, " host:4119: not connected, trying again in 5 s (Enter: now) │ 1 not sent yet"),
        (70, " not connected, trying again in 5 s (Enter: now) │ 1 not sent yet"),
        (55, " not connected, trying again in 5 s │ 1 not sent yet"),
        (20, " offline, 5 s │ 1 not sent yet"),
    ],
)
def test_the_countdown(monkeypatch: pytest.MonkeyPatch, columns: int, text: str) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    status = line()
    status.link_changed(LinkState("waiting", 7.3, "Gone."))
    assert "trying again in 8 s" in status.text(None, (), 0, WIDE)
    now = 102.9
    assert status.text(None, (), 1, columns) == text
    now = 999.0
    assert "trying again in 0 s" in status.text(None, (), 0, WIDE)
    status.link_changed(LinkState("connecting"))
    assert status.text(None, ("bob",), 0, WIDE) == " host:4119: connecting …"
    status.link_changed(LinkState("connected"))
    assert status.connected


def test_how_the_person_stands() -> None:
    status = line(welcome(missed=4, busy=True, hidden=True))
    assert (status.busy, status.held, status.hidden) == (True, 4, True)
    status.hear(Reply(op="idle"))
    status.hear(Reply(op="appear"))
    assert (status.busy, status.held, status.hidden) == (False, 0, False)
    status.hear(StatusReply(name="alice", busy=True, hidden=False, held=7))
    status.hear(Reply(op="hide"))
    assert "busy, 7 held │ hidden" in status.text(None, (), 0, WIDE)


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("hello", 5, "hello"),
        ("hello!", 5, "hell…"),
        ("世界世界", 8, "世界世界"),
        ("世界世界", 7, "世界世…"),
        ("世界世界", 6, "世界…"),
        ("e\u0301e\u0301", 2, "e\u0301e\u0301"),
        ("hello", 1, "…"),
        ("", 0, ""),
    ],
)
def test_a_line_is_cut_where_the_row_ends(text: str, columns: int, shown: str) -> None:
    assert cut(text, columns) == shown
