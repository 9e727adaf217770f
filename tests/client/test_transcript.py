"""Events as lines: time, days, colours, and nothing that steers a screen."""

import re
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from chatclient.talk.colours import Colours, colours_wanted
from chatclient.talk.transcript import Piece, Transcript, plain_lines
from chatwire.events import Error, Event, Hello, Message
from chatwire.replies import HistoryReply, SearchReply

from .fake import message

TODAY = date(2026, 11, 22)
EVENING = "2026-11-22T15:24:02.123Z"
TOMORROW = date(2026, 11, 23)
"""The day of that evening, as Tokyo has it."""


@pytest.fixture(autouse=True)
def _in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("this system cannot change its time zone in a process")
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def text_of(lines: list[list[Piece]]) -> list[str]:
    return ["".join(text for _, text in line) for line in lines]


def shown(transcript: Transcript, event: Event) -> list[str]:
    return text_of(transcript.lines(event))


def at(moment: str, text: str = "hi") -> Message:
    return Message(seq=1, at=moment, sender="bob", room="lobby", text=text)


def test_messages_have_local_time_and_days_a_line() -> None:
    transcript = Transcript("alice", Colours(on=False), TODAY)
    assert shown(transcript, at("2026-11-21T03:00:00.000Z")) == [
        "--- Saturday, 21 November 2026 ---",
        "12:00 bob: hi",
    ]
    assert shown(transcript, at("2026-11-21T14:59:59.999Z")) == ["23:59 bob: hi"]
    assert shown(transcript, at("2026-11-21T15:00:00.000Z")) == [
        "--- Sunday, 22 November 2026 ---",
        "00:00 bob: hi",
    ]
    assert shown(transcript, at("2026-11-22T01:00:00.000Z")) == ["10:00 bob: hi"]


@pytest.mark.parametrize(
    ("moment", "text", "lines"),
    [
        ("2026-11-22T01:00:00.000Z", "hi", ["10:00 bob: hi"]),  # today needs no line
        ("", "hi", ["--:-- bob: hi"]),
        ("yesterday", "hi", ["--:-- bob: hi"]),
        ("2026-13-01T00:00:00Z", "hi", ["--:-- bob: hi"]),
        (
            "2026-11-22T01:00:00.000Z",
            "hi\n10:00 carol: I quit",
            ["10:00 bob: hi", "          10:00 carol: I quit"],
        ),
    ],
)
def test_a_message_has_its_time_and_indented_lines(
    moment: str, text: str, lines: list[str]
) -> None:
    transcript = Transcript("alice", Colours(on=False), TODAY)
    assert shown(transcript, at(moment, text)) == lines


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (Error(code="internal", text="oops\nbob: I quit"), ["oops\n    bob: I quit"]),
        (Hello(server="x"), []),
        (message(1, "a\nb"), ["bob: a", "    b"]),
        (message(1, "psst", to=("alice",)), ["bob → you: psst"]),
    ],
)
def test_plain_lines_have_no_time(event: Event, lines: list[str]) -> None:
    assert plain_lines(event, "alice") == lines


def test_a_name_has_its_colour() -> None:
    colours = Colours(on=True)
    assert colours.name("Bob") == colours.name("bob")
    transcript = Transcript("alice", colours, TOMORROW)
    [[_, name, text]] = transcript.lines(message(1, "hi", at=EVENING))
    assert name == (colours.name("bob"), "bob")
    assert text == ("", ": hi")


def test_no_colours_at_all() -> None:
    transcript = Transcript("alice", Colours(on=False), TOMORROW)
    lines = transcript.lines(message(1, "hi", at=EVENING)) + transcript.error("oops")
    assert {style for line in lines for style, _ in line} == {""}


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, True),
        ({"TERM": "xterm-256color"}, True),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "0"}, False),
        ({"NO_COLOR": "1", "TERM": "xterm"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "unknown"}, False),
    ],
)
def test_when_there_are_colours(environ: dict[str, str], wanted: bool) -> None:
    assert colours_wanted(environ) is wanted


@pytest.mark.parametrize("kind", [HistoryReply, SearchReply])
def test_what_was_said_before_is_shown_with_its_day(kind: type[HistoryReply | SearchReply]) -> None:
    said = Message(
        seq=1, at="2026-11-22T12:00:00.000Z", sender="bob", room="lobby", text="hi\n\x1bx"
    )
    lines = plain_lines(kind(messages=(said,), more=False), "alice")
    assert re.fullmatch(r"2026-11-2[123] \d\d:\d\d bob: hi", lines[0])
    assert lines[1:] == ["    x", "That is all."]


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("alice", "alice", ["alice"]),
        ("hello Alice!", "alice", ["Alice"]),
        ("(alice) ALICE: alice, alice.", "alice", ["alice", "ALICE", "alice", "alice"]),
        ("@alice's", "alice", ["alice"]),
        ("alice: malice alice2 alice_x alice-2 my-alice alice.b", "alice", ["alice"]),
        ("alice älice éalice 世alice alice@example.org", "alice", ["alice"]),
        ("axb, a.b", "a.b", ["a.b"]),
        ("ask a.b.", "a.b", ["a.b"]),
        ("one\ntwo ALICE\nthree", "alice", ["ALICE"]),
    ],
)
def test_the_own_name_is_bold_where_the_server_has_found_it(
    text: str, name: str, found: list[str]
) -> None:
    def bold(**more: Any) -> list[str]:
        lines = Transcript(name, Colours(on=False), TODAY).lines(message(1, text, **more))
        return [piece for line in lines for style, piece in line if style == "bold"]

    assert bold(mentions=("bob", name.upper())) == found
    assert bold(mentions=("bob",)) == bold() == []
    assert bold(mentions=(name,), replay=True) == []


def test_what_an_old_message_answers_stands_over_its_words() -> None:
    answer = message(2, "yes", at=EVENING, reply_to=1)
    history = HistoryReply(messages=(message(1, "tea?", at=EVENING), answer), more=True)
    lines = shown(Transcript("alice", Colours(on=False), TODAY), history)
    assert lines[1:3] == [
        f"{'':17}↱ an older message; around ^1 shows it",
        "2026-11-23 00:24 bob: yes",
    ]
