"""How large an effect a number of trials can detect: the power of the paired t test."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd
from scipy import optimize, stats

from analysis.numerals import count, percent
from analysis.statistics.intervals import SMALLEST_SAMPLE
from analysis.statistics.scale import FRACTION, Zero

MOST_TRIALS: Final = 100_000
"""Beyond this an experiment is not planned but abandoned."""

ALPHA: Final = 0.05
CHANCE: Final = 0.8
"""The power at which an effect counts as detectable: the usual convention (Cohen 1988)."""

OWN_SPREAD: Final = 0.017
"""Standard deviation over trials of the improvement in held-out loss, a fraction.

The median over the arms of the project's own published runs, each `statistics.csv` below
`analysis/results`; a test compares it with them. Other data, networks and epochs have another
spread.
"""


def power(effect: float, sd: float, trials: int, alpha: float = ALPHA) -> float:
    """Return the probability that a two-sided paired t test sees an effect.

    With T noncentral t of `trials - 1` degrees and noncentrality `effect / sd * sqrt(trials)`:
    `P(|T| > t[1 - alpha/2])`.

    Args:
        effect: the true mean improvement, a fraction.
        sd: standard deviation of the improvement over trials, above 0.
        trials: number of pairs; below 2 nothing is seen.
        alpha: significance level. For m arms under Holm's correction, `alpha / m` is safe.

    Raises:
        ValueError: `sd` is not above 0.

    >>> round(power(0.05, 0.05, 10), 3)
    0.803
    """
    if not sd > 0:
        raise ValueError(f"sd must be above 0, got {sd}: take it from an earlier run's summary")
    if trials < 2:
        return 0.0
    critical = stats.t.ppf(1 - alpha / 2, trials - 1)
    shift = abs(effect) / sd * math.sqrt(trials)
    if shift > 30:  # nct loses its tails there; only the noise of the spread in T still counts
        degrees = trials - 1
        return float(stats.chi2.cdf(degrees * (shift / critical) ** 2, degrees))
    upper = float(stats.nct.sf(critical, trials - 1, shift))
    lower = float(np.nan_to_num(stats.nct.cdf(-critical, trials - 1, shift)))
    return upper + lower


def detectable_improvement(
    sd: float, trials: int, *, chance: float = CHANCE, alpha: float = ALPHA
) -> float:
    """Return the smallest mean improvement that `trials` pairs see with probability `chance`.

    Args:
        sd: standard deviation of the improvement over trials, above 0.
        trials: number of pairs.
        chance: the power asked for, above `alpha` and below 1.
        alpha: significance level.

    Returns:
        The effect in the unit of `sd`; infinite below 2 trials.

    Raises:
        ValueError: `sd` or `chance` is out of its range.
    """
    if trials < 2:
        return math.inf
    if not alpha < chance < 1:
        raise ValueError(f"chance must be above alpha = {alpha} and below 1, got {chance}")
    widest = 1.0
    while power(widest * sd, sd, trials, alpha) < chance:
        widest *= 2
    found = optimize.brentq(lambda d: power(d * sd, sd, trials, alpha) - chance, 0.0, widest)
    return float(found) * sd


def trials_needed(effect: float, sd: float, *, chance: float = CHANCE, alpha: float = ALPHA) -> int:
    """Return the smallest number of trials that sees `effect` with probability `chance`.

    Args:
        effect: mean improvement to see, not 0.
        sd: standard deviation of the improvement over trials, above 0.
        chance: the power asked for.
        alpha: significance level.

    Raises:
        ValueError: the effect is no number or 0, so small that `MOST_TRIALS` are not enough, or
            `sd` or `chance` is out of its range.
    """
    if not (math.isfinite(effect) and chance < 1):
        raise ValueError(f"effect must be finite and chance below 1, got {effect} and {chance}")
    low, high = 1, 2
    while power(effect, sd, high, alpha) < chance:
        low, high = high, 2 * high
        if high > 2 * MOST_TRIALS:
            raise ValueError(
                f"an effect of {effect} with sd {sd} needs more than {MOST_TRIALS} trials: "
                "ask for a larger effect"
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if power(effect, sd, middle, alpha) < chance else (low, middle)
    return high


def sensitivity(summary: pd.DataFrame, effect: float, *, chance: float = CHANCE) -> pd.DataFrame:
    """Return for each arm and loss kind the effect its trials could detect, given their spread.

    Every test is at `ALPHA / m`, with m the arms of its loss kind: a lower bound on the power under
    Holm's correction.

    Args:
        summary: as `paired.summarize` returns it; `arm`, `kind`, `n`, `sd`, `unit` are used.
        effect: mean improvement for which the trials needed are computed, a fraction above 0.
        chance: the power asked for.

    Returns:
        One row per arm and loss kind: `arm`, `kind`, `n`, `sd`, `visible` (the smallest mean
        improvement that n trials see, in the unit of `sd`), `effect`, and `trials_needed` for it.
        NaN and <NA> where there is no spread, or no number of trials up to `MOST_TRIALS` is enough,
        and of the last two where the unit is not a fraction.
    """
    table = summary[["arm", "kind", "n", "sd"]].reset_index(drop=True)
    arms = summary.loc[summary["n"].ge(SMALLEST_SAMPLE)].groupby("kind")["arm"].nunique()
    visible, needed = [], []
    relative = summary["unit"].eq(FRACTION).to_numpy()
    columns = (table["kind"], table["n"], table["sd"], relative)
    for kind, n, sd, divided in zip(*columns, strict=True):
        known = n >= SMALLEST_SAMPLE and sd > 0
        alpha = ALPHA / int(arms[kind]) if known else math.nan
        visible.append(_visible(sd, n, chance, alpha) if known else math.nan)
        needed.append(_needed(effect, sd, chance, alpha) if known and divided else math.nan)
    return table.assign(
        visible=np.array(visible, dtype=np.float64),
        effect=np.where(relative, effect, math.nan),
        trials_needed=np.array(needed, dtype=np.float64),
    ).astype({"trials_needed": "Int64"})


def visible_in_words(
    trials: int, compared: int, losses: tuple[str, ...] = (), sd: float = OWN_SPREAD
) -> str:
    """Return in one line what effect an experiment can detect, before it is run.

    Args:
        trials: of the experiment.
        compared: its arms other than the control, at least 1; the tests are at `ALPHA / compared`.
        losses: names of the experiment's; of some no percentage has a meaning
            (`analysis.statistics.scale`).
        sd: standard deviation of the improvement in held-out loss over trials, a fraction.
    """
    if trials < SMALLEST_SAMPLE:
        return (
            f"{count(trials, 'trial')} can tell no difference from chance: tests need "
            f"{SMALLEST_SAMPLE} trials"
        )
    if unproven := Zero(names=losses).unproven:
        return (
            f"{trials} trials will be compared by differences in {' and '.join(unproven)}; how "
            "small a one they can see depends on its spread over trials, which a run tells"
        )
    effect = detectable_improvement(sd, trials, alpha=ALPHA / compared)
    corrected = f"Holm's correction over {compared} arms, " if compared > 1 else ""
    return (
        f"{trials} trials can see a difference of about {percent(effect, sign=False)} in held-out "
        f"loss ({percent(CHANCE, 0, sign=False)} power, {corrected}"
        f"spread {percent(sd, sign=False)} as in the project's own runs)"
    )


def _visible(sd: float, trials: int, chance: float, alpha: float) -> float:
    return detectable_improvement(sd, trials, chance=chance, alpha=alpha)


def _needed(effect: float, sd: float, chance: float, alpha: float) -> float:
    try:
        # Fewer trials than a test needs see nothing, whatever the effect.
        return max(trials_needed(effect, sd, chance=chance, alpha=alpha), SMALLEST_SAMPLE)
    except ValueError:
        return math.nan
