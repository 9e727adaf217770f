"""Which cores threads run on: together where they pass messages on, anywhere where they compute."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest

from chatserver.system import processors
from chatserver.system.processors import gather, roaming

from .fakes import T, begun

if sys.platform != "linux":
    pytest.skip("only Linux lets a program choose", allow_module_level=True)

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core only")

Place = tuple[set[int], int]


@pytest.fixture(autouse=True)
def _gathered_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "_all", frozenset())


def here() -> Place:
    """Return the cores this thread may use, and how it is scheduled."""
    return os.sched_getaffinity(0), os.sched_getscheduler(0)


def apart(what: Callable[[], T]) -> T:
    """Do something in a thread of its own, which takes its cores with it."""
    return begun(what).result()


def test_who_is_gathered_is_on_one_core_with_its_threads_and_pushes_nobody_aside() -> None:
    def gathered() -> list[Place]:
        gather()
        return [here(), apart(here)]

    assert apart(gathered) == [({max(os.sched_getaffinity(0))}, os.SCHED_BATCH)] * 2


def test_whoever_roams_may_use_all_cores_and_comes_back() -> None:
    def gathered() -> list[Place]:
        gather()
        before = here()
        with suppress(KeyError), roaming():
            meanwhile = [here(), apart(here)]
            raise KeyError
        assert here() == before
        return meanwhile

    everywhere = (os.sched_getaffinity(0), os.SCHED_OTHER)
    assert apart(gathered) == [everywhere, everywhere]


def test_nobody_who_was_not_gathered_is_moved() -> None:
    def narrowed() -> tuple[Place, Place]:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        with roaming():
            return here(), ({min(os.sched_getaffinity(0))}, os.SCHED_OTHER)

    meanwhile, before = apart(narrowed)
    assert meanwhile == before


@pytest.mark.parametrize("call", ["sched_setaffinity", "sched_setscheduler"])
def test_a_sandbox_that_forbids_it_is_no_error(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def forbid(*_: object) -> None:
        raise PermissionError

    def gathered() -> set[int]:
        gather()
        with roaming():
            return here()[0]

    monkeypatch.setattr(os, call, forbid)
    assert apart(gathered) == os.sched_getaffinity(0)
