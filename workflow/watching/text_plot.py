"""A small line chart of characters, for terminals that have nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

MARKS: Final = "o*+x#@%&=~"
"""One an arm, in their order, and again from the beginning."""

LARGEST: Final = 1e300
"""Size from which a value is taken as infinite: spans of larger ones are no numbers any more."""

_BETWEEN: Final = "."

_LOG_FROM: Final = 4.0
"""Largest over smallest value from which the axis is logarithmic."""

Points = Sequence[tuple[float, float]]


def marks(names: Sequence[str]) -> dict[str, str]:
    """Return the mark of each line."""
    return {name: MARKS[place % len(MARKS)] for place, name in enumerate(names)}


def plot(lines: Mapping[str, Points], width: int, height: int) -> list[str]:
    r"""Return a chart as lines of text: the largest value on top, x from left to right.

    Args:
        lines: name -> its points; what is NaN or infinite is left out. Later lines are drawn
            over earlier ones.
        width: in characters, of the whole; at least 20 are taken.
        height: in lines, without that of x; at least 3 are taken.

    Returns:
        `height` lines and one with the range of x; none where there is no point.

    >>> print("\n".join(plot({"a": [(1, 3.0), (2, 2.0), (3, 1.0)]}, 20, 3)))
        3 |o...
        2 |    ..o..
        1 |         ...o
           1           3
    """
    finite = {
        name: [(x, y) for x, y in points if abs(x) < LARGEST and abs(y) < LARGEST]
        for name, points in lines.items()
    }
    everything = [point for points in finite.values() for point in points]
    if not everything:
        return []
    height = max(height, 3)
    low, high = min(y for _, y in everything), max(y for _, y in everything)
    first, last = min(x for x, _ in everything), max(x for x, _ in everything)
    log = low > 0 and high / low > _LOG_FROM
    scale = math.log if log else float
    bottom, top = scale(low), scale(high)

    def value(row: int) -> float:
        at = top - (top - bottom) * row / (height - 1)
        return math.exp(at) if log else at

    labels = [f"{value(row):.4g}" for row in range(height)]
    margin = max(5, *map(len, labels))
    columns = max(width, 20) - margin - 2
    rows = [[" "] * columns for _ in range(height)]
    mark = marks(list(lines))
    for name, points in finite.items():
        places = [
            (_place(x, first, last, columns), _place(scale(y), bottom, top, height))
            for x, y in points
        ]
        for column, row in _between(places):
            if rows[height - 1 - row][column] == " ":
                rows[height - 1 - row][column] = _BETWEEN
        for column, row in places:
            rows[height - 1 - row][column] = mark[name]
    drawn = [
        f"{label:>{margin}} |{''.join(row)}".rstrip()
        for label, row in zip(labels, rows, strict=True)
    ]
    begins, ends = f"{first:g}", f"{last:g}" if last > first else ""
    return [*drawn, f"{'':{margin}}  {begins}{ends:>{columns - len(begins)}}".rstrip()]


def _between(places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield what lies between the points of a line, a place a column."""
    for (column, row), (next_column, next_row) in pairwise(places):
        for step in range(1, next_column - column):
            yield column + step, round(row + (next_row - row) * step / (next_column - column))


def _place(value: float, low: float, high: float, places: int) -> int:
    return round((value - low) / (high - low) * (places - 1)) if high > low else 0
