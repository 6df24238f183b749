"""Improvement, intervals, tests and corrections: by hand, against SciPy, by simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import statistics as s

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


def test_p_values_are_scipys():
    sample = RNG.normal(0.02, 0.05, 11)
    assert s.signed_rank_p(sample) == stats.wilcoxon(sample, method="exact").pvalue
    zeros = np.zeros_like(sample)
    assert s.paired_t_p(sample) == pytest.approx(stats.ttest_rel(sample, zeros).pvalue)


def test_signed_rank_by_hand():
    assert s.signed_rank_p(np.array([0.1, 0.2, 0.3])) == pytest.approx(2 / 2**3)


def test_holm_by_hand():
    assert s.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert s.holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert s.holm([]).size == 0


def test_holm_leaves_nan_out_of_the_family():
    corrected = s.holm([0.02, math.nan, 0.03])
    assert corrected[[0, 2]] == pytest.approx([0.04, 0.04])
    assert np.isnan(corrected[1])


def test_holm_is_within_each_loss_kind():
    losses = {"control": [1.0] * 8, **{f"arm {i}": RNG.normal(0.9, 0.1, 8) for i in range(4)}}
    summary = s.summarize(s.pair_trials(_trials(losses), ("train_loss", "val_loss")))
    for _, family in summary.groupby("kind"):
        assert family["t_p_holm"].to_numpy() == pytest.approx(s.holm(family["t_p"]))
        assert (family["t_p_holm"] >= family["t_p"]).all()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_trials_give_no_interval_and_no_test(n):
    sample = np.full(n, 0.1) + np.arange(n)
    assert s.mean_interval(sample) is s.TOO_FEW
    assert s.median_interval(sample) is s.TOO_FEW
    p_values = [s.signed_rank_p(sample), s.paired_t_p(sample), s.non_inferiority_p(sample, 0.1)]
    assert np.isnan(p_values).all()


@pytest.mark.parametrize("value", [0.0, 0.1, -1e-9])
@pytest.mark.parametrize("n", [3, 10])
def test_equal_trials_give_no_interval_and_no_warning(n, value):
    sample = np.full(n, value)
    assert s.mean_interval(sample) is s.ALL_EQUAL
    assert np.isnan([s.paired_t_p(sample), s.cohens_d(sample)]).all()


def test_mostly_equal_trials_give_no_warning():
    sample = np.array([0.0] * 7 + [0.01])
    s.mean_interval(sample), s.median_interval(sample)
    assert s.signed_rank_p(sample) == 1.0


def test_below_eight_trials_the_interval_is_students():
    sample = np.array([0.1, 0.2, 0.4])
    interval = s.mean_interval(sample)
    reference = stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    assert interval.method == "t"
    assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high))


def test_bca_is_scipys_at_the_widened_level():
    sample = RNG.gamma(3, 0.02, (1, 12))
    low, high = s.bca_interval(sample, seed=3)
    tail = stats.norm.cdf(stats.t.ppf(0.025, 11) * math.sqrt(12 / 11))
    reference = stats.bootstrap(
        (sample[0],), np.mean, confidence_level=1 - 2 * tail, method="BCa",
        rng=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    assert (low[0], high[0]) == pytest.approx((reference.low, reference.high))


def test_an_arms_numbers_do_not_depend_on_the_other_arms():
    losses = {"control": [1.0] * 8, "a": RNG.normal(0.9, 0.1, 8), "b": RNG.normal(0.9, 0.1, 8)}
    both = s.summarize(s.pair_trials(_trials(losses), ("val_loss",))).set_index("arm")
    alone = s.summarize(
        s.pair_trials(_trials({k: losses[k] for k in ("control", "b")}), ("val_loss",))
    ).set_index("arm")
    columns = ["mean", "low", "high", "median_low", "t_p"]
    assert both.loc["b", columns].tolist() == alone.loc["b", columns].tolist()


def _coverage(samples, truth, statistic="mean"):
    low, high = s.bca_interval(samples, statistic, resamples=499)
    return np.mean((low <= truth) & (high >= truth))


@pytest.mark.parametrize("n", [s.SMALLEST_BOOTSTRAP, 10, 17])
def test_intervals_of_the_mean_cover_what_they_say(n):
    samples = np.random.default_rng(n).normal(0.05, 0.05, (4000, n))
    assert _coverage(samples, 0.05) == pytest.approx(0.95, abs=0.02)


def test_intervals_cover_a_skewed_mean():
    samples = np.random.default_rng(1).gamma(4, 0.01, (3000, 10))
    assert _coverage(samples, 0.04) == pytest.approx(0.95, abs=0.02)


def test_intervals_of_the_median_cover_at_least_what_they_say():
    samples = np.random.default_rng(4).normal(0.05, 0.05, (1000, 11))
    assert 0.93 <= _coverage(samples, 0.05, "median") <= 0.99


def test_the_t_interval_of_few_trials_covers_what_it_says():
    samples = np.random.default_rng(5).normal(0.05, 0.05, (1000, 3))
    ends = [s.mean_interval(sample) for sample in samples]
    covered = np.mean([end.low <= 0.05 <= end.high for end in ends])
    assert covered == pytest.approx(0.95, abs=0.02)


def test_false_positives_stay_at_five_percent():
    samples = np.random.default_rng(2).normal(0, 0.05, (1000, 10))
    for p_value in (s.paired_t_p, s.signed_rank_p):
        assert np.mean([p_value(sample) < 0.05 for sample in samples]) == pytest.approx(
            0.05, abs=0.02
        )


def test_holm_keeps_the_rate_of_the_family():
    rng = np.random.default_rng(3)
    families = rng.normal(0, 0.05, (1500, 5, 10)) + rng.normal(0, 0.05, (1500, 1, 10))
    p_values = stats.ttest_1samp(families, 0, axis=-1).pvalue
    assert np.mean([(s.holm(p) < 0.05).any() for p in p_values]) <= 0.06
    assert np.mean((p_values < 0.05).any(axis=1)) > 0.1  # what it protects from


def test_non_inferiority_is_a_shifted_one_sided_t_test():
    sample = RNG.normal(-0.005, 0.01, 10)
    reference = stats.ttest_1samp(sample + 0.02, 0, alternative="greater").pvalue
    assert s.non_inferiority_p(sample, 0.02) == pytest.approx(reference)
    with pytest.raises(ValueError, match="margin"):
        s.non_inferiority_p(sample, -0.02)


def test_summary_of_nothing_has_the_columns():
    only_control = s.summarize(s.pair_trials(_trials({"control": [1.0, 2.0]})))
    assert only_control.empty
    assert {"arm", "kind", "mean", "t_p_holm"} <= set(only_control.columns)
