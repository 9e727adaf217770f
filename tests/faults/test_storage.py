"""The disk is full, the clock is wrong, the power goes."""

import calendar
import itertools
import resource
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from e2e.client import PASSWORD, Event, JsonClient, at_once, eventually, seqs

from .amounts import SCALE, amounts, figure, needs_proc
from .conftest import Start
from .target import Target

STORMS = amounts(3, 20)
SENDERS = 5
ACKNOWLEDGED = 200
"""How many messages a storm must have got through before the power goes."""

FULL_AND_ROOM = amounts(5, 50)
"""How often the disk becomes full and has room again while people talk."""

HOUR = 3600


# -- a full disk --


@contextmanager
def full_disk(server: Target) -> Iterator[None]:
    """No file of the server can grow: the next message does not fit into the write-ahead log.

    When SQLite has just begun that file again from its start, some still do. (The log of the server
    is a file too, and must not be full before.)
    """
    written = (server.data / "chat.db-wal").stat().st_size
    limit = min(written, 2 * len(server.log) + 100_000)
    assert limit > len(server.log)
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (limit, unlimited))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))


EXPECTED_WHEN_FULL = r"could not be stored: (disk I/O error|database or disk is full)"


def said_to(client: JsonClient) -> list[Event]:
    """Return the messages that have come, once something has come that was later than they."""
    return [each for each in client.events if each["event"] == "message"]


@needs_proc
def test_full_disk_refuses_messages_and_nothing_else(start: Start) -> None:
    server = start()
    server.expected = EXPECTED_WHEN_FULL
    ann, bob, eve, new = server.accounts("ann", "bob", "eve", "new")
    with server.json(ann) as sender, server.json(bob) as reader:
        first = sender.say("before")
        with full_disk(server):
            for refused in (
                sender.refused("broadcast", text="lost", key="k1"),
                sender.refused("broadcast", text="lost", key="k1"),
                sender.refused("send", to=[bob, eve], text="lost"),
                sender.refused("send", to=[ann], text="lost"),
            ):
                assert refused["code"] == "storage_full"
                assert refused["text"]
            for name in (eve, new):  # somebody known, and somebody who was never here
                with server.json(name) as other:
                    reader.expect(event="presence", name=name, state="online")
                    assert {each["name"] for each in other.ask("who")["users"]} == {ann, bob}
                    other.ask("last", minutes=5)
                    assert other.refused("broadcast", text="lost")["code"] == "storage_full"
                    other.ask("logout")
                    assert other.bye() == "logged_out"
                reader.expect(event="presence", name=name, state="offline")
            reader.ask("busy", reply="counting")
            sender.expect(event="presence", name=bob, state="busy")
            reader.ask("hide")
            sender.expect(event="presence", name=bob, state="offline")
            assert sender.ask("history")["messages"][-1]["text"] == "before"
            assert [each["text"] for each in said_to(reader)] == ["before"]
            assert said_to(sender) == []
        again = sender.ask("broadcast", text="after", key="k1")
        assert again["seq"] == first + 1
        assert "duplicate" not in again
        assert reader.ask("status")["held"] == 1
        reader.ask("appear")
        reader.ask("idle")
        assert reader.expect(event="message", text="after")["seq"] == first + 1
        reader.ask("hide")
    server.stop()
    with start().json(bob) as reader:
        assert reader.ask("status")["hidden"] is True


@needs_proc
def test_standing_from_when_the_disk_was_full_outlives_a_restart(start: Start) -> None:
    server = start()
    server.expected = EXPECTED_WHEN_FULL
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as client:
        client.say("the log has begun")
        with full_disk(server):
            client.ask("hide")
            client.ask("busy", reply="out")
        with server.json(bob):
            pass
        eventually(lambda: not server_has_unsaved(server, ann))
    server.kill()
    with start().json(ann) as client:
        status = client.ask("status")
        assert (status["hidden"], status["busy"], status["reply"]) == (True, True, "out")


def server_has_unsaved(server: Target, name: str) -> bool:
    """Tell whether it is not on disk yet that the account is hidden and busy."""
    query = "SELECT hidden, busy FROM accounts WHERE folded = ?"
    with closing(sqlite3.connect(server.data / "chat.db")) as database:
        return database.execute(query, (name.lower(),)).fetchone() != (1, 1)


@needs_proc
@pytest.mark.parametrize("count", FULL_AND_ROOM)
def test_disk_that_is_full_again_and_again_loses_nothing_acknowledged(
    start: Start, count: int
) -> None:
    server = start(history_replay_limit=0)
    server.expected = EXPECTED_WHEN_FULL
    names = server.accounts(*["ann"] * 3)
    bob = server.account("bob")
    stop = threading.Event()
    acknowledged: dict[int, str] = {}
    refused: set[str] = set()
    with ExitStack() as stack:
        reader = stack.enter_context(server.json(bob))
        people = [stack.enter_context(server.json(name)) for name in names]

        def talk(client: JsonClient) -> None:
            for number in itertools.count():
                if stop.is_set():
                    return
                text = f"{client.name} {number}"
                answer = client.request("broadcast", text=text)
                if answer["event"] == "reply":
                    assert answer["seq"] not in acknowledged, "a number was given twice"
                    acknowledged[answer["seq"]] = text
                else:
                    assert answer["code"] == "storage_full"
                    refused.add(text)
                client.events.clear()

        def fill_and_clear() -> None:
            try:
                for _ in range(count):
                    before = len(refused)
                    with full_disk(server):
                        eventually(lambda before=before: len(refused) >= before + 10)
                    done = len(acknowledged)
                    eventually(lambda done=done: len(acknowledged) >= done + 10)
            finally:
                stop.set()

        at_once(fill_and_clear, *(lambda each=each: talk(each) for each in people))
        live = {each["seq"]: each["text"] for each in reader.fence() if each["event"] == "message"}
    assert live == acknowledged
    assert not refused & set(acknowledged.values())
    server.stop()
    kept = on_disk(server)
    fences = {seq for seq, text in kept.items() if text.startswith("fence")}
    assert {seq: text for seq, text in kept.items() if seq not in fences} == acknowledged
    assert [*kept] == [*range(1, len(kept) + 1)]


def on_disk(server: Target) -> dict[int, str]:
    with closing(sqlite3.connect(server.data / "chat.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return dict(database.execute("SELECT seq, text FROM messages ORDER BY seq"))


# -- a wrong clock --


class Clock:
    """The time of day as the server sees it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set(0)

    def set(self, seconds: int) -> None:
        """Have it wrong by so many seconds."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(str(seconds), "ascii")
        fresh.replace(self.path)


def test_clock_that_is_set_throws_nobody_out_and_keeps_the_order(
    start: Start, tmp_path: Path
) -> None:
    clock = Clock(tmp_path / "clock")
    server = start(
        faults={"clock": clock.path},
        session_idle_timeout=600,
        session_ping_seconds=60,
        login_deadline_seconds=30,
    )
    ann, bob, eve, victim = server.accounts("ann", "bob", "eve", "victim")
    with ExitStack() as stack:
        sender, reader, waiting = (stack.enter_context(server.json(x)) for x in (ann, bob, eve))
        newcomer = stack.enter_context(server.guest())
        newcomer.ask("ping")
        waiting.ask("logout")
        waiting.bye()
        lock_out(server, victim)
        numbers = [sender.say("before")]
        sender.tell(eve, "before")
        for wrong_by in (-HOUR, HOUR):
            clock.set(wrong_by)
            numbers.append(sender.say("what time is it?"))
            # What is said never seems to have been said before what came before it.
            assert abs(max(0, wrong_by) - last_message_is_wrong_by(sender)) < HOUR // 2
            assert_locked_out(server, victim)
            time.sleep(1.1)  # the housekeeper has looked at everybody
            sender.tell(eve, f"{wrong_by} s")
        clock.set(0)
        numbers.append(sender.say("right again"))
        heard = [each for each in reader.fence() if each["event"] == "message"]
        assert [each["seq"] for each in heard] == numbers
        assert numbers == sorted(set(numbers))
        # Nobody was thrown out, and the deadline of the newcomer is not over.
        newcomer.login(ann)
        for client in (sender, reader):
            client.ask("status")
            assert [each for each in client.events if each["event"] in {"bye", "ping"}] == []
        assert_locked_out(server, victim)
        users = reader.ask("last", minutes=2 * HOUR)["users"]
        assert all(each["seconds_ago"] >= 0 for each in users)
        # What waited is shown once and in order.
        with server.json(eve) as late:
            replayed = [each for each in late.fence() if each["event"] == "message"]
        private = [each for each in replayed if "to" in each and each["text"] != late.name]
        assert [each["text"] for each in private] == ["before", "-3600 s", "3600 s"]
        assert seqs(replayed) == sorted(set(seqs(replayed)))
    server.stop()
    kept = on_disk(server)
    assert [*kept] == [*range(1, len(kept) + 1)]


def assert_locked_out(server: Target, name: str) -> None:
    """Fail when the block is over, or longer than it was."""
    with server.guest() as client:
        answer = client.refused("login", name=name, password=PASSWORD)
        assert answer["code"] == "locked_out"
        assert 30 <= answer["retry_after"] <= 60


def lock_out(server: Target, name: str) -> None:
    with server.guest() as client:
        for _ in range(3):
            client.refused("login", name=name, password="wrong password")


def last_message_is_wrong_by(sender: JsonClient) -> float:
    """Return how wrong the time is that stands on what was said last."""
    said = sender.ask("history", limit=1)["messages"][0]["at"]
    parsed = time.strptime(said[:19], "%Y-%m-%dT%H:%M:%S")
    return calendar.timegm(parsed) - time.time()


# -- a power cut --


class Talker:
    """Somebody who says numbered things, several at a time, until the server is gone."""

    def __init__(self, client: JsonClient, peer: str, first: int) -> None:
        self.client = client
        self.peer = peer
        self.acknowledged: dict[int, str] = {}
        self.sent: list[str] = []
        self._numbers = itertools.count(first)

    def talk(self) -> None:
        with suppress(AssertionError, OSError):
            while True:
                waiting = {}
                for number in itertools.islice(self._numbers, 10):
                    text = f"{self.client.name} {number}"
                    self.sent.append(text)
                    to = {} if number % 3 else {"to": [self.peer]}
                    op = "send" if to else "broadcast"
                    waiting[self.client.send(op, text=text, key=text, **to)] = text
                for number, text in waiting.items():
                    self.acknowledged[self.client.answer(number)["seq"]] = text
                self.client.events.clear()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("storms", STORMS)
def test_power_cut_in_a_storm_loses_nothing_acknowledged(start: Start, storms: int) -> None:
    server = start(history_replay_limit=0)
    names = server.accounts(*["storm"] * SENDERS)
    reader = server.account("reader")
    server.json(reader).close()
    acknowledged: dict[int, str] = {}
    sent: dict[str, list[str]] = {name: [] for name in names}
    slowest = 0.0
    for count in range(storms):
        with ExitStack() as stack:
            talkers = [
                Talker(stack.enter_context(server.json(name)), reader, count * 1_000_000)
                for name in names
            ]

            def enough(talkers: list[Talker] = talkers) -> bool:
                return sum(len(each.acknowledged) for each in talkers) > ACKNOWLEDGED

            def cut(server: Target = server, enough: Callable[[], bool] = enough) -> None:
                eventually(enough)
                server.process.kill()

            at_once(cut, *(each.talk for each in talkers))
        server.kill()
        for talker in talkers:
            assert not talker.acknowledged.keys() & acknowledged.keys(), "a number was given twice"
            acknowledged |= talker.acknowledged
            sent[talker.client.name] += talker.sent
        began = time.monotonic()
        server = start(history_replay_limit=0)
        slowest = max(slowest, time.monotonic() - began)
    figure(f"{storms} power cuts, the slowest start after one (s)", round(slowest, 2))
    assert slowest < 3 * SCALE
    with server.json(reader, since=0) as client:
        shown = [each for each in client.fence() if each["event"] == "message"]
    assert seqs(shown) == sorted(set(seqs(shown)))
    texts = {each["seq"]: each["text"] for each in shown}
    assert len(set(texts.values())) == len(texts), "something is there twice"
    assert acknowledged.items() <= texts.items()
    for name in names:
        mine = [text for text in texts.values() if text.startswith(f"{name} ")]
        assert mine == [text for text in sent[name] if text in set(mine)]
    server.stop()
    assert acknowledged.items() <= on_disk(server).items()
