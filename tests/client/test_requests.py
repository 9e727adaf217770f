"""What was asked and not answered: kept over links where it has a key, failed where it has none."""

from concurrent.futures import Future
from itertools import count
from typing import cast

import pytest

from chatclient.errors import LinkLost, Refused
from chatclient.link.connection import Connection
from chatclient.link.requests import LINK_LOST, UNSENT_LIMIT, Asked, Requests
from chatwire.events import Error
from chatwire.replies import Reply


class Link:
    """All that requests want of a connection; `dead` it takes nothing."""

    def __init__(self, *, dead: bool = False) -> None:
        self.number = count(1).__next__
        self.sent: list[tuple[int, object]] = []
        self.dead = dead

    def post(self, _op: str, number: int, **fields: object) -> int:
        if self.dead:
            raise LinkLost("gone")
        self.sent.append((number, fields["text"]))
        return number


def connect(requests: Requests, link: Link | None = None) -> tuple[Link, Connection]:
    link = link or Link()
    connection = cast("Connection", link)
    requests.send_again(connection)
    return link, connection


def ask(requests: Requests, op: str, text: str = "hi") -> Asked:
    request = requests.make(op, {"text": text})
    assert requests.ask(request) is None
    return request


def refused(requests: Requests, op: str) -> str:
    problem = requests.ask(requests.make(op, {}))
    assert problem is not None
    return problem.code


def test_an_answer_finds_its_request_once() -> None:
    requests = Requests()
    connect(requests)
    first, second = ask(requests, "who"), ask(requests, "who")
    assert requests.settle(Reply(op="who", re=2)) is second
    assert requests.settle(Reply(op="who", re=2)) is None
    assert requests.settle(Reply(op="who")) is None
    assert requests.any_open({first.number, second.number})
    [(left, answer)] = requests.end("over")
    assert (left, answer) == (first, Error(code=LINK_LOST, text="over"))


def test_what_has_a_key_goes_over_to_the_next_link_in_its_order() -> None:
    requests = Requests()
    said = [ask(requests, "broadcast", "before")]
    link, old = connect(requests)
    said.append(ask(requests, "send", "sent"))
    asked = ask(requests, "who", "who")
    assert link.sent == [(1, "before"), (2, "sent"), (3, "who")]
    [(failed, answer)] = requests.let_go(old, LINK_LOST, "gone")
    assert (failed, answer.code) == (asked, LINK_LOST)
    said.append(ask(requests, "broadcast", "between"))
    assert refused(requests, "who") == LINK_LOST
    assert all(each.fields["key"] for each in said)
    assert requests.kept == [each.fields for each in said]
    assert requests.settle(Reply(op="broadcast", re=1)) is None  # a number of the old link
    link = Link()
    assert requests.send_again(cast("Connection", link)) == {each.number for each in said}
    assert [text for _, text in link.sent] == ["before", "sent", "between"]
    assert requests.settle(Reply(op="broadcast", re=1)) is said[0]


@pytest.mark.parametrize(
    ("op", "fields", "kept"),
    [
        ("join", {}, True),
        ("edit", {}, True),
        ("react", {}, False),  # to the last there is, which may be another by then
        ("react", {"target": 3}, True),
        ("answer", {"target": None}, False),
        ("rooms", {}, False),
    ],
)
def test_what_means_the_same_later_is_asked_again(
    op: str, fields: dict[str, object], kept: bool
) -> None:
    request = Requests().make(op, fields)
    assert request.kept == kept
    assert ("key" in request.fields) == (op != "rooms")


def test_what_could_not_be_sent_waits_for_the_next_link() -> None:
    requests = Requests()
    _, old = connect(requests, Link(dead=True))
    ask(requests, "send", "hi")
    assert requests.let_go(old, None, "gone") == []
    link, _ = connect(requests)
    assert link.sent == [(1, "hi")]


def test_who_was_about_to_send_on_a_lost_link_does_not() -> None:
    requests = Requests()
    link, old = connect(requests)
    request = ask(requests, "send")
    requests.let_go(old, None, "gone")
    requests._send(request, old)  # a thread that was not as fast as the keeper
    assert link.sent == [(1, "hi")]


def test_the_longest_is_given_up_where_a_line_was_too_long() -> None:
    requests = Requests()
    _, connection = connect(requests)
    ask(requests, "broadcast")
    long = ask(requests, "broadcast", "x" * 100)
    [(failed, answer)] = requests.let_go(connection, "line_too_long", "too long")
    assert (failed, answer.code) == (long, "line_too_long")
    assert len(requests.kept) == 1


def test_there_is_a_most() -> None:
    requests = Requests()
    for _ in range(UNSENT_LIMIT):
        ask(requests, "send")
    assert refused(requests, "send") == "try_later"


@pytest.mark.parametrize("end", [lambda each: each.close(), lambda each: each.end("over")])
def test_nothing_is_taken_after_the_end(end: object) -> None:
    requests = Requests()
    _, connection = connect(requests)
    assert callable(end)
    end(requests)
    assert refused(requests, "send") == LINK_LOST
    with pytest.raises(LinkLost):
        requests.send_again(connection)


def test_a_future_gets_what_came_of_it() -> None:
    def outcome(answer: Reply | Error) -> Future[Reply]:
        future: Future[Reply] = Future()
        assert Requests().make("who", {}, future).resolve(answer) is None
        return future

    assert outcome(Reply(op="who")).result() == Reply(op="who")
    with pytest.raises(LinkLost):
        outcome(Error(code=LINK_LOST, text="gone")).result()
    with pytest.raises(Refused):
        outcome(Error(code="try_later", text="later")).result()


def test_without_a_future_an_answer_is_an_event_with_the_number_that_was_given() -> None:
    request = Requests().make("who", {}, number=7)
    assert request.resolve(Reply(op="who", re=1)) == Reply(op="who", re=7)
