"""Metrics beside the loss: averaged, compared by their direction, drawn of the best member."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.statistics.metrics import METRIC, measured, metric_fitness, metric_names
from analysis.statistics.overview import overview

TRAINING: dict[str, Any] = {"metrics": ["auc", "mae"], "loss": "mse"}


def with_metrics(tables: dict[str, pd.DataFrame], **metrics: Any) -> dict[str, pd.DataFrame]:
    """Add metrics that are functions of the loss of the same part of the data."""
    tables = dict(tables)
    for table in ("members", "epochs", "trials"):
        data = tables[table]
        parts = ("", "val_") if table == "epochs" else ("", "train_", "val_", "test_")
        tables[table] = data.assign(
            **{
                f"{part}{name}": function(data[f"{part}loss"])
                for name, function in metrics.items()
                for part in parts
            }
        )
    return tables


def of_both(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return with_metrics(tables, auc=lambda loss: 1 - loss, mae=lambda loss: 2 * loss)


def chosen_by(tables: dict[str, pd.DataFrame], column: str) -> dict[str, pd.DataFrame]:
    trials = tables["trials"]
    return {**tables, "trials": trials.assign(fitness=trials[column])}


def test_a_run_without_other_metrics_has_none(tables, odd_tables):
    assert measured(tables) is None
    assert measured(odd_tables) is None
    assert metric_names(tables["trials"]) == ()


def test_accuracy_is_among_them_where_it_chose_or_there_are_others(tables):
    found = measured(chosen_by(tables, "val_accuracy"))
    assert found is not None
    assert (found.names, found.modes, found.fitness) == (
        ("accuracy",),
        {"accuracy": "max"},
        "val_accuracy",
    )
    both = measured(of_both(tables))
    assert both is not None
    assert both.names == ("accuracy", "auc", "mae")


def test_the_fitness_is_found_and_a_loss_is_no_metric(tables):
    both = of_both(tables)
    assert metric_fitness(both["trials"]) == ""
    assert metric_fitness(chosen_by(both, "val_auc")["trials"]) == "val_auc"
    assert metric_fitness(chosen_by(both, "train_mae")["trials"]) == "train_mae"
    assert overview(chosen_by(both, "val_auc")).fitness == "val_auc"
    assert overview(both).fitness == "train_loss"


def test_a_metric_that_equals_the_loss_did_not_choose(tables):
    same = with_metrics(tables, mse=lambda loss: loss)
    for column in ("val_loss", "train_loss"):
        assert metric_fitness(chosen_by(same, column)["trials"]) == ""


def test_arms_are_compared_by_differences_whose_sign_is_the_directions(tables):
    found = measured(of_both(tables), TRAINING)
    assert found is not None
    trials = tables["trials"].set_index(["arm", "trial"])
    for arm in ("mean", "clone"):
        gain = (trials.loc["control", "val_loss"] - trials.loc[arm, "val_loss"]).mean()
        row = found.row(arm, "val_auc")
        assert row.mean == pytest.approx(gain)
        assert row.unit == METRIC
        assert found.row(arm, "val_mae").mean == pytest.approx(2 * gain)
        assert found.row(arm, "test_auc").n == trials.loc[arm].shape[0]
    assert found.row("control", "val_auc") is None


def test_a_higher_value_is_better_if_the_experiment_says_so(tables):
    """The other sign and the other direction give the same; without one, the plain difference."""
    low = with_metrics(tables, own=lambda loss: 2 * loss)
    high = with_metrics(tables, own=lambda loss: -2 * loss)
    training = {"metrics": ["mine:own"], "fitness": "val_own"}
    found = [
        measured(chosen_by(each, "val_own"), training | {"fitness_mode": mode})
        for each, mode in ((low, "min"), (high, "max"))
    ]
    one, other = found
    assert one is not None
    assert other is not None
    values = ["control_loss", "arm_loss"]
    pd.testing.assert_frame_equal(
        one.summary.drop(columns=values), other.summary.drop(columns=values)
    )
    ours, theirs = (each.bands.set_index(["arm", "kind", "epoch"]) for each in found)
    own = ours.index.get_level_values("kind") == "own"
    np.testing.assert_allclose(ours.loc[own, "mean"], -theirs.loc[own, "mean"])
    unknown = measured(low, training)
    assert unknown is not None
    assert unknown.modes["own"] == ""
    assert unknown.row("mean", "val_own").mean == pytest.approx(-one.row("mean", "val_own").mean)


@pytest.mark.parametrize(("name", "how"), [("auc", "max"), ("mae", "min"), ("profit", "mean")])
def test_curves_are_of_the_best_member(tables, name: str, how: str):
    given = with_metrics(tables, **{name: lambda loss: loss})
    found = measured(given, {"metrics": [name]})
    assert found is not None
    own = given["epochs"].query("arm == 'mean' and epoch == 8").groupby("trial")[f"val_{name}"]
    bands = found.bands.set_index(["arm", "kind", "epoch"])
    assert bands.loc[("mean", name, 8), "mean"] == pytest.approx(own.agg(how).mean())


def test_a_metric_that_is_no_number_takes_no_part(tables):
    given = of_both(tables)
    trials = given["trials"].copy()
    trials.loc[trials["arm"].eq("mean") & trials["trial"].eq(0), "val_auc"] = np.nan
    epochs = given["epochs"].copy()
    epochs.loc[epochs["epoch"].eq(3), "val_auc"] = np.inf
    found = measured({**given, "trials": trials, "epochs": epochs}, TRAINING)
    assert found is not None
    assert found.row("mean", "val_auc").left_out == 1
    assert 3 not in set(found.bands.query("kind == 'auc'")["epoch"])


def test_champions_have_means_on_every_part(tables):
    found = measured(of_both(tables), TRAINING)
    assert found is not None
    means = found.champions.set_index("arm")
    assert means.index[0] == "control"
    expected = 1 - tables["trials"].groupby("arm")["test_loss"].mean()
    np.testing.assert_allclose(means["test_auc"], expected.reindex(means.index))
    assert {"train_auc", "val_auc", "train_accuracy"} <= set(means.columns)


def test_a_name_may_begin_as_a_part_of_the_data_does(tables):
    given = with_metrics(tables, test_x=lambda loss: loss, val_x=lambda loss: loss)
    assert metric_names(given["trials"]) == ("test_x", "val_x")


def test_before_an_arm_is_whole_there_is_nothing_to_compare(tables):
    given = of_both(tables)
    found = measured({**given, "trials": given["trials"].assign(status="unfinished")}, TRAINING)
    assert found is not None
    assert found.fitness == ""
    assert found.champions["n"].eq(0).all()
    assert found.summary["n"].eq(0).all()
    assert found.bands.empty
