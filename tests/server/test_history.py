"""The commands history and search: whose messages they show, in which pages, and to whom."""

from types import SimpleNamespace
from typing import Any

import pytest

from chatserver.commands.dispatcher import dispatch
from chatserver.dialects.text import RENDERER as TEXT
from chatserver.dialects.text import TextDialect, TextRequest
from chatserver.search.parts import Scope
from chatwire.events import Error
from chatwire.replies import HistoryReply

from .fakes import Event, FakeClock, Pair, index_all, refusal, request


def said(event: Event) -> tuple[list[str], bool]:
    assert event["event"] == "reply", event
    return [each["text"] for each in event["messages"]], event["more"]


@pytest.fixture
def talked(pair: Pair) -> Pair:
    """Give a pair that has talked: numbers 1 to 4."""
    pair.server.say(pair.alice, "room 1")
    pair.server.say(pair.alice, "to bob 2", "bob")
    pair.server.say(pair.bob, "to alice 3", "alice")
    pair.server.say(pair.bob, "room 4")
    return pair


@pytest.fixture
def mixed(pair: Pair) -> Pair:
    """Give a pair who has talked alone, and among others."""
    (carol,) = pair.server.joined("Carol")
    pair.server.say(pair.alice, "1 alone", "bob")
    pair.server.say(pair.bob, "2 among us", "alice", "Carol")
    pair.server.say(carol, "3 carol among us", "alice", "bob")
    pair.server.say(pair.alice, "4 among all", "bob", "Carol", "dave")
    pair.server.say(pair.alice, "5 to myself", "alice")
    pair.server.say(pair.bob, "6 not mine", "Carol")
    return pair


@pytest.mark.parametrize(
    ("fields", "texts", "more"),
    [
        ({}, ["room 1", "room 4"], False),
        ({"room": "lobby"}, ["room 1", "room 4"], False),
        ({"with": "BOB"}, ["to bob 2", "to alice 3"], False),
        ({"with": "dave"}, [], False),
        ({"limit": 1}, ["room 4"], True),
        ({"before": 4}, ["room 1"], False),
        ({"after": 1}, ["room 4"], False),
        ({"after": 0, "limit": 1}, ["room 1"], True),
    ],
    ids=str,
)
def test_history_is_that_of_the_room_or_of_a_conversation_and_comes_in_pages(
    talked: Pair, fields: dict[str, object], texts: list[str], more: bool
) -> None:
    assert said(talked.alice_asks("history", **fields)) == (texts, more)


@pytest.mark.parametrize(
    ("with_", "texts"),
    [
        ("bob", ["1 alone", "2 among us", "4 among all"]),
        (["BOB"], ["1 alone", "2 among us", "4 among all"]),
        (["bob", "Bob"], ["1 alone", "2 among us", "4 among all"]),
        ("carol", ["3 carol among us", "4 among all"]),
        ("dave", ["4 among all"]),
        ("alice", ["5 to myself"]),
        (["bob", "carol"], ["2 among us", "3 carol among us"]),
        (["CAROL", "bob", "alice"], ["2 among us", "3 carol among us"]),
        (["bob", "alice"], ["1 alone"]),
        (["bob", "carol", "dave"], ["4 among all"]),
        (["carol", "dave"], []),
        ("lobby", []),
    ],
    ids=str,
)
def test_history_with_one_is_what_both_said_and_with_several_what_those_said(
    mixed: Pair, with_: object, texts: list[str]
) -> None:
    fields = {"with": with_}
    assert said(mixed.alice_asks("history", **fields)) == (texts, False)
    assert said(mixed.alice_asks("history", limit=1, **fields)) == (texts[-1:], len(texts) > 1)
    rest = said(mixed.alice_asks("history", after=1, **fields))[0]
    assert rest == [each for each in texts if not each.startswith("1")]


def test_history_is_read_in_words(mixed: Pair) -> None:
    dialect = TextDialect(0)
    dialect.ready(logged_in=True)
    for typed, texts in (
        (b"history (bob carol)", ["2 among us", "3 carol among us"]),
        (b"history (bob, CAROL) 1", ["3 carol among us"]),
        (b"history bob 1", ["4 among all"]),
        (b"history 5", []),
    ):
        asked = dialect.read(typed)
        assert isinstance(asked, TextRequest)
        event = dispatch(mixed.as_alice, asked)
        assert isinstance(event, HistoryReply)
        assert [each.text for each in event.messages] == texts
        words = TEXT.answer(asked, event, "alice").decode()
        assert all(text in words for text in texts)
    asked = dialect.read(b"history (bob bbo crl)")
    assert isinstance(asked, TextRequest)
    refused = dispatch(mixed.as_alice, asked)
    assert isinstance(refused, Error)
    assert TEXT.answer(asked, refused).decode() == "-- No such user: bbo, crl.\n"


def test_who_only_asks_for_a_history_names_nobody_anew(pair: Pair) -> None:
    """An account that has never been here gets its number by its own spelling."""
    pair.alice_asks("history", **{"with": ["CAROL", "bob"]})
    assert pair.server.account("carol").name == "Carol"


def test_history_begins_when_one_came_first(talked: Pair) -> None:
    as_dave = talked.server.context(*talked.server.joined("dave"))
    assert said(talked.server.ask(as_dave, "history")) == ([], False)
    assert said(talked.server.ask(as_dave, "history", after=0)) == ([], False)
    talked.server.say(talked.alice, "room 5")
    assert said(talked.server.ask(as_dave, "history")) == (["room 5"], False)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"with": "bbo"}, "no_such_user"),
        ({"with": ["bob", "bbo"]}, "no_such_user"),
        ({"with": ["bob", "lobby"]}, "no_such_user"),
        ({"with": ["bob"] * 101}, "bad_request"),
        ({"with": []}, "bad_request"),
        ({"with": ["bob"], "room": "lobby"}, "bad_request"),
        ({"with": "bob", "room": "lobby"}, "bad_request"),
        ({"room": "kitchen"}, "no_such_room"),
        ({"before": 3, "after": 1}, "bad_request"),
        ({"limit": 0}, "bad_request"),
        ({"limit": 501}, "bad_request"),
        ({"before": -1}, "bad_request"),
    ],
)
def test_history_that_makes_no_sense_is_refused(
    pair: Pair, fields: dict[str, object], code: str
) -> None:
    assert refusal(pair.alice_asks("history", **fields))[0] == code


@pytest.mark.parametrize("field", ["before", "after"])
def test_a_number_beyond_all_messages_is_no_bug(pair: Pair, field: str) -> None:
    assert pair.alice_asks("history", **{field: 2**63}).get("code") != "internal"


def test_an_answer_fits_into_an_outbox(pair: Pair) -> None:
    with pair.server.paused():
        for _ in range(400):
            pair.server.say(pair.bob, "x" * 4000)
    pair.alice.events()
    event = dispatch(pair.as_alice, request("history", limit=400))
    assert isinstance(event, HistoryReply)
    pair.as_alice.answer(event)  # as the handler does
    assert pair.alice.ending is None


def test_search_finds_what_one_may_read(talked: Pair) -> None:
    index_all(talked.server.index)
    assert said(talked.alice_asks("search", query="room")) == (["room 4", "room 1"], False)
    assert said(talked.bob_asks("search", query="to*", limit=1)) == (["to alice 3"], True)
    as_dave = talked.server.context(*talked.server.joined("dave"))
    assert said(talked.server.ask(as_dave, "search", query="to* room*")) == ([], False)


@pytest.mark.parametrize(
    ("took", "query", "rests"),
    [
        (0.0, "hi", 20),
        (0.013, "hi", 7),
        (0.021, "hi", 19),
        (0.05, '"hi ho"', 10),
        (0, "in:#no x", 20),
    ],
)
def test_the_answer_to_a_search_comes_at_a_multiple_of_20_ms(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, took: float, query: str, rests: int
) -> None:
    """Also a refusal; and others search meanwhile, from the same account too."""
    clock = FakeClock()
    index = pair.server.index
    waited: list[float] = []
    search = index.search

    def slow(*arguments: Any) -> Any:
        clock.advance(took)
        return search(*arguments)

    def rest(seconds: float) -> None:
        waited.append(seconds)
        assert list(search('text:"hi"', 1, Scope(()), 1)) is not None

    monkeypatch.setattr("chatserver.commands.past.time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(index, "search", slow)
    monkeypatch.setattr(pair.alice.connection, "rest", rest)
    pair.alice_asks("search", query=query)
    assert [round(each * 1000, 3) for each in waited] == [rests]


def test_a_search_that_takes_too_long_has_what_was_found_and_says_that_there_may_be_more(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no refusal, whoever said what takes so long."""
    pair.server.say(pair.alice, "hi")
    index_all(pair.server.index)
    monkeypatch.setattr("chatserver.search.index._BUDGET_SECONDS", -1.0)
    found = pair.bob_asks("search", query="hi")
    assert (found["messages"], found["more"]) == ([], True)
