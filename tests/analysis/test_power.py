"""Power of the paired t test: against simulation, and consistent with itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.power import detectable_improvement, power, trials_needed


@pytest.mark.parametrize(("effect", "trials"), [(0.05, 10), (0.02, 20), (-0.08, 5)])
def test_power_is_the_rate_at_which_a_simulation_sees_the_effect(effect, trials):
    samples = np.random.default_rng(trials).normal(effect, 0.05, (20_000, trials))
    seen = np.mean(stats.ttest_1samp(samples, 0, axis=-1).pvalue < 0.05)
    assert power(effect, 0.05, trials) == pytest.approx(seen, abs=0.015)


def test_no_effect_is_seen_at_the_significance_level():
    assert power(0.0, 1.0, 7) == pytest.approx(0.05)


@pytest.mark.parametrize("trials", [2, 3, 10, 200])
def test_the_detectable_effect_has_the_chance_asked_for(trials):
    effect = detectable_improvement(0.04, trials, chance=0.9)
    assert power(effect, 0.04, trials) == pytest.approx(0.9, abs=1e-6)


def test_trials_needed_is_the_smallest_number():
    n = trials_needed(0.06, 0.065)
    assert power(0.06, 0.065, n) >= 0.8 > power(0.06, 0.065, n - 1)


def test_extremes():
    assert power(10, 0.01, 50) == 1
    assert power(0.1, 0.1, 1) == 0
    assert detectable_improvement(0.1, 1) == math.inf
    with pytest.raises(ValueError, match="sd must be above 0"):
        power(0.1, 0.0, 5)
    with pytest.raises(ValueError, match="more than"):
        trials_needed(0.0, 0.1)
