"""One rule says which losses may be divided, and every verdict of a run follows it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.report.findings import full_statistics
from analysis.statistics import paired as p
from analysis.statistics.overview import overview
from analysis.statistics.scale import (
    FRACTION,
    LOSS,
    NEARLY_NOTHING,
    Zero,
    lowest_loss,
    size_text,
    span_text,
    units,
    without_sole_unit,
)
from analysis.statistics.versus import versus
from analysis.statistics.wording import cautions, units_in_words, verdict
from analysis.tables import loss_names
from apps.records.run_dir import RunDir

BELOW = {"shift": 2.0, "trials": 6, "arms": ("control", "mean")}
CROSSING = {**BELOW, "shift": 0.43}
ZERO = {**CROSSING, "least": 0.0}


def _unit(divisors, lowest=math.nan):
    (unit,) = set(units(pd.Series(divisors), pd.Series(["a"] * len(divisors)), Zero(lowest)))
    return unit


@pytest.mark.parametrize(
    ("divisors", "lowest", "unit"),
    [
        ([0.5, 0.4, 0.6], 0.01, FRACTION),
        ([0.5, math.nan, math.inf], 0.01, FRACTION),
        ([1e-9, 2e-9, 3e-9], 1e-10, FRACTION),
        ([0.5], 0.5, FRACTION),
        ([math.nan], math.nan, FRACTION),
        ([0.5, 0.4, 0.6], -1e-3, LOSS),
        ([-0.5, -0.4, -0.6], -0.6, LOSS),
        ([0.5, 0.0, 0.6], 0.0, LOSS),
        ([0.0, 0.0], 0.0, LOSS),
        ([0.5, -0.1, 0.6], math.nan, LOSS),
        ([0.5, 0.5, 0.5, 1.01 * NEARLY_NOTHING * 0.5], 0.0, FRACTION),
        ([0.5, 0.5, 0.5, 0.99 * NEARLY_NOTHING * 0.5], 0.0, LOSS),
    ],
)
def test_losses_are_divided_where_none_is_below_zero_and_no_divisor_nearly_zero(
    divisors, lowest, unit
):
    assert _unit(divisors, lowest) == unit


def test_the_unit_is_one_for_a_kind_and_does_not_depend_on_the_losses_unit():
    values, kinds = pd.Series([1.0, 0.0, 2.0, 3.0]), pd.Series(list("aabb"))
    assert units(values, kinds).tolist() == [LOSS, LOSS, FRACTION, FRACTION]
    assert units(1e-6 * values, kinds).tolist() == units(values, kinds).tolist()
    assert units(values.iloc[:0], kinds.iloc[:0]).empty


@pytest.mark.parametrize(
    ("names", "unproven"),
    [
        (("sparse_categorical_crossentropy", "mse", "MeanSquaredError", "kl_divergence"), 0),
        (("own:nll", "mse"), 1),
        (("cosine_similarity", "CosineSimilarity", "poisson", "Poisson"), 4),
        ((), 0),
    ],
)
def test_a_loss_that_may_be_below_zero_is_not_divided(tables_of, names, unproven):
    zero = Zero(0.5, names)
    assert (len(zero.unproven), zero.is_least) == (unproven, unproven == 0)
    numbers = overview(tables_of(trials=3, arms=("control", "mean")), names)
    assert set(numbers.summary["unit"]) == {LOSS if unproven else FRACTION}
    told = units_in_words(numbers)
    assert all(name in told for name in zero.unproven)
    assert bool(told) == ("%" not in verdict(numbers)) == bool(unproven)


def test_the_names_of_the_losses_are_those_of_the_experiment(tmp_path):
    run = RunDir(tmp_path)
    assert loss_names(run) == ()
    for text, names in (
        ('[training]\nloss = "mse"\n', ("mse",)),
        ('[training.loss]\na = "mse"\nb = "own:nll"\n', ("mse", "own:nll")),
        ('training = "x"\n', ()),
        ("[training]\nepochs = 1\n", ()),
        ("training = ", ()),
    ):
        run.experiment_toml.write_text(text)
        assert loss_names(run) == names


def test_the_lowest_loss_is_looked_for_at_every_epoch_of_every_arm(tables_of):
    for name, row in (("epochs", 7), ("members", 3), ("trials", 1)):
        tables = dict(tables_of(trials=2))
        assert lowest_loss(tables) > 0
        table = tables[name].copy()
        table.loc[row, "val_loss"] = -0.25
        tables[name] = table
        assert lowest_loss(tables) == -0.25
        assert set(overview(tables).summary["unit"]) == {LOSS}
    assert math.isnan(lowest_loss({name: table.iloc[:0] for name, table in tables.items()}))


def test_an_infinite_loss_is_not_the_lowest(tables_of):
    tables = dict(tables_of(trials=2))
    tables["epochs"] = tables["epochs"].assign(loss=-math.inf)
    assert lowest_loss(tables) > 0


@pytest.mark.parametrize("fields", [BELOW, CROSSING, ZERO], ids=["below", "crossing", "zero"])
def test_every_finished_pair_is_compared_by_its_difference(tables_of, fields):
    tables = tables_of(**fields)
    numbers = overview(tables)
    losses = tables["trials"].pivot_table(index="trial", columns="arm", values="val_loss")
    (row,) = numbers.rows("val_loss")
    assert (row.n, row.left_out, row.unit) == (6, 0, LOSS)
    assert row.mean == pytest.approx((losses["control"] - losses["mean"]).mean())
    assert "%" not in verdict(numbers)
    assert "difference" not in verdict(numbers)
    assert any("in the loss's own unit" in note for note in cautions(numbers))


@pytest.mark.parametrize("fields", [BELOW, CROSSING], ids=["below", "crossing"])
def test_below_zero_no_loss_of_the_run_is_divided(tables_of, fields):
    numbers = overview(tables_of(**fields))
    statistics = full_statistics(numbers)
    assert set(statistics["unit"]) == {LOSS}
    assert {"area_loss", "area_val_loss"} <= set(statistics["kind"])
    assert statistics[["margin", "non_inferiority_bound", "effect"]].isna().all(axis=None)
    assert statistics[["non_inferiority_p", "trials_needed"]].isna().all(axis=None)
    assert statistics.loc[statistics["sd"].gt(0), "visible"].gt(0).all()
    assert "lie below zero, down to \u2212" in units_in_words(numbers)


def test_the_differences_do_not_depend_on_where_zero_is(tables_of):
    near, far = (overview(tables_of(**{**BELOW, "shift": shift})) for shift in (2.0, 20.0))
    columns = ["mean", "low", "high", "t_p", "wilcoxon_p", "cohens_d"]
    rows = [numbers.of("val_loss")[columns] for numbers in (near, far)]
    np.testing.assert_allclose(*rows, rtol=1e-6)
    np.testing.assert_array_equal(near.parity["parity"], far.parity["parity"])


def test_a_loss_of_zero_makes_differences_of_its_own_kind_only(tables_of):
    tables = dict(tables_of(arms=("control", "mean"), trials=6))
    trials = tables["trials"].copy()
    trials.loc[trials["arm"].eq("control") & trials["trial"].eq(2), "train_loss"] = 0.0
    tables["trials"] = trials
    numbers = overview(tables)
    unit = numbers.summary.set_index("kind")["unit"]
    assert (unit["train_loss"], unit["val_loss"], unit["test_loss"]) == (LOSS, FRACTION, FRACTION)
    assert numbers.rows("train_loss")[0].n == 6
    assert "of the training loss, the improvement is" in units_in_words(numbers)


def test_an_arm_that_reaches_zero_is_a_whole_better_and_no_reason_for_differences():
    trials = pd.DataFrame(
        {
            "trial": [0, 0, 1, 1],
            "arm": ["control", "mean"] * 2,
            "status": "done",
            "val_loss": [0.5, 0.0, 0.5, 0.25],
        }
    )
    pairs = p.pair_trials(trials, ("val_loss",))
    assert pairs["improvement"].tolist() == [1.0, 0.5]
    (row,) = (
        versus(trials.assign(train_loss=1.0, test_loss=1.0), ["mean"])
        .query("kind == 'val_loss'")
        .itertuples()
    )
    assert (row.unit, row.mean, row.n) == (LOSS, -0.375, 2)


def test_ordinary_losses_are_percentages_and_nothing_is_said(tables):
    numbers = overview(tables)
    assert set(numbers.summary["unit"]) == {FRACTION}
    assert units_in_words(numbers) == ""
    assert "unit" not in without_sole_unit(numbers.summary)
    assert "unit" in without_sole_unit(numbers.summary.assign(unit=LOSS))


def test_a_pair_without_a_finite_loss_is_told_of_every_kind(tables_of):
    tables = dict(tables_of(arms=("control", "mean")))
    tables["trials"] = tables["trials"].copy()
    tables["trials"].loc[3, "test_loss"] = math.inf
    assert cautions(overview(tables)) == [
        "Left out of the test loss, for the same reason: mean in 1 trial."
    ]


def test_sizes_as_text():
    assert size_text(-0.0123, FRACTION) == "\u22121.2 %"
    assert size_text(-0.0123, LOSS) == "\u22120.0123"
    assert size_text(math.nan, LOSS) == size_text(math.inf, LOSS) == "\u2013"
    assert span_text(-0.01, 0.02, LOSS) == "[\u22120.0100, 0.0200]"
    assert span_text(math.nan, 1.0, LOSS) == span_text(math.nan, 1.0, FRACTION) == ""


@pytest.mark.parametrize("draw", ["crossing", "near zero"])
def test_equal_arms_are_told_apart_in_five_percent_wherever_zero_is(draw):
    rng = np.random.default_rng(8)
    common = rng.normal(0, 0.10, (2000, 1, 10))
    losses = common + rng.normal(0, 0.05, (2000, 2, 10))
    if draw == "near zero":
        losses = np.abs(rng.normal(0.3, 0.2, losses.shape))
    runs = np.repeat(np.arange(2000), 10)
    control, arm = losses[:, 0].ravel(), losses[:, 1].ravel()
    below = np.repeat(losses.min(axis=(1, 2)) < 0, 10)
    unit = units(pd.Series(control), pd.Series(runs))
    gain = p.improvement(control, arm, np.where(below, LOSS, unit)).reshape(2000, 10)
    assert np.isfinite(gain).all()
    seen = stats.ttest_1samp(gain, 0, axis=-1).pvalue < 0.05
    assert seen.mean() == pytest.approx(0.05, abs=0.025)


def test_a_report_of_equal_arms_that_cross_zero_finds_one_in_five_percent():
    rng = np.random.default_rng(9)
    false = 0
    for _ in range(100):
        trials = pd.DataFrame(
            {"trial": trial, "arm": arm, "status": "done", "val_loss": rng.normal(0, 0.05)}
            for arm in ("control", "a", "b")
            for trial in range(7)
        )
        table = p.summarize(p.pair_trials(trials, ("val_loss",)))
        assert table["n"].tolist() == [7, 7]
        false += bool((table["t_p_holm"] < 0.05).any())
    assert false <= 9  # 5 % and twice the standard error of 100 reports
