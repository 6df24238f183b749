"""Figures of the population: where arms differ, and who failed."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.figures.population import kinship_and_gain, members_at_halts, shown_halts

NAN = float("nan")


def _losses(rows):
    return pd.DataFrame(rows, columns=["trial", "arm", "epoch", "member", "value", "own"])


def test_of_many_halts_those_are_drawn_where_most_arms_differ():
    rows = [(0, "control", epoch, 0, 1.0, True) for epoch in (2, 4, 6, 8)]
    rows += [(0, "mean", 2, 0, 1.0, False), (0, "mean", 6, 0, 1.0, True)]
    rows += [(0, "mean", 8, 0, 1.0, True)]
    assert shown_halts(_losses(rows)) == [2, 6]
    assert shown_halts(_losses(rows), most=1) == [6]
    assert shown_halts(_losses(rows), most=0) == []


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


def test_each_arm_has_its_own_end():
    rows = [(0, "control", epoch, m, 1.0, True) for epoch in (2, 4) for m in (0, 1)]
    rows += [(0, "mean", 2, m, 1.0, False) for m in (0, 1)]
    rows += [(0, "mean", epoch, m, 1.0, True) for epoch in (4, 9) for m in (0, 1)]
    rows += [(0, "swa", 4, m, 1.0, True) for m in (0, 1)]
    first, second, end = members_at_halts(_losses(rows), ["control", "mean", "swa"], "loss").axes
    assert _names(first) == ["control"]
    assert _names(second) == ["control", "mean"]  # swa ends there, and was not halted
    assert end.get_title(loc="left") == "The end, epochs 4 to 9"
    assert _names(end) == ["control, epoch 4", "mean, epoch 9", "swa, epoch 4"]


def test_a_population_that_has_the_controls_networks_and_others_is_drawn_whole():
    rows = [(0, "control", epoch, m, 1.0, True) for epoch in (2, 4) for m in (0, 1)]
    rows += [(0, "halving", 2, m, 1.0 + m, m > 1) for m in range(4)]
    rows += [(0, "halving", 4, 0, 1.0, True)]
    rows += [(0, "one", epoch, 0, 1.0, False) for epoch in (2, 4)]
    halt, _ = members_at_halts(_losses(rows), ["control", "halving", "one"], "loss").axes
    assert _names(halt) == ["control", "halving", "one"]
    dots = [len(line.get_xdata()) for line in halt.get_lines() if line.get_linestyle() == "None"]
    assert dots == [2, 4, 1]


def test_a_trial_stands_at_one_height_in_arms_that_lack_the_last():
    rows = [(trial, "control", 4, 0, 1.0, True) for trial in range(3)]
    rows += [(trial, "mean", 4, 0, 1.0, True) for trial in range(2)]
    (ax,) = members_at_halts(_losses(rows), ["control", "mean"], "loss").axes
    dots = [line.get_ydata() for line in ax.get_lines() if line.get_linestyle() == "None"]
    assert (dots[0][:2] + 1).tolist() == dots[1].tolist()


def _names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


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
