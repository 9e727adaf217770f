"""Over its rate a client is read more slowly. It is not refused, and nothing is lost."""

import signal
import time

import pytest

from .client import SCALE, line
from .conftest import StartServer
from .process import ServerProcess

SETTINGS = {"session_rate_per_second": 50, "session_rate_burst": 10}
OVER = 25
"""Requests beyond the burst: half a second's worth."""


def test_within_the_burst_nobody_waits(server: ServerProcess) -> None:
    with server.json(server.account("bob")) as client:
        started = time.monotonic()
        for _ in range(8):
            client.ask("status")
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "request_",
    [
        {"op": "status"},
        {"op": "broadcast", "text": "hi"},
        {"op": "broadcast", "text": ""},
        {"no": "op"},
    ],
    ids=str,
)
def test_over_the_rate_is_slower_and_everything_is_answered_in_order(
    server: ServerProcess, request_: dict[str, object]
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as client, server.json(ann) as other:
        started = time.monotonic()
        count = 10 + OVER
        client.write(b"".join(line({**request_, "id": 100 + n}) for n in range(count)))
        for _ in range(5):
            other.ask("status")
        others_waited = time.monotonic() - started
        answers = [
            client.expect(lambda event: event["event"] in ("reply", "error")) for _ in range(count)
        ]
        took = time.monotonic() - started
        assert took > OVER / 50 * 0.9
        assert others_waited < took
        assert {each.get("code") for each in answers} & {"rate_limited", "try_later"} == set()
        if "op" in request_:
            assert [each["re"] for each in answers] == [*range(100, 100 + count)]
        if request_.get("text") == "hi":
            assert other.texts(count) == ["hi"] * count


def test_text_over_the_rate_is_slower_and_everything_is_answered(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.text(bob) as person, server.json(ann) as reader:
        started = time.monotonic()
        for count in range(10 + OVER):
            person.send(f"broadcast {count}")
        person.send("logout")
        output = person.to_end()
        assert time.monotonic() - started > OVER / 50 * 0.9
        assert output.count("-- Sent to everybody here.") == 10 + OVER
        assert output.endswith("-- Goodbye.\n")
        assert reader.texts(10 + OVER) == [*map(str, range(10 + OVER))]


def test_acks_and_pings_count_a_twentieth(server: ServerProcess) -> None:
    with server.json(server.account("bob")) as client:
        started = time.monotonic()
        client.write(b'{"op":"ack","upto":0}\n{"op":"ping"}\n{"op":"pong"}\n' * 200)
        for _ in range(200):
            client.expect(op="ping")
        client.ask("status")
        # It is half a second's worth; one of the three at the full price would be four seconds.
        assert time.monotonic() - started < 3


def test_answers_within_the_burst_do_not_wait_for_what_follows(server: ServerProcess) -> None:
    with server.json(server.account("bob")) as client:
        client.write(b'{"op":"status"}\n' * 300)  # six seconds' worth
        client.expect(op="status", within=2)


def test_client_that_is_read_slowly_is_not_cut_off_for_silence(start_server: StartServer) -> None:
    server = start_server(
        session_rate_per_second=20, session_rate_burst=1, session_ping_seconds=0.5
    )
    ann, bob = server.accounts("ann", "bob")
    with server.text(ann) as reader, server.json(bob) as client:
        count = 50
        client.write(
            b"".join(line({"op": "broadcast", "id": 100 + n, "text": str(n)}) for n in range(count))
        )
        answers = 0
        while answers < count:
            event = client.expect(lambda event: event["event"] != "presence")
            assert event["event"] in ("ping", "reply"), event
            if event["event"] == "ping":
                client.write(b'{"op":"pong"}\n')
            else:
                answers += 1
        reader.expect(f"{bob}: {count - 1}\n")


def test_client_that_is_read_slowly_does_not_hold_up_the_stop(start_server: StartServer) -> None:
    server = start_server(session_rate_per_second=1, session_rate_burst=1)
    with server.json(server.add("bob")) as client:
        client.write(b'{"op":"status"}\n' * 1000)
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        assert client.bye() == "shutting_down"
        assert server.wait() == 0
        assert time.monotonic() - started < 5 * SCALE
