"""A chart of characters: every point has its place, whatever the numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.watching.text_plot import LARGEST, MARKS, marks, plot

POINTS = st.lists(
    st.tuples(st.integers(1, 50), st.floats(allow_nan=True, allow_infinity=True)), max_size=13
).map(lambda points: sorted(points, key=lambda point: point[0]))


@given(st.lists(POINTS, max_size=3), st.integers(0, 120), st.integers(0, 20))
def test_any_points_fit(lines: list[list[tuple[float, float]]], width: int, height: int) -> None:
    drawn = plot({str(number): line for number, line in enumerate(lines)}, width, height)
    finite = any(abs(y) < LARGEST for line in lines for _, y in line)
    assert len(drawn) == (max(height, 3) + 1 if finite else 0)
    assert all(len(line) <= max(width, 20) for line in drawn)


def test_a_single_point_is_drawn() -> None:
    drawn = plot({"a": [(3, 0.5)]}, 40, 5)
    assert sum(line.count(MARKS[0]) for line in drawn) == 1
    assert drawn[-1].split() == ["3"]


def test_a_wide_span_is_logarithmic() -> None:
    drawn = plot({"a": [(1, 1000.0), (2, 10.0), (3, 0.1)]}, 40, 5)
    rows = [number for number, line in enumerate(drawn) if MARKS[0] in line]
    assert rows == [0, 2, 4]
    assert drawn[2].split()[0] == "10"


def test_later_lines_lie_over_earlier_ones() -> None:
    same = [(1, 1.0), (2, 2.0)]
    drawn = "".join(plot({"a": same, "b": same}, 40, 5))
    assert marks(["a", "b"])["b"] in drawn
    assert marks(["a", "b"])["a"] not in drawn


@pytest.mark.parametrize("count", [0, 1, 23])
def test_every_line_has_a_mark(count: int) -> None:
    assert len(marks([str(number) for number in range(count)])) == count
