"""What was asked and not answered: kept over links where it has a key, failed where it has none."""

from concurrent.futures import Future
from itertools import count
from typing import cast

import pytest

from chatclient.errors import LinkLost, Refused
from chatclient.link.connection import Connection
from chatclient.link.requests import LINK_LOST, UNSENT_LIMIT, Asked, Requests, lost
from chatwire.protocol import Error, Reply


class Numbers:
    """All that requests want of a connection."""

    def __init__(self) -> None:
        self.number = count(1).__next__


def link() -> Connection:
    return cast("Connection", Numbers())


def ask(requests: Requests, connection: Connection | None, op: str, text: str = "hi") -> Asked:
    request = requests.make(op, {"text": text}, None, None)
    requests.add(request, connection)
    if connection is not None:
        requests.put_on_wire(request, connection)
    return request


def test_an_answer_finds_its_request_once() -> None:
    requests, connection = Requests(), link()
    first, second = (ask(requests, connection, "who") for _ in range(2))
    assert requests.settle(Reply(op="who", re=2)) is second
    assert requests.settle(Reply(op="who", re=2)) is None
    assert requests.settle(Reply(op="who")) is None
    assert requests.drain() == [first]


def test_what_has_a_key_goes_over_to_the_next_link_in_its_order() -> None:
    requests, old, new = Requests(), link(), link()
    said = [ask(requests, old, "broadcast"), ask(requests, old, "send")]
    asked = ask(requests, old, "who")
    late = ask(requests, None, "broadcast")
    [(failed, answer)] = requests.let_go(old, LINK_LOST, "gone")
    assert failed is asked
    assert answer.code == LINK_LOST
    assert all(each.fields["key"] for each in said)
    assert requests.kept == [each.fields for each in [*said, late]]
    assert requests.take_over(new) == [*said, late]
    assert requests.take_over(new) == []
    assert requests.settle(Reply(op="broadcast", re=1)) is None  # a number of the old link


def test_the_longest_is_given_up_where_a_line_was_too_long() -> None:
    requests, connection = Requests(), link()
    ask(requests, connection, "broadcast")
    long = ask(requests, connection, "broadcast", "x" * 100)
    [(failed, answer)] = requests.let_go(connection, "line_too_long", "too long")
    assert failed is long
    assert answer.code == "line_too_long"
    assert len(requests.kept) == 1


def test_there_is_a_most() -> None:
    requests = Requests()
    for _ in range(UNSENT_LIMIT):
        assert not requests.full
        ask(requests, None, "send")
    assert requests.full


def test_a_future_gets_what_came_of_it() -> None:
    def outcome(answer: Reply | Error) -> Future[Reply]:
        request = Requests().make("who", {}, Future(), None)
        request.resolve(answer)
        assert request.future is not None
        return request.future

    assert outcome(Reply(op="who")).result() == Reply(op="who")
    with pytest.raises(LinkLost):
        outcome(lost("gone")).result()
    with pytest.raises(Refused):
        outcome(Error(code="try_later", text="later")).result()
