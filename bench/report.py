"""What the works came to: kept in docs/figures.json, shown in docs/performance.md and as plots.

Each table stands in the page between `<!-- figures: NAME -->` and `<!-- end -->`. So one work can
be measured again without the rest, and the words around the tables are written by hand.
"""

import json
import os
import platform
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.plot import Line, plot
from bench.turns import Columns, Figures, Measures, median
from bench.usage import GENERATOR, SERVER
from bench.works import WORKS
from bench.works.flood import RATE
from bench.works.idle import IN_ALL

_DOCS: Final = Path(__file__).parent.parent / "docs"
_FIGURES: Final = "figures.json"
_PAGE: Final = "performance.md"
_PLACE: Final = re.compile(r"(<!-- figures: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

_BOUND: Final = 80.0
"""Percent of a core above which the generator may be what limits, and not the server."""
_MARK: Final = " †"
_SHARES: Final = {GENERATOR, SERVER}
_NOTE: Final = f"†: bound by the generator, which used more than {_BOUND:.0f} % of a core.\n"

_CASES: Final = {each.name: each.case for each in WORKS}


def table(name: str, figures: Figures) -> str:
    """Return a work's figures as a Markdown table: medians over the rounds, and their spread.

    What the generator may have limited is marked, and so is a ratio to it.
    """
    sides = _sides(figures)
    compared = len(sides) == 2
    head = [_CASES[name], "", *sides, *(["ratio"] if compared else [])]
    rows = [head, [":---", ":---", *("---:" for _ in head[2:])]]
    for case, columns in figures.items():
        label = f"{int(case):,}" if case.isdigit() else case
        bound = [(median(columns, side, GENERATOR) or 0.0) > _BOUND for side in sides]
        for measure in dict.fromkeys(m for side in columns.values() for each in side for m in each):
            cells = [
                _spread([each[measure] for each in columns.get(side, []) if measure in each])
                for side in sides
            ]
            marked = list(bound)
            if compared:
                cells.append(_ratio(columns, sides, measure))
                marked.append(any(bound))
            if measure not in _SHARES:
                cells = [
                    cell + _MARK if cell and mark else cell
                    for cell, mark in zip(cells, marked, strict=True)
                ]
            rows.append([label, measure, *cells])
            label = ""
    text = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"{text}\n{_NOTE}" if _MARK in text else text


def save(name: str, figures: Figures, docs: Path = _DOCS) -> None:
    """Keep a work's figures in place of its earlier ones, and write page and plots again."""
    path = docs / _FIGURES
    kept = _read(path)
    kept["machine"] = _machine()
    kept["works"][name] = figures
    kept["works"] = {
        each.name: kept["works"][each.name] for each in WORKS if each.name in kept["works"]
    }
    path.write_text(json.dumps(_rounded(kept), indent=1) + "\n", "utf-8")
    write(docs)


def write(docs: Path = _DOCS) -> None:
    """Write the tables into the page and the plots beside it, from the figures that are kept."""
    kept = _read(docs / _FIGURES)
    works: dict[str, Figures] = kept["works"]
    page = docs / _PAGE

    def fill(place: re.Match[str]) -> str:
        name = place[2]
        if name == "machine":
            return f"{place[1]}{kept['machine']}\n{place[3]}"
        return f"{place[1]}{table(name, works[name])}{place[3]}" if name in works else place[0]

    page.write_text(_PLACE.sub(fill, page.read_text("utf-8")), "utf-8")
    (docs / "plots").mkdir(exist_ok=True)
    for name, picture in plots(works).items():
        (docs / "plots" / f"{name}.svg").write_text(picture, "utf-8")


def plots(works: dict[str, Figures]) -> dict[str, str]:
    """Return the plots there are figures for, by name."""
    pictures = {}
    if "saturation" in works:
        figures = works["saturation"]
        pictures["latency"] = plot(
            "messages/s from one sender to 200 receivers",
            "latency, ms",
            [
                Line(f"{side}, {measure[:3]}", _points(figures, side, measure), number, dashed)
                for number, side in enumerate(_sides(figures))
                for measure, dashed in (("p50, ms", False), ("p99, ms", True))
            ],
        )
    if "fanout" in works:
        figures = works["fanout"]
        pictures["fanout"] = plot("receivers", RATE, _each_side(figures, RATE))
    if "idle" in works:
        figures = works["idle"]
        pictures["memory"] = plot(
            "clients logged in", "memory (PSS), MiB", _each_side(figures, IN_ALL)
        )
    if "past" in works:
        figures = works["past"]
        measures = ("login, ms", "history, ms", "search, ms", "rare search, ms")
        pictures["past"] = plot(
            "messages in the database",
            "time, ms",
            [
                Line(measure[:-4], _points(figures, _sides(figures)[0], measure), number)
                for number, measure in enumerate(measures)
            ],
        )
    return pictures


def _each_side(figures: Figures, measure: str) -> list[Line]:
    return [
        Line(side, _points(figures, side, measure), number)
        for number, side in enumerate(_sides(figures))
    ]


def _sides(figures: Figures) -> list[str]:
    return list(dict.fromkeys(side for columns in figures.values() for side in columns))


def _points(figures: Figures, side: str, measure: str) -> list[tuple[float, float]]:
    found = ((float(case), median(columns, side, measure)) for case, columns in figures.items())
    return [(x, y) for x, y in found if y]


def _spread(values: Sequence[float]) -> str:
    """Return the median, and from where to where the rounds went."""
    if not values:
        return ""
    middle = number(statistics.median(values))
    low, high = number(min(values)), number(max(values))
    return middle if low == high else f"{middle} ({low} – {high})"


def _ratio(columns: Columns, sides: Sequence[str], measure: str) -> str:
    rounds: list[tuple[Measures, Measures]] = list(
        zip(*(columns.get(side, []) for side in sides), strict=False)
    )
    return _spread(
        [a[measure] / b[measure] for a, b in rounds if a.get(measure) and b.get(measure)]
    )


def number(value: float) -> str:
    """Return a figure with as many digits as mean something."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if size >= 10 else 2 if size >= 1 or not size else 3}f}" if value else "0"


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"machine": "", "works": {}}
    kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return kept


def _rounded(kept: Any) -> Any:
    if isinstance(kept, dict):
        return {name: _rounded(each) for name, each in kept.items()}
    if isinstance(kept, list):
        return [_rounded(each) for each in kept]
    return float(f"{kept:.5g}") if isinstance(kept, float) else kept


def _machine() -> str:
    """Return in one line what the figures were measured on."""
    return (
        f"{len(os.sched_getaffinity(0))} cores that server and generator share,"
        f" {platform.system()} {platform.release().split('-')[0]},"
        f" {platform.python_implementation()} {platform.python_version()}."
    )
