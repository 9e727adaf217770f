"""What every test shares: property tests that are the same in every run."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("tests", deadline=None, derandomize=True, max_examples=50, database=None)
settings.load_profile("tests")

# What tests start must not inherit that these are ignored, as under nohup or behind `&`.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    """Put back what a command that ran in this process has done to signals: the processes of later
    tests would inherit that they are ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
