"""The tables of the bench: a figure that its generator may have limited says so."""

import pytest

from bench.report import table
from bench.turns import Figures, Measures
from bench.usage import GENERATOR, SERVER

NOTE = "bound by the generator"


def rounds(*shares: float) -> list[Measures]:
    return [{"messages/s": 5000.0, GENERATOR: each, SERVER: 99.0} for each in shares]


def rows(figures: Figures) -> list[list[str]]:
    lines = table("pairs", figures).splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]


def test_a_figure_bound_by_the_generator_is_marked_and_so_is_the_ratio() -> None:
    figures = {"50": {"ours": rounds(20), "theirs": rounds(81)}}
    assert rows(figures)[2:] == [
        ["50", "messages/s", "5,000", "5,000 †", "1.00 †"],
        ["", GENERATOR, "20.0", "81.0", "0.247"],
        ["", SERVER, "99.0", "99.0", "1.00"],
    ]
    assert NOTE in table("pairs", figures)


@pytest.mark.parametrize(
    ("shares", "bound"),
    [((80,), False), ((80.1,), True), ((70, 79, 99), False), ((70, 81, 99), True), ((), False)],
)
def test_the_median_of_the_rounds_decides(shares: tuple[float, ...], bound: bool) -> None:
    text = table("pairs", {"50": {"ours": rounds(*shares)}})
    assert ("†" in text, NOTE in text) == (bound, bound)


def test_only_the_case_that_was_bound_is_marked() -> None:
    figures = {"1": {"ours": rounds(90)}, "2": {"ours": rounds(10)}}
    assert [row[2] for row in rows(figures) if row[1] == "messages/s"] == ["5,000 †", "5,000"]
