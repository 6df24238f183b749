"""Tests and their correction: by hand, against SciPy, by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics import hypotheses as h

RNG = np.random.default_rng(5)


def test_p_values_are_scipys():
    sample = RNG.normal(0.02, 0.05, 11)
    assert h.signed_rank_p(sample) == stats.wilcoxon(sample, method="exact").pvalue
    zeros = np.zeros_like(sample)
    assert h.paired_t_p(sample) == pytest.approx(stats.ttest_rel(sample, zeros).pvalue)


def test_signed_rank_by_hand():
    assert h.signed_rank_p(np.array([0.1, 0.2, 0.3])) == pytest.approx(2 / 2**3)


def test_holm_by_hand():
    assert h.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert h.holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert h.holm([]).size == 0


def test_holm_leaves_nan_out_of_the_family():
    corrected = h.holm([0.02, math.nan, 0.03])
    assert corrected[[0, 2]] == pytest.approx([0.04, 0.04])
    assert np.isnan(corrected[1])


def test_false_positives_stay_at_five_percent():
    samples = np.random.default_rng(2).normal(0, 0.05, (1000, 10))
    for p_value in (h.paired_t_p, h.signed_rank_p):
        assert np.mean([p_value(sample) < 0.05 for sample in samples]) == pytest.approx(
            0.05, abs=0.02
        )


def test_holm_keeps_the_rate_of_the_family():
    rng = np.random.default_rng(3)
    families = rng.normal(0, 0.05, (1500, 5, 10)) + rng.normal(0, 0.05, (1500, 1, 10))
    p_values = stats.ttest_1samp(families, 0, axis=-1).pvalue
    assert np.mean([(h.holm(p) < 0.05).any() for p in p_values]) <= 0.06
    assert np.mean((p_values < 0.05).any(axis=1)) > 0.1  # what it protects from


def test_non_inferiority_is_a_shifted_one_sided_t_test():
    sample = RNG.normal(-0.005, 0.01, 10)
    reference = stats.ttest_1samp(sample + 0.02, 0, alternative="greater").pvalue
    assert h.non_inferiority_p(sample, 0.02) == pytest.approx(reference)
    with pytest.raises(ValueError, match="margin"):
        h.non_inferiority_p(sample, -0.02)


def test_non_inferiority_at_the_margin_is_claimed_in_five_percent():
    samples = np.random.default_rng(6).normal(-0.02, 0.05, (2000, 10))
    claimed = np.mean([h.non_inferiority_p(sample, 0.02) < 0.05 for sample in samples])
    assert claimed == pytest.approx(0.05, abs=0.02)


def test_cohens_d_of_pairs_by_hand():
    assert h.cohens_d(np.array([0.1, 0.2, 0.3])) == pytest.approx(0.2 / 0.1)
    assert np.isnan([h.cohens_d(np.array([0.1])), h.cohens_d(np.array([0.1, 0.1]))]).all()
