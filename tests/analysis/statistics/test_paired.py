"""Pairs, improvement and summary: by hand and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.statistics import hypotheses as h
from analysis.statistics import paired as s

RNG = np.random.default_rng(5)


def _trials(losses: dict[str, list[float]], failed: tuple[tuple[int, str], ...] = ()):
    rows = [
        {
            "trial": trial,
            "arm": arm,
            "status": "failed" if (trial, arm) in failed else "done",
            **dict.fromkeys(s.KINDS, loss),
        }
        for arm, values in losses.items()
        for trial, loss in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_improvement_is_relative_to_the_control_and_positive_when_better():
    assert s.improvement([0.5, 0.4], [0.4, 0.5]) == pytest.approx([0.2, -0.25])


@pytest.mark.parametrize(
    ("control", "arm"),
    [(math.nan, 1), (1, math.nan), (1, math.inf), (math.inf, 1), (0, 1), (-1, 1)],
)
def test_improvement_without_a_meaning_is_nan(control, arm):
    assert np.isnan(s.improvement(control, arm))


def test_improvement_leaves_its_inputs_alone():
    control, arm = np.array([1.0, 0.0]), np.array([0.5, 1.0])
    s.improvement(control, arm)
    assert control.tolist() == [1, 0]
    assert arm.tolist() == [0.5, 1]


def test_pairs_are_of_one_trial_and_failed_ones_have_no_improvement():
    trials = _trials({"control": [1, 2, 4], "mean": [0.5, 1, 3]}, failed=((1, "control"),))
    paired = s.pair_trials(trials.sample(frac=1, random_state=0), kinds=("val_loss",))
    by_trial = paired.set_index("trial")["improvement"]
    assert by_trial[0] == 0.5
    assert np.isnan(by_trial[1])
    assert by_trial[2] == 0.25


def test_a_failed_arm_is_never_paired_even_when_it_has_a_loss():
    trials = _trials({"control": [1, 2], "mean": [0.5, 1]}, failed=((1, "mean"),))
    summary = s.summarize(s.pair_trials(trials)).set_index("kind").loc["val_loss"]
    assert (summary["n"], summary["left_out"], summary["mean"]) == (1, 1, 0.5)


def test_a_trial_that_only_the_control_has_is_nobodys_pair():
    trials = _trials({"control": [1, 2, 3], "mean": [0.5, 1]})
    assert s.summarize(s.pair_trials(trials, ("val_loss",)))["n"].tolist() == [2]


def test_summary_of_a_hand_worked_case():
    losses = {"control": [1.0] * 8, "mean": [0.9, 0.8, 0.7, 1.1, 0.95, 0.85, 0.9, 0.8]}
    row = s.summarize(s.pair_trials(_trials(losses), ("val_loss",))).iloc[0]
    sample = np.array([0.1, 0.2, 0.3, -0.1, 0.05, 0.15, 0.1, 0.2])
    assert row["mean"] == pytest.approx(1.0 / 8)
    assert row["median"] == pytest.approx(0.125)
    assert row["sd"] == pytest.approx(sample.std(ddof=1))
    assert row["cohens_d"] == pytest.approx(sample.mean() / sample.std(ddof=1))
    assert (row["wins"], row["worst_trial"], row["best_trial"]) == (7, 3, 2)
    assert (row["worst"], row["best"]) == pytest.approx((-0.1, 0.3))
    assert (row["control_loss"], row["arm_loss"]) == pytest.approx((1.0, 7.0 / 8))
    assert row["low"] < row["mean"] < row["high"]
    assert row["method"] == "BCa"


def test_holm_is_within_each_loss_kind():
    losses = {"control": [1.0] * 8, **{f"arm {i}": RNG.normal(0.9, 0.1, 8) for i in range(4)}}
    summary = s.summarize(s.pair_trials(_trials(losses), ("train_loss", "val_loss")))
    for _, family in summary.groupby("kind"):
        assert family["t_p_holm"].to_numpy() == pytest.approx(h.holm(family["t_p"]))
        assert (family["t_p_holm"] >= family["t_p"]).all()


def test_an_arms_numbers_do_not_depend_on_the_other_arms():
    losses = {"control": [1.0] * 8, "a": RNG.normal(0.9, 0.1, 8), "b": RNG.normal(0.9, 0.1, 8)}
    both = s.summarize(s.pair_trials(_trials(losses), ("val_loss",))).set_index("arm")
    alone = s.summarize(
        s.pair_trials(_trials({k: losses[k] for k in ("control", "b")}), ("val_loss",))
    ).set_index("arm")
    columns = ["mean", "low", "high", "median_low", "t_p"]
    assert both.loc["b", columns].tolist() == alone.loc["b", columns].tolist()


def test_summary_of_nothing_has_the_columns():
    only_control = s.summarize(s.pair_trials(_trials({"control": [1.0, 2.0]})))
    assert only_control.empty
    assert {"arm", "kind", "mean", "t_p_holm"} <= set(only_control.columns)


def test_losses_that_differ_by_chance_alone_are_told_apart_in_five_percent():
    rng = np.random.default_rng(8)
    common = rng.normal(0, 0.10, (1500, 1, 10))  # a trial's luck, which both share
    control, arm = np.exp(common + rng.normal(0, 0.05, (1500, 2, 10))).swapaxes(0, 1)
    p_values = stats.ttest_1samp(s.improvement(control, arm), 0, axis=-1).pvalue
    assert np.mean(p_values < 0.05) == pytest.approx(0.05, abs=0.02)


def test_a_report_of_five_arms_without_effect_finds_one_in_five_percent():
    rng = np.random.default_rng(9)
    false = 0
    for _ in range(150):
        losses = {arm: rng.normal(1, 0.05, 7) for arm in ("control", *"abcde")}
        table = s.summarize(s.pair_trials(_trials(losses), ("val_loss",)))
        false += bool((table["t_p_holm"] < 0.05).any())
    assert false / 150 <= 0.09  # 5 % and twice the standard error of 150 reports


def test_non_inferiority_of_a_hand_worked_case():
    losses = {"control": [1.0] * 4, "a": [0.9, 1.0, 1.1, 1.04], "b": [1.0, 0.97, 0.98, 0.99]}
    table = s.non_inferiority(s.pair_trials(_trials(losses), ("val_loss",)), 0.02)
    a, b = table.itertuples()
    assert (a.n, a.mean, b.mean) == pytest.approx((4, -0.01, 0.015))
    reach = 2.35336 * math.sqrt(0.0005 / 3 / 4)  # t[0.95, 3]; the squares of b add up to 0.0005
    assert b.bound == pytest.approx(0.015 - reach, abs=1e-6)
    assert (b.bound > -0.02, a.bound > -0.02) == (b.p < 0.05, a.p < 0.05) == (True, False)
    assert table["p_holm"].to_numpy() == pytest.approx(h.holm(table["p"]))


def test_non_inferiority_without_trials_is_nan():
    pairs = s.pair_trials(_trials({"control": [1.0, 2.0], "a": [1.0, 2.0]}), ("val_loss",))
    (row,) = s.non_inferiority(pairs, 0.02).itertuples()
    assert (row.n, row.mean) == (2, 0.0)
    assert np.isnan([row.bound, row.p, row.p_holm]).all()
    assert s.non_inferiority(pairs.iloc[:0], 0.02).empty
