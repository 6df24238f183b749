"""Area under the curve and the cost of a loss, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.statistics import convergence as v
from analysis.statistics import curves as c
from analysis.statistics.paired import summarize


def _run(losses: dict[tuple[int, str], list[float]], failed=()):
    """Return the tables `epochs` and `trials` of two equal members; each epoch takes 2 s."""
    epochs = [
        {
            "trial": trial,
            "arm": arm,
            "member": member,
            "epoch": epoch,
            "wall_s": 2.0,
            "loss": loss,
            "val_loss": 10 * loss,
        }
        for (trial, arm), values in losses.items()
        for member in range(2)
        for epoch, loss in enumerate(values, start=1)
    ]
    trials = [
        {"trial": trial, "arm": arm, "status": "failed" if (trial, arm) in failed else "done"}
        for trial, arm in losses
    ]
    return pd.DataFrame(epochs), pd.DataFrame(trials)


RUN = {
    (0, "control"): [4, 3, 2],
    (1, "control"): [4, 2, 2],
    (2, "control"): [4, 3, 1],
    (0, "mean"): [4, 2, 1],
    (1, "mean"): [4, 3, 2],
    (2, "mean"): [4, 3, 2],
}


def test_an_area_is_compared_with_that_of_the_same_trial():
    epochs, trials = _run(RUN)
    area = c.area_under_curve(c.best_member_curves(epochs, trials))
    paired = v.pair_areas(area)
    own = paired.loc[paired["kind"].eq("area_val_loss")].set_index("trial")
    assert own.loc[0, ["control_loss", "arm_loss"]].tolist() == [90, 70]
    assert own["improvement"].tolist() == pytest.approx([2 / 9, -1 / 8, -1 / 8])
    row = summarize(paired).set_index("kind").loc["area_loss"]
    assert (row["n"], row["wins"], row["mean"]) == (3, 1, pytest.approx((2 / 9 - 2 / 8) / 3))


def test_an_area_that_is_not_there_is_no_pair():
    epochs, trials = _run(RUN | {(1, "mean"): [4, np.nan, 2]}, failed=[(0, "control")])
    paired = v.pair_areas(c.area_under_curve(c.best_member_curves(epochs, trials)))
    assert paired["improvement"].notna().groupby(paired["trial"]).all().to_dict() == {
        0: False,
        1: False,
        2: True,
    }


def test_the_cost_of_parity_is_to_the_loss_of_the_own_trial():
    epochs, trials = _run(RUN)
    parity = c.epochs_to_parity(c.best_member_curves(epochs, trials))
    spent = v.cost_to_control(epochs, parity, "val_loss").set_index(["trial", "arm"])
    assert spent["epoch"].unstack()["control"].tolist() == [3, 2, 3]
    assert spent["epoch"].unstack()["mean"].fillna(0).tolist() == [2, 3, 0]
    assert spent.loc[(0, "mean")].tolist() == [2, 4, 8.0]
    summary = v.summarize_cost(spent.reset_index(), trials).set_index("arm")
    assert summary.index.tolist() == ["control", "mean"]
    assert summary.loc["control"].tolist() == [3, 3, 3, 6, 12.0]
    assert summary.loc["mean"].tolist() == [3, 2, 3, 6, 12.0]


def test_a_trial_that_never_gets_there_is_infinitely_late():
    epochs, trials = _run({(trial, "a"): [1.0 if trial else 3.0, 1] for trial in range(3)})
    reached = v.summarize_cost(c.cost_to_loss(epochs, 2, "loss"), trials).iloc[0]
    assert (reached["reached"], reached["epoch"]) == (3, 1)
    epochs, trials = _run({(trial, "a"): [1.0 if trial == 1 else 3.0, 3] for trial in range(3)})
    row = v.summarize_cost(c.cost_to_loss(epochs, 2, "loss"), trials).iloc[0]
    assert (row["n"], row["reached"]) == (3, 1)
    assert row[["epoch", "network_epochs", "wall_s"]].isna().all()


def test_failed_trials_and_trials_without_a_control_do_not_count():
    epochs, trials = _run(RUN, failed=[(0, "control"), (1, "mean")])
    parity = c.epochs_to_parity(c.best_member_curves(epochs, trials))
    summary = v.summarize_cost(v.cost_to_control(epochs, parity, "loss"), trials)
    assert summary.set_index("arm")["n"].to_dict() == {"control": 2, "mean": 1}


def test_runs_of_all_sorts_have_areas_and_costs(odd_tables):
    curves = c.best_member_curves(odd_tables["epochs"], odd_tables["trials"])
    v.pair_areas(c.area_under_curve(curves))
    parity = c.epochs_to_parity(curves)
    spent = v.cost_to_control(odd_tables["epochs"], parity, "val_loss")
    summary = v.summarize_cost(spent, odd_tables["trials"])
    assert (summary["reached"] <= summary["n"]).all()
