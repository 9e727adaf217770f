"""Events as lines with a time before them."""

import re
from datetime import datetime, timedelta

import pytest

from chatclient.talk.lines import stamped_lines
from chatwire.events import Event, Message, Presence
from chatwire.protocol import timestamp
from chatwire.replies import Here, HistoryReply, SearchReply, WhoReply

from .fake import message

NOW = datetime.now().astimezone().replace(hour=12, minute=30)
NOON = timestamp(int(NOW.timestamp() * 1000))
LONG_AGO = timestamp(int((NOW - timedelta(days=400)).timestamp() * 1000))
DATE = f"{NOW - timedelta(days=400):%Y-%m-%d}"


def said(text: str, at: str = NOON) -> Message:
    return Message(seq=1, at=at, sender="bob", room="lobby", text=text)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (said("hi"), "12:30 bob: hi"),
        (said("two\n  lines\n\nalice: no"), "12:30 bob: two / lines /  / alice: no"),
        (said("\x1b[2Jhi\r\nx"), "12:30 bob: [2Jhi / x"),
        (said("old", LONG_AGO), f"{DATE} 12:30 bob: old"),
        (said("?", "yesterday"), "--:-- bob: ?"),
        (said("?", "9999-12-31T23:59:59+00:00"), None),
        (message(1, "psst", to=("alice",)), None),
    ],
)
def test_a_message_is_one_line(event: Message, line: str | None) -> None:
    lines = stamped_lines(event, "alice")
    assert len(lines) == 1
    if line is not None:
        assert lines == [line]


def test_each_time_with_its_day() -> None:
    assert stamped_lines(said("hi"), "alice", dated=True) == [f"{NOW:%Y-%m-%d} 12:30 bob: hi"]


@pytest.mark.parametrize(
    "event",
    [
        Presence(name="bob", state="online"),
        WhoReply(users=(Here(name="bob", busy=False, idle_seconds=1),) * 3),
    ],
)
def test_an_answer_begins_with_the_time_and_goes_on_with_blanks(event: Event) -> None:
    first, *others = stamped_lines(event, "alice")
    assert re.match(r"\d\d:\d\d \S", first)
    assert all(line.startswith(" " * 6) for line in others)


def test_what_has_no_words_has_no_line() -> None:
    assert stamped_lines(Presence(name="bob", state="of a later version"), "alice") == []


@pytest.mark.parametrize("kind", [HistoryReply, SearchReply])
def test_the_past_is_one_dated_line_a_message(kind: type[HistoryReply | SearchReply]) -> None:
    event = kind(messages=(said("a\nb", LONG_AGO), said("c")), more=False)
    first, second, *others = stamped_lines(event, "alice")
    assert first == f"{DATE} 12:30 bob: a / b"
    assert second == f"{NOW:%Y-%m-%d} 12:30 bob: c"
    assert all(re.match(r"\d\d:\d\d | {6}", line) for line in others)
