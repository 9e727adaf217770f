"""Slots in turn: many requests of one caller do not make the others wait for all of them."""

import threading
from contextlib import ExitStack

import pytest

from chatserver.accounts.queueing import FairSlots, QueueFull

from .fakes import DEADLINE


class Crowd:
    """Threads that take a slot, note who they are, and keep it until they are let go."""

    def __init__(self, slots: FairSlots) -> None:
        self.slots = slots
        self.began: list[str] = []
        self.changed = threading.Condition()
        self.go_on = threading.Semaphore(0)
        self.threads: list[threading.Thread] = []

    def come(self, caller: str, waiting: int) -> None:
        thread = threading.Thread(target=self._work, args=(caller,))
        thread.start()
        self.threads.append(thread)
        with self.changed:
            done = lambda: len(self.began) + self.slots._length >= waiting  # noqa: E731
            while not done():
                self.changed.wait(0.01)

    def finish(self) -> None:
        for _ in self.threads:
            self.go_on.release()
        for thread in self.threads:
            thread.join(DEADLINE)

    def _work(self, caller: str) -> None:
        with self.slots.taken(caller):
            with self.changed:
                self.began.append(caller)
                self.changed.notify_all()
            self.go_on.acquire(timeout=DEADLINE)


def test_callers_are_served_in_turn() -> None:
    crowd = Crowd(FairSlots(1, 10, 100))
    for number, caller in enumerate(["a", "a", "a", "a", "b", "b", "c"], start=1):
        crowd.come(caller, number)
    crowd.finish()
    assert crowd.began == ["a", "a", "b", "c", "a", "b", "a"]


def test_one_caller_leaves_a_slot_to_the_others() -> None:
    crowd = Crowd(FairSlots(2, 10, 100))
    for number in range(1, 5):
        crowd.come("a", number)
    with crowd.slots.taken("b"):  # at once, though a waits
        assert crowd.began == ["a"]
    crowd.finish()
    assert crowd.began == ["a"] * 4


def test_a_full_queue_refuses_its_own_caller_and_not_the_next() -> None:
    slots = FairSlots(1, 2, 100)
    crowd = Crowd(slots)
    for number in range(1, 4):
        crowd.come("a", number)
    with pytest.raises(QueueFull), slots.taken("a"):
        pass
    crowd.come("b", 4)
    crowd.finish()
    assert crowd.began == ["a", "a", "b", "a"]


def test_all_queues_together_are_bounded() -> None:
    slots = FairSlots(1, 2, 3)
    crowd = Crowd(slots)
    for number, caller in enumerate("abcd", start=1):
        crowd.come(caller, number)
    with pytest.raises(QueueFull), slots.taken("e"):
        pass
    crowd.finish()


def test_a_slot_is_given_back_whatever_happens() -> None:
    slots = FairSlots(1, 0, 0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), slots.taken("a"):
            raise ZeroDivisionError
    with ExitStack() as stack:
        stack.enter_context(slots.taken("a"))
        with pytest.raises(QueueFull), slots.taken("a"):
            pass
    assert (slots._running, slots._waiting, slots._free) == ({}, {}, 1)
