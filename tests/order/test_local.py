"""The embedded order: an inbox with a limit, one thread, and nobody who waits for ever."""

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from server.fakes import DEADLINE

from chatserver.errors import CommandError
from chatserver.order import local, pending
from chatserver.order.items import Alive, Item, Said
from chatserver.order.local import LocalOrder
from chatserver.order.outcome import Outcome
from chatserver.order.pending import Entry, Waiter


class Follower:
    """Settles whoever waits with the number of items so far; waits itself while `gate` is shut."""

    def __init__(self) -> None:
        self.batches: list[list[Item]] = []
        self.gate, self.waits = threading.Event(), threading.Event()
        self.gate.set()
        self.fault: BaseException | None = None

    def follow(self, batch: Sequence[Entry]) -> None:
        self.waits.set()
        assert self.gate.wait(DEADLINE)
        self.batches.append([entry.item for entry in batch])
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        for entry in batch:
            if isinstance(entry.ticket, Waiter):
                entry.ticket.settle(Outcome(sum(map(len, self.batches))))

    @property
    def texts(self) -> list[str]:
        return [each.text for batch in self.batches for each in batch if isinstance(each, Said)]


@pytest.fixture
def follower() -> Follower:
    return Follower()


@pytest.fixture
def order(follower: Follower) -> Iterator[LocalOrder]:
    order = LocalOrder(follower)
    order.start()
    yield order
    follower.gate.set()
    if order._thread.is_alive():
        order.stop()


@pytest.fixture
def held(order: LocalOrder, follower: Follower) -> LocalOrder:
    """Give an order whose thread waits with a batch of one, until the gate is opened."""
    follower.gate.clear()
    order.append(Alive(at=0))
    assert follower.waits.wait(DEADLINE)
    return order


def said(text: str) -> Said:
    return Said(at=0, account=1, session=1, text=text, room=1)


def refused(action: Callable[[], object]) -> CommandError:
    with pytest.raises(CommandError) as raised:
        action()
    return raised.value


def test_what_piles_up_is_one_batch(held: LocalOrder, follower: Follower) -> None:
    items = [said(str(number)) for number in range(100)]
    for each in items:
        held.append(each)
    follower.gate.set()
    held.stop()
    assert follower.batches[1:] == [items]


def test_a_batch_has_its_limit(
    held: LocalOrder, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_BATCH_BYTES", 1000)
    for number in range(100):
        held.append(said(f"{number:0100}"))
    follower.gate.set()
    held.stop()
    assert list(map(int, follower.texts)) == list(range(100))
    assert {len(batch) for batch in follower.batches[1:]} == {5}


def test_many_threads_give_one_order(order: LocalOrder, follower: Follower) -> None:
    def talk(name: str) -> None:
        for number in range(200):
            order.append(said(f"{name}{number}"))

    threads = [threading.Thread(target=talk, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    order.stop()
    for name in "abcd":
        own = [text for text in follower.texts if text.startswith(name)]
        assert own == [f"{name}{number}" for number in range(200)]
    assert len(follower.texts) == 800


@pytest.mark.parametrize(
    ("result", "code"),
    [(Outcome(7), None), (CommandError("try_later", "not now", retry_after=3), "try_later")],
)
def test_run_gives_the_outcome_or_the_error(
    order: LocalOrder, follower: Follower, result: Outcome | CommandError, code: str | None
) -> None:
    def settle(batch: Sequence[Entry]) -> None:
        for entry in batch:
            assert isinstance(entry.ticket, Waiter)
            entry.ticket.settle(result)
            entry.ticket.settle(Outcome(0))  # only the first counts

    follower.follow = settle  # type: ignore[method-assign]
    if code is None:
        assert order.run(Alive(at=0)) is result
    else:
        error = refused(lambda: order.run(Alive(at=0)))
        assert (error.code, error.retry_after) == (code, 3)
        assert error is not result  # each asker raises one of its own


# -- a full inbox --


def test_a_full_inbox_makes_who_speaks_wait_and_nobody_else(
    held: LocalOrder, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_INBOX_BYTES", 1000)
    sent = threading.Event()

    def talk() -> None:
        for number in range(20):
            held.append(said(f"{number:0100}"))
        sent.set()

    talking = threading.Thread(target=talk)
    talking.start()
    assert not sent.wait(0.05)
    held.append(Alive(at=1))
    follower.gate.set()
    talking.join(DEADLINE)
    assert sent.is_set()
    held.stop()
    assert list(map(int, follower.texts)) == list(range(20))


def test_an_inbox_that_stays_full_is_try_later(
    held: LocalOrder, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_INBOX_BYTES", 100)
    monkeypatch.setattr(local, "_PATIENCE", 0.01)
    held.append(said("one"))
    error = refused(lambda: held.append(said("two")))
    assert (error.code, error.retry_after) == ("try_later", 1)
    follower.gate.set()
    held.stop()
    assert follower.texts == ["one"]


@pytest.mark.parametrize(
    ("text", "size"), [("a" * 50, 150), ("ä" * 50, 300)], ids=["ascii", "others"]
)
def test_what_waits_is_counted_and_forgotten(
    held: LocalOrder, follower: Follower, text: str, size: int
) -> None:
    held.append(said(text))
    assert held._waiting == size
    follower.gate.set()
    held.run(Alive(at=0))
    assert held._waiting == 0


# -- faults --


@pytest.mark.parametrize("fault", [RuntimeError, MemoryError, SystemExit, BaseException])
@pytest.mark.parametrize("step", ["follow", "_size", "islice"])
def test_a_fault_of_the_follower_or_the_inbox_loses_nothing(
    held: LocalOrder,
    follower: Follower,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    fault: type[BaseException],
) -> None:
    for text in ("one", "two"):
        held.append(said(text))
    failed = threading.Event()

    def broken(*_: object) -> None:
        failed.set()
        raise fault("injected")

    with monkeypatch.context() as patched:
        if step == "follow":
            follower.fault = fault("injected")  # in the batch that it has
        else:
            patched.setattr(local, step, broken)
        follower.gate.set()
        assert step == "follow" or failed.wait(DEADLINE)
    assert isinstance(held.run(Alive(at=0)), Outcome)
    assert follower.texts == ["one", "two"]
    assert held._waiting == 0


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_RUN_SECONDS", 0.02)
    monkeypatch.setattr(pending, "_LOOK_SECONDS", 0.01)


@pytest.mark.usefixtures("impatient")
def test_whose_turn_does_not_come_is_told_and_it_does_not_happen_later(
    held: LocalOrder, follower: Follower
) -> None:
    held.append(said("before"))
    assert refused(lambda: held.run(said("never"))).code == "try_later"
    follower.gate.set()
    held.stop()
    assert follower.texts == ["before"]
    assert held._waiting == 0


@pytest.mark.usefixtures("impatient")
def test_whose_turn_has_come_without_an_end_does_not_know(
    order: LocalOrder, follower: Follower
) -> None:
    follower.gate.clear()
    assert refused(lambda: order.run(said("perhaps"))).code == "internal"
    follower.gate.set()
    order.stop()
    assert follower.texts == ["perhaps"]


@pytest.mark.usefixtures("impatient")
def test_nobody_waits_for_a_thread_that_is_dead(follower: Follower) -> None:
    order = LocalOrder(follower)  # it has never lived
    assert refused(lambda: order.run(Alive(at=0))).code == "try_later"
    assert not order._inbox


# -- the end --


def test_what_had_come_is_finished_at_the_end(held: LocalOrder, follower: Follower) -> None:
    waiter = Waiter()
    for number in range(50):
        held.append(said(str(number)))
    held.append(Alive(at=0), waiter)
    stopping = threading.Thread(target=held.stop)
    stopping.start()
    follower.gate.set()
    stopping.join(DEADLINE)
    assert follower.texts == list(map(str, range(50)))
    assert waiter.result == Outcome(52)


def test_after_the_end_nothing_is_taken_in(order: LocalOrder) -> None:
    order.stop()
    for action in (lambda: order.append(said("late")), lambda: order.run(Alive(at=0))):
        assert refused(action).code == "shutting_down"


def test_whoever_waits_for_room_at_the_end_is_told(
    held: LocalOrder, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_INBOX_BYTES", 10)
    held.append(said("one"))
    codes: list[str] = []
    waiting = threading.Thread(
        target=lambda: codes.append(refused(lambda: held.append(said("two"))).code)
    )
    waiting.start()
    stopping = threading.Thread(target=held.stop)
    stopping.start()
    waiting.join(DEADLINE)
    assert codes == ["shutting_down"]
    follower.gate.set()
    stopping.join(DEADLINE)
