"""How many trials see how large an effect: the power of the paired t test."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from scipy import optimize, stats

MOST_TRIALS: Final = 100_000
"""Beyond this an experiment is not planned but abandoned."""


def power(effect: float, sd: float, trials: int, alpha: float = 0.05) -> float:
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
    if shift > 30:  # scipy's nct loses its tails there; the power is 1 to twelve digits
        return 1.0
    upper = float(stats.nct.sf(critical, trials - 1, shift))
    lower = float(np.nan_to_num(stats.nct.cdf(-critical, trials - 1, shift)))
    return upper + lower


def detectable_improvement(
    sd: float, trials: int, *, chance: float = 0.8, alpha: float = 0.05
) -> float:
    """Return the smallest mean improvement that `trials` pairs see with probability `chance`.

    Args:
        sd: standard deviation of the improvement over trials, above 0.
        trials: number of pairs.
        chance: the power asked for, above `alpha` and below 1.
        alpha: significance level.

    Returns:
        The effect in the unit of `sd`; infinite below 2 trials.
    """
    if trials < 2:
        return math.inf
    widest = 1.0
    while power(widest * sd, sd, trials, alpha) < chance:
        widest *= 2
    found = optimize.brentq(lambda d: power(d * sd, sd, trials, alpha) - chance, 0.0, widest)
    return float(found) * sd


def trials_needed(effect: float, sd: float, *, chance: float = 0.8, alpha: float = 0.05) -> int:
    """Return the smallest number of trials that sees `effect` with probability `chance`.

    Args:
        effect: mean improvement to see, not 0.
        sd: standard deviation of the improvement over trials, above 0.
        chance: the power asked for.
        alpha: significance level.

    Raises:
        ValueError: the effect is 0, or so small that `MOST_TRIALS` are not enough.
    """
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
