"""Turns: whatever is compared is measured in turns, in one run, in several rounds.

A machine is never twice the same. So the two sides of a comparison take turns, and their ratio is
taken round by round.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

Measures = dict[str, float]
"""What one measurement came to, by name with unit."""

Columns = dict[str, list[Measures]]
"""The measurements of each side, one a round."""

Figures = dict[str, Columns]
"""What a work came to, by case: a number of clients, a rate …"""


def in_turns(rounds: int, sides: Mapping[str, Callable[[], Measures]]) -> Columns:
    """Measure all sides in turns; every other round begins with the last."""
    columns: Columns = {side: [] for side in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for side in order:
            columns[side].append(sides[side]())
    return columns


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of the sorted `values` do not exceed."""
    return values[min(len(values) - 1, int(share * len(values)))]


def latencies(seconds: Iterable[float]) -> Measures:
    """Return the usual latencies in ms."""
    values = sorted(seconds)
    return {
        "p50, ms": 1000 * percentile(values, 0.5),
        "p99, ms": 1000 * percentile(values, 0.99),
        "max, ms": 1000 * values[-1],
    }


def median(columns: Columns, side: str, measure: str) -> float | None:
    """Return the median of a measure over the rounds, if there is one."""
    values = [each[measure] for each in columns.get(side, []) if measure in each]
    return statistics.median(values) if values else None
