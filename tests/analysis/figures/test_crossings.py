"""The figure of the crossovers: shares and gains are those of the table."""

from __future__ import annotations

import numpy as np

from analysis.figures.crossings import crossing_pictures, crossings_and_gain
from analysis.statistics.crossings import SHARES, children, crossings
from tests.analysis.statistics.test_crossings import MATINGS


def test_bars_are_shares_and_the_line_is_the_median_gain() -> None:
    born = children(MATINGS)
    left, right = crossings_and_gain(crossings(born), born, ["a", "b"]).axes
    widths = [bar.get_width() for bar in left.patches]
    assert np.allclose(widths, [1, 0, 2 / 3, 0, 2 / 3, 0, 2 / 3, 0])
    assert left.get_legend_handles_labels()[1] == list(SHARES.values())
    middles = [line.get_xdata()[0] for line in right.get_lines() if line.get_linewidth() == 1.8]
    assert np.allclose(middles, [0.0, 0.05])


def test_the_picture_says_what_it_shows() -> None:
    (picture,) = crossing_pictures(children(MATINGS), ["control", "a", "b"])
    assert "a: children 3, two parents or more 3, of two species or more 2" in picture.alternative
    assert "b: children 1, two" in picture.alternative
    assert crossing_pictures(children(MATINGS), ["control"]) == []
