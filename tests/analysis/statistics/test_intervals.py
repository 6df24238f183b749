"""Intervals: against SciPy, and their coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics import hypotheses as h
from analysis.statistics import intervals as i

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_trials_give_no_interval_and_no_test(n):
    sample = np.full(n, 0.1) + np.arange(n)
    assert i.mean_interval(sample) is i.TOO_FEW
    assert i.median_interval(sample) is i.TOO_FEW
    p_values = [h.signed_rank_p(sample), h.paired_t_p(sample), h.non_inferiority_p(sample, 0.1)]
    assert np.isnan(p_values).all()


@pytest.mark.parametrize("value", [0.0, 0.1, -1e-9])
@pytest.mark.parametrize("n", [3, 10])
def test_equal_trials_give_no_interval_and_no_warning(n, value):
    sample = np.full(n, value)
    assert i.mean_interval(sample) is i.ALL_EQUAL
    assert np.isnan([h.paired_t_p(sample), h.cohens_d(sample)]).all()


def test_mostly_equal_trials_give_no_warning():
    sample = np.array([0.0] * 7 + [0.01])
    i.mean_interval(sample), i.median_interval(sample)
    assert h.signed_rank_p(sample) == 1.0


def test_below_eight_trials_the_interval_is_students():
    sample = np.array([0.1, 0.2, 0.4])
    interval = i.mean_interval(sample)
    reference = stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    assert interval.method == "t"
    assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high))


def test_bca_is_scipys_at_the_widened_level():
    sample = RNG.gamma(3, 0.02, (1, 12))
    low, high = i.bca_interval(sample, seed=3)
    tail = stats.norm.cdf(stats.t.ppf(0.025, 11) * math.sqrt(12 / 11))
    reference = stats.bootstrap(
        (sample[0],),
        np.mean,
        confidence_level=1 - 2 * tail,
        method="BCa",
        rng=np.random.default_rng(3),
    ).confidence_interval
    assert (low[0], high[0]) == pytest.approx((reference.low, reference.high))


def _coverage(samples, truth, statistic="mean"):
    low, high = i.bca_interval(samples, statistic, resamples=499)
    return np.mean((low <= truth) & (high >= truth))


@pytest.mark.parametrize("n", [i.SMALLEST_BOOTSTRAP, 10, 17])
def test_intervals_of_the_mean_cover_what_they_say(n):
    samples = np.random.default_rng(n).normal(0.05, 0.05, (4000, n))
    assert _coverage(samples, 0.05) == pytest.approx(0.95, abs=0.02)


def test_intervals_cover_a_skewed_mean():
    samples = np.random.default_rng(1).gamma(4, 0.01, (3000, 10))
    assert _coverage(samples, 0.04) == pytest.approx(0.95, abs=0.02)


def test_heavy_tails_cost_the_mean_a_few_percent_of_coverage():
    samples = 0.05 * np.random.default_rng(2).standard_t(4, (3000, 10))
    assert 0.90 <= _coverage(samples, 0.0) <= 0.95


@pytest.mark.parametrize("n", [8, 12, 20])
def test_intervals_of_a_skewed_median_cover_what_they_say(n):
    samples = np.random.default_rng(n).gamma(4, 0.01, (1500, n))
    truth = stats.gamma.median(4, scale=0.01)
    assert _coverage(samples, truth, "median") == pytest.approx(0.95, abs=0.025)


def test_intervals_of_the_median_cover_at_least_what_they_say():
    samples = np.random.default_rng(4).normal(0.05, 0.05, (1000, 11))
    assert 0.93 <= _coverage(samples, 0.05, "median") <= 0.99


def test_the_t_interval_of_few_trials_covers_what_it_says():
    samples = np.random.default_rng(5).normal(0.05, 0.05, (1000, 3))
    ends = [i.mean_interval(sample) for sample in samples]
    covered = np.mean([end.low <= 0.05 <= end.high for end in ends])
    assert covered == pytest.approx(0.95, abs=0.02)


def test_a_median_that_no_single_trial_moves_has_no_interval_and_says_so():
    sample = np.array([0.0] * 7 + [0.01])
    assert i.median_interval(sample) is i.TIES
    assert i.mean_interval(sample).method == "BCa"
