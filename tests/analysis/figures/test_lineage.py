"""The lineage as a picture: ancestry in ink, the champion ringed, who failed crossed out."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.figures.drawing import INK
from analysis.figures.lineage import lineage_figure
from analysis.statistics.lineage import Lineage

NODES = pd.DataFrame(
    [
        (0, 0, 0, 2, 0, False, True, False),
        (0, 1, 1, 2, 1, False, False, False),
        (1, 0, 0, 4, 0, True, True, False),
        (1, 1, 1, 4, 0, False, False, True),
    ],
    columns=[
        "segment",
        "member",
        "place",
        "epoch",
        "species",
        "champion",
        "ancestor",
        "failed",
    ],
)
EDGES = pd.DataFrame(
    [(1, 0, 0, True), (1, 1, 1, False), (1, 7, 1, False)],
    columns=["segment", "parent", "child", "ancestor"],
)


@pytest.fixture
def figure():
    return lineage_figure(Lineage(3, "a" * 40, NODES, EDGES))


def test_lines_lead_to_parents_that_are_there(figure):
    (ax,) = figure.axes
    lines = [line for line in ax.get_lines() if list(line.get_xdata()) == [0, 1]]
    assert [(list(line.get_ydata()), line.get_color() == INK) for line in lines] == [
        ([0, 0], True),
        ([1, 1], False),
    ]


def test_members_are_numbered_but_for_those_that_failed(figure):
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts] == ["0", "1", "0"]
    crosses = [line for line in ax.get_lines() if line.get_marker() == "x"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [(1, 1)]


def test_marks_that_are_there_are_explained(figure):
    (legend,) = figure.legends
    told = [text.get_text() for text in legend.get_texts()]
    assert told == ["species 0", "species 1", "champion", "its ancestry", "failed"]


def test_axes_tell_epochs_and_ranks(figure):
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_xticklabels()] == ["epoch 2", "epoch 4"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["best", "last"]
    assert ax.get_title(loc="left").endswith("\u2026, trial 3")


def test_a_narrow_page_has_a_narrower_figure():
    many = pd.concat([NODES[NODES["segment"] == 0].assign(segment=n, epoch=n) for n in range(20)])
    lineage = Lineage(0, "a", many, EDGES[:0])
    assert lineage_figure(lineage).get_size_inches()[0] == 14
    narrow = lineage_figure(lineage, width=4)
    assert narrow.get_size_inches()[0] == 4
    assert [text.get_text() for text in narrow.axes[0].texts] == []
