"""Power of the paired t test: against simulation, and consistent with itself."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from analysis.statistics.hypotheses import holm
from analysis.statistics.power import (
    ALPHA,
    OWN_SPREAD,
    detectable_improvement,
    power,
    sensitivity,
    trials_needed,
    visible_in_words,
)
from analysis.statistics.scale import FRACTION, LOSS

RESULTS = Path(__file__).parents[3] / "analysis" / "results"


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
    for effect, chance in ((math.nan, 0.8), (math.inf, 0.8), (0.1, 1.0)):
        with pytest.raises(ValueError, match="finite"):
            trials_needed(effect, 0.1, chance=chance)
    for chance in (0.05, 1.0, math.nan):
        with pytest.raises(ValueError, match="chance must be"):
            detectable_improvement(0.1, 5, chance=chance)


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 4, 0.05 / 15])
@pytest.mark.parametrize("trials", [2, 3, 10])
@pytest.mark.parametrize("shift", [1, 29, 31, 60, 400])
def test_power_is_the_integral_over_the_spread(alpha, trials, shift):
    degrees = trials - 1
    critical = stats.t.ppf(1 - alpha / 2, degrees)

    def seen(spread):
        high, low = critical * spread - shift, -critical * spread - shift
        density = stats.chi.pdf(spread * math.sqrt(degrees), degrees) * math.sqrt(degrees)
        return density * (stats.norm.sf(high) + stats.norm.cdf(low))

    middle = min(shift / critical, 10.0)
    edges = sorted({0.0, 0.5, 1.0, 2.0, *(max(0.0, middle + d) for d in (-0.1, 0, 0.1)), 12.0})
    parts = [integrate.quad(seen, low, high)[0] for low, high in pairwise(edges)]
    assert power(shift / math.sqrt(trials), 1.0, trials, alpha) == pytest.approx(
        sum(parts), abs=1e-3
    )


def test_the_corrected_level_is_a_lower_bound_on_what_holm_sees():
    rng = np.random.default_rng(4)
    families = rng.normal(0, 0.04, (4000, 4, 10))
    families[:, 0] += 0.05
    p_values = stats.ttest_1samp(families, 0, axis=-1).pvalue
    seen = np.mean([holm(p)[0] < 0.05 for p in p_values])
    told = power(0.05, 0.04, 10, ALPHA / 4)
    assert told - 0.01 <= seen <= told + 0.05


def test_the_spread_is_that_of_the_published_runs():
    files = sorted(RESULTS.rglob("statistics.csv"))
    assert len(files) > 4
    seen = pd.concat([pd.read_csv(file) for file in files])
    median = seen.loc[seen["kind"].eq("val_loss"), "sd"].median()
    assert pytest.approx(median, abs=0.0005) == OWN_SPREAD, (
        "renew analysis.statistics.power.OWN_SPREAD"
    )


@pytest.mark.parametrize("trials", [3, 10])
@pytest.mark.parametrize("compared", [1, 4])
def test_the_words_say_what_a_simulation_sees(trials, compared):
    text = visible_in_words(trials, compared)
    told = re.fullmatch(
        rf"{trials} trials can see a difference of about (\d+\.\d) % in held-out loss "
        r"\(80 % power, (Holm's correction over 4 arms, )?"
        rf"spread {100 * OWN_SPREAD:.1f} % as in the project's own runs\)",
        text,
    )
    assert told, text
    assert bool(told[2]) == (compared == 4)
    effect = float(told[1]) / 100
    samples = np.random.default_rng(trials).normal(effect, OWN_SPREAD, (20_000, trials))
    seen = np.mean(stats.ttest_1samp(samples, 0, axis=-1).pvalue < ALPHA / compared)
    assert seen == pytest.approx(0.8, abs=0.04)


def test_one_or_two_trials_are_told_to_see_nothing():
    assert visible_in_words(1, 4).startswith("1 trial can tell no difference from chance")
    assert visible_in_words(2, 1).endswith("tests need 3 trials")


def test_of_a_loss_that_may_be_below_zero_no_percentage_is_promised():
    text = visible_in_words(6, 1, ("own:nll",))
    assert "differences in own:nll" in text
    assert "%" not in text
    assert visible_in_words(6, 1, ("mse",)) == visible_in_words(6, 1)


def test_sensitivity_is_at_the_level_of_the_family():
    nan = math.nan
    rows = [("a", "val_loss", 10, 0.04), ("b", "val_loss", 10, 0.02), ("c", "val_loss", 2, 0.02)]
    rows += [("a", "loss", 10, 0.0), ("b", "loss", 0, nan), ("a", "test_loss", 3, 40.0)]
    summary = pd.DataFrame(rows, columns=["arm", "kind", "n", "sd"]).assign(unit=FRACTION)
    table = sensitivity(summary, 0.02)
    first = table.iloc[0]
    assert first["visible"] == detectable_improvement(0.04, 10, alpha=0.025)
    assert first["trials_needed"] == trials_needed(0.02, 0.04, alpha=0.025)
    assert table["visible"].notna().tolist() == [True, True, False, False, False, True]
    assert table["trials_needed"].notna().tolist() == [True, True, False, False, False, False]


def test_of_differences_no_number_of_trials_for_a_percentage_is_told():
    rows = [("a", "val_loss", 10, 0.04, LOSS), ("a", "train_loss", 10, 0.04, FRACTION)]
    table = sensitivity(pd.DataFrame(rows, columns=["arm", "kind", "n", "sd", "unit"]), 0.02)
    assert table["visible"].tolist() == [detectable_improvement(0.04, 10)] * 2
    assert table["trials_needed"].notna().tolist() == [False, True]
    assert table["effect"].notna().tolist() == [False, True]


def test_sensitivity_of_nothing_has_the_columns():
    empty = pd.DataFrame({"arm": [], "kind": [], "n": [], "sd": [], "unit": []})
    assert sensitivity(empty, 0.02).columns.tolist()[-2:] == ["effect", "trials_needed"]
