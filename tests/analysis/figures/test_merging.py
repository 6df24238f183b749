"""The merging of two networks as a picture."""

from __future__ import annotations

import numpy as np

from analysis.figures.merging import EXAMPLE, merging
from analysis.figures.numbers import matched_units

ORDER = matched_units(*EXAMPLE)


def names(ax):
    return [text.get_text() for text in ax.texts if text.get_text() not in "+="]


def test_units_have_the_names_of_what_they_do():
    axes = merging(*EXAMPLE, ORDER).axes
    assert ORDER.tolist() == [1, 2, 0]
    assert [names(ax) for ax in axes] == [
        ["a", "b", "c"],
        ["c", "a", "b"],
        ["ac", "ba", "cb"],
        ["a", "b", "c"],
        ["a", "b", "c"],
        ["a", "b", "c"],
    ]


def test_a_weight_is_as_thick_as_it_is_large_and_dashed_if_negative():
    first = np.array([[2.0, -1.0]])
    ax = merging(first, first, [0], inputs=1).axes[0]
    weights = [line for line in ax.get_lines() if line.get_marker() == "None"]
    thick, thin = (line.get_linewidth() for line in weights)
    assert thick > thin
    assert [line.get_linestyle() for line in weights] == ["-", "--"]


def test_the_aligned_mean_of_a_permuted_copy_is_the_network():
    first = EXAMPLE[0]
    second = first[[2, 0, 1]]
    axes = merging(first, second, matched_units(first, second)).axes

    def widths(ax):
        return [line.get_linewidth() for line in ax.get_lines() if line.get_marker() == "None"]

    assert widths(axes[5]) == widths(axes[3])
    assert widths(axes[2]) != widths(axes[3])


def test_a_narrow_page_has_a_narrower_figure():
    assert merging(*EXAMPLE, ORDER, width=4.4).get_size_inches()[0] < 5
