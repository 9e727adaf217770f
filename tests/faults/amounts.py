"""How much of an attack is normal (in `make test`) and how much is a soak (`make soak`).

A file names its amounts once, at the top; a test is parametrised with them, so that both run the
same code.
"""

import os
import sys
from collections.abc import Sequence

import pytest

SCALE = float(os.environ.get("CHAT_TEST_TIME_SCALE", "1"))

CORES = os.cpu_count() or 1

needs_proc = pytest.mark.skipif(
    sys.platform != "linux", reason="what a process uses is read from /proc"
)


def amounts(normal: object, soak: object, *, timeout: float = 300) -> Sequence[object]:
    """Return the two parameters of a test; the soak may take `timeout` seconds."""
    return (
        pytest.param(normal, id="normal"),
        pytest.param(soak, id="soak", marks=(pytest.mark.soak, pytest.mark.timeout(timeout))),
    )


def soak_only(amount: object, *, timeout: float = 300) -> Sequence[object]:
    """Return the one parameter of a test that compares times, which a busy machine can break."""
    return (
        pytest.param(amount, id="soak", marks=(pytest.mark.soak, pytest.mark.timeout(timeout))),
    )


def figure(name: str, value: object) -> None:
    """Show a measurement: `pytest -rP` prints these."""
    print(f"figure: {name}: {value}")
