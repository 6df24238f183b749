"""Figures of the population: where arms differ, and who failed."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.figures.population import kinship_and_gain, members_at_halts, shown_epochs

NAN = float("nan")


def _losses(rows):
    return pd.DataFrame(rows, columns=["trial", "arm", "epoch", "member", "value", "own"])


def test_of_many_halts_those_are_drawn_where_most_arms_differ():
    rows = [(0, "control", epoch, 0, 1.0, True) for epoch in (2, 4, 6, 8)]
    rows += [(0, "mean", 2, 0, 1.0, False), (0, "mean", 6, 0, 1.0, True)]
    rows += [(0, "mean", 8, 0, 1.0, True)]
    assert shown_epochs(_losses(rows)) == [2, 6, 8]
    assert shown_epochs(_losses(rows), most=2) == [6, 8]
    assert shown_epochs(_losses(rows), most=1) == [8]


def test_a_panel_has_the_arms_of_its_epoch_and_says_who_failed():
    figure = members_at_halts(
        _losses(
            [
                (0, "control", 2, 0, 1.0, True),
                (0, "mean", 2, 0, 1.0, False),
                (0, "control", 4, 0, 0.9, True),
                (0, "mean", 4, 0, NAN, True),
                (1, "control", 4, 0, NAN, True),
            ]
        ),
        ["control", "mean"],
        "loss",
    )
    halt, end = figure.axes
    assert halt.get_title(loc="left") == "Epoch 2, a halt; 1 as the control"
    assert [label.get_text() for label in halt.get_yticklabels()] == ["control"]
    assert end.get_title(loc="left") == "Epoch 4, the end"
    names = [label.get_text() for label in end.get_yticklabels()]
    assert names == ["control, 1 failed", "mean, all failed"]


@pytest.mark.parametrize("columns", [1, 2])
def test_merges_that_were_not_measured_are_left_out(columns):
    merges = pd.DataFrame(
        {
            "arm": ["mean", "mean"],
            "distance": [NAN, NAN],
            "barrier": [0.2, NAN],
            "gain": [0.1, 0.1],
            "unit": "fraction",
        }
    )
    distance, barrier = kinship_and_gain(merges, ["control", "mean"], columns=columns).axes
    assert [text.get_text() for text in distance.texts] == ["not measured"]
    assert [line.get_xdata().tolist() for line in barrier.get_lines()[1:]] == [[0.2]]
