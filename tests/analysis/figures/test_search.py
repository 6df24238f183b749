"""Figures of a search: the best at any time, and which networks no other one beats."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from analysis.figures.search import anytime_curves, loss_against_size, search_pictures

ARMS = ["control", "evolution", "absent"]
BANDS = pd.DataFrame(
    {
        "arm": ["control"] * 5 + ["evolution"] * 5,
        "epoch": [1, 2, 3, 4, 5] * 2,
        "network_epochs": [4, 8, 12, 16, 20] * 2,
        "wall_s": [1.0, 2, 3, 4, 5, 2, 4, 6, 8, 10],
        "mean": [9.0, 0.5, 0.4, 0.4, 0.4, 9.0, 0.5, 0.3, 0.2, 0.2],
        "low": [float("nan")] * 5 + [8.0, 0.4, 0.2, 0.1, 0.1],
        "high": [float("nan")] * 5 + [9.5, 0.6, 0.4, 0.3, 0.3],
    }
)
NETWORKS = pd.DataFrame(
    {
        "arm": ["control", "control", "evolution"],
        "parameters": [100, 1_000, 300],
        "val_loss": [0.5, 0.4, 0.3],
        "front": [True, False, True],
    }
)
FOUND = SimpleNamespace(bands=BANDS, networks=NETWORKS)


def test_the_best_is_drawn_against_both_costs():
    figure = anytime_curves(BANDS, ARMS[:2])
    assert [ax.get_xlabel() for ax in figure.axes] == ["network-epochs", "worker time (s)"]
    lines = {line.get_label(): line for line in figure.axes[1].get_lines()}
    assert list(lines["evolution"].get_xdata()) == [2, 4, 6, 8, 10]
    assert list(lines["evolution"].get_ydata()) == [9.0, 0.5, 0.3, 0.2, 0.2]
    assert lines["control"].get_drawstyle() == "steps-post"


def test_late_losses_are_not_pressed_into_a_line_by_the_first():
    top = BANDS.assign(epoch=BANDS["epoch"] * 2)  # the first epoch is no fifth of the last
    assert anytime_curves(top, ARMS[:2]).axes[0].get_ylim()[1] > 9
    long = BANDS.assign(epoch=BANDS["epoch"].replace({5: 50}))
    low, high = anytime_curves(long, ARMS[:2]).axes[0].get_ylim()
    assert low < 0.1
    assert high < 1


def test_the_loss_axis_holds_every_arms_late_losses():
    short = BANDS.assign(arm=BANDS["arm"].replace("evolution", "short"))
    long = BANDS.loc[BANDS["arm"].eq("control")].assign(
        arm="long", epoch=[10, 20, 30, 40, 50], mean=[2.0, 1.0, 0.9, 0.8, 0.8]
    )
    figure = anytime_curves(pd.concat([short, long]), ["control", "short", "long"])
    low, high = figure.axes[0].get_ylim()
    assert low < 0.2
    assert high > 0.8


def test_the_front_joins_the_networks_that_no_other_one_beats():
    (ax,) = loss_against_size(NETWORKS, ARMS).axes
    front = {line.get_label(): line for line in ax.get_lines()}["no other is smaller and better"]
    assert list(front.get_xdata()) == [100, 300]
    assert list(front.get_ydata()) == [0.5, 0.3]
    assert ax.get_xscale() == "log"


def test_pictures_are_of_arms_that_finished_and_say_what_is_drawn():
    anytime, size = search_pictures(FOUND, ARMS)
    assert anytime.alternative.endswith("At the end: control 0.4000; evolution 0.2000.")
    assert size.alternative == (
        "Scatter chart of 3 networks. On the front: "
        "100 weights, loss 0.5000; 300 weights, loss 0.3000."
    )
    assert search_pictures(FOUND, ["absent"]) == []
