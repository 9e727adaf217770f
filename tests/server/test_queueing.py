"""Slots in turn: many requests of one caller do not make the others wait for all of them."""

import threading
from concurrent.futures import Future
from contextlib import ExitStack

import pytest

from chatserver.accounts.queueing import FairSlots, QueueFull

from .fakes import DEADLINE, begun


class Crowd:
    """Threads that take a slot, note who they are, and keep it until they are let go."""

    def __init__(self, slots: FairSlots) -> None:
        self.slots = slots
        self.began: list[str] = []
        self.changed = threading.Condition()
        self.go_on = threading.Semaphore(0)
        self.working: list[Future[None]] = []

    def come(self, *callers: str) -> None:
        """Have callers come one after the other, each when the one before waits or is served."""
        for caller in callers:
            self.working.append(begun(self._work, caller))
            with self.changed:
                while len(self.began) + self.slots._length < len(self.working):
                    self.changed.wait(0.01)

    def finish(self) -> list[str]:
        """Let everybody go on; return who began, in that order."""
        self.go_on.release(len(self.working))
        for each in self.working:
            each.result(DEADLINE)
        return self.began

    def _work(self, caller: str) -> None:
        with self.slots.taken(caller):
            with self.changed:
                self.began.append(caller)
                self.changed.notify_all()
            self.go_on.acquire(timeout=DEADLINE)


def test_callers_are_served_in_turn() -> None:
    crowd = Crowd(FairSlots(1, 10, 100))
    crowd.come("a", "a", "a", "a", "b", "b", "c")
    assert crowd.finish() == ["a", "a", "b", "c", "a", "b", "a"]


def test_one_caller_leaves_a_slot_to_the_others() -> None:
    crowd = Crowd(FairSlots(2, 10, 100))
    crowd.come("a", "a", "a", "a")
    with crowd.slots.taken("b"):  # at once, though a waits
        assert crowd.began == ["a"]
    assert crowd.finish() == ["a"] * 4


def test_a_full_queue_refuses_its_own_caller_and_not_the_next() -> None:
    crowd = Crowd(FairSlots(1, 2, 100))
    crowd.come("a", "a", "a")
    with pytest.raises(QueueFull), crowd.slots.taken("a"):
        pass
    crowd.come("b")
    assert crowd.finish() == ["a", "a", "b", "a"]


def test_all_queues_together_are_bounded() -> None:
    crowd = Crowd(FairSlots(1, 2, 3))
    crowd.come("a", "b", "c", "d")
    with pytest.raises(QueueFull), crowd.slots.taken("e"):
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
