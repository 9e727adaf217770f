"""A connection: ended once by anybody, and counted through the log."""

import pytest

from chatserver.dialects.text import RENDERER as TEXT
from chatwire.events import Bye, Ping
from chatwire.replies import Reply

from .fakes import DEADLINE, Client, begun


@pytest.fixture
def client() -> Client:
    return Client(outbox_bytes=4096)


def test_events_are_queued_and_then_sent(client: Client) -> None:
    client.connection.push(Ping())
    client.connection.push(Reply(op="idle"))
    assert client.events() == []
    client.connection.drain()
    assert [each["event"] for each in client.events()] == ["ping", "reply"]
    assert client.watched == 0


def test_what_people_need_not_see_takes_no_room() -> None:
    client = Client(renderer=TEXT)
    client.connection.push(Ping())
    assert client.connection.outbox.waiting == 0


def test_what_the_system_does_not_take_is_left_to_the_flusher(client: Client) -> None:
    client.stream.room = 3
    client.connection.push(Ping())
    client.connection.drain()
    assert client.watched == 1
    assert not client.connection.flush()
    client.stream.room = None
    assert client.connection.flush()
    assert [each["event"] for each in client.events()] == ["ping"]


def test_a_client_too_far_behind_is_cut_off(client: Client) -> None:
    client.connection.push_bytes(b"x" * 4096)
    assert client.ending is None
    client.connection.push_bytes(b"x")
    assert client.code == "too_slow"
    assert client.connection.ended


def test_the_first_reason_to_end_counts(client: Client) -> None:
    client.connection.end("kicked", "Gone.")
    client.connection.end("too_slow", "Slow.")
    assert client.connection.farewell() == Bye(code="kicked", text="Gone.")


def test_a_client_that_went_by_itself_gets_no_last_words(client: Client) -> None:
    assert client.connection.farewell() is None
    client.connection.end(None, "Connection reset by peer")
    assert client.connection.farewell() is None


def test_ending_wakes_the_handler_but_not_from_its_own_thread(client: Client) -> None:
    client.connection.end("logged_out", "Goodbye.")
    assert not client.stream.interrupted.is_set()
    other = Client()
    begun(other.connection.end, "kicked", "Gone.").result(DEADLINE)
    assert other.stream.interrupted.is_set()


def test_settling_waits_for_every_answer(client: Client) -> None:
    connection = client.connection
    assert connection.settle(0)
    connection.appended()
    connection.appended()
    connection.answered()
    assert not connection.settle(0.01)
    waiting = begun(connection.settle, DEADLINE)
    with pytest.raises(TimeoutError):
        waiting.result(0.05)
    connection.answered()
    assert waiting.result(DEADLINE)
