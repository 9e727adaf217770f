"""Plots as SVG: two logarithmic axes, lines with points, a legend.

The background is left out and the colours are of middle lightness, so that a plot can be read on a
light page and on a dark one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 720
_HEIGHT: Final = 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 24, 18, 54
_GREY: Final = "#808890"
_COLOURS: Final = ("#2f81d8", "#d9772b", "#2f9e6e", "#a868c8")
_LEGEND_ROW: Final = 18


@dataclass(frozen=True)
class Line:
    """A line of a plot: points (x, y) above 0, and which of the colours it has."""

    label: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    dashed: bool = False


def plot(x_label: str, y_label: str, lines: Sequence[Line]) -> str:
    """Return the plot as an SVG document."""
    points = [point for line in lines for point in line.points]
    x = _Axis([each for each, _ in points], _LEFT, _WIDTH - _RIGHT)
    y = _Axis([each for _, each in points], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        f' width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="13"'
        f' fill="{_GREY}" role="img">',
        f"<title>{escape(y_label)} against {escape(x_label)}</title>",
        *_grid(x, y),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, x_label),
        f'<g transform="rotate(-90)">{_text(-(_TOP + _HEIGHT - _BOTTOM) / 2, 16, y_label)}</g>',
        *(_line(line, x, y) for line in lines),
        *_legend(lines),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Axis:
    """A logarithmic axis from pixel `start` to pixel `end`, wide enough for all values."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._low = math.floor(_log(min(values)) * 3 - 0.3) / 3
        self._high = max(math.ceil(_log(max(values)) * 3 + 0.3) / 3, self._low + 1 / 3)
        self._start = start
        self._end = end

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (_log(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> list[tuple[float, bool]]:
        """Return the values to mark, and of each whether it is written out."""
        few = self._high - self._low < 2.5
        found = []
        for power in range(math.floor(self._low), math.ceil(self._high) + 1):
            for digit in range(1, 10):
                value = digit * 10.0**power
                if self._low - 1e-9 <= _log(value) <= self._high + 1e-9:
                    found.append((value, digit == 1 or (few and digit in {2, 5})))
        return found


def _log(value: float) -> float:
    return math.log10(value)


def _grid(x: _Axis, y: _Axis) -> list[str]:
    parts = []
    for value, written in x.ticks():
        at = x.at(value)
        parts.append(_rule(at, _TOP, at, _HEIGHT - _BOTTOM, written))
        if written:
            parts.append(_text(at, _HEIGHT - _BOTTOM + 18, _number(value)))
    for value, written in y.ticks():
        at = y.at(value)
        parts.append(_rule(_LEFT, at, _WIDTH - _RIGHT, at, written))
        if written:
            parts.append(_text(_LEFT - 8, at + 4, _number(value), "end"))
    return parts


def _rule(x1: float, y1: float, x2: float, y2: float, strong: bool) -> str:
    return (
        f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{_GREY}"'
        f' stroke-opacity="{0.4 if strong else 0.13}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(line: Line, x: _Axis, y: _Axis) -> str:
    colour = _COLOURS[line.colour]
    places = [(x.at(each), y.at(value)) for each, value in line.points]
    path = "L".join(f"{across:.1f} {down:.1f}" for across, down in places)
    dots = "".join(
        f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3.5"/>' for across, down in places
    )
    return f'<path d="M{path}" fill="none" {_stroke(line)}/><g fill="{colour}">{dots}</g>'


def _stroke(line: Line) -> str:
    dashes = ' stroke-dasharray="6 5"' if line.dashed else ""
    return f'stroke="{_COLOURS[line.colour]}" stroke-width="2.2"{dashes}'


def _legend(lines: Sequence[Line]) -> list[str]:
    parts = []
    for number, line in enumerate(lines):
        down = _TOP + 14 + number * _LEGEND_ROW
        parts.append(f'<path d="M{_LEFT + 12} {down}h26" {_stroke(line)}/>')
        parts.append(_text(_LEFT + 46, down + 4, line.label, "start"))
    return parts


def _number(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"
