"""Confidence intervals of a sample's mean and median: BCa bootstrap, and t where n is small."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats: TypeAlias = npt.NDArray[np.float64]
Statistic: TypeAlias = Literal["mean", "median"]

LEVEL: Final = 0.95
RESAMPLES: Final = 9999
SEED: Final = 20191117
"""Seed of the bootstrap: every sample is resampled by the same draws, whatever else is reported."""

SMALLEST_SAMPLE: Final = 3
"""With fewer trials neither interval nor test is given."""

SMALLEST_BOOTSTRAP: Final = 8
"""With fewer trials the t interval takes the bootstrap's place.

A resampled mean never leaves the sample's range, and the range of n symmetric values holds the
mean with probability `1 - 2**(1-n)` only: 75 % for three, 94 % for five. At six and seven the
widened interval was seen to cover 92 to 93 %; from eight on it stays within 95 +- 2 %.
"""


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both ends are NaN when the sample allows none, and `method` says why.

    Attributes:
        low: lower end, in the sample's unit.
        high: upper end.
        method: "BCa", "t", "none: too few trials", "none: all trials equal", "none: too many ties".
    """

    low: float
    high: float
    method: str


TOO_FEW: Final = Interval(math.nan, math.nan, "none: too few trials")
ALL_EQUAL: Final = Interval(math.nan, math.nan, "none: all trials equal")
TIES: Final = Interval(math.nan, math.nan, "none: too many ties")
"""Without one trial or another the median stays the same: the bootstrap has no acceleration."""


def all_equal(sample: Floats) -> bool:
    """Say whether the values of a sample, shape (n,), are equal but for rounding."""
    spread = float(np.ptp(sample)) if sample.size else 0.0
    return spread <= 1e-12 * float(np.max(np.abs(sample), initial=0.0))


def bca_interval(
    samples: Floats,
    statistic: Statistic = "mean",
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[Floats, Floats]:
    """Return bias-corrected and accelerated bootstrap intervals, widened for small samples.

    A bootstrap interval is too narrow by about `sqrt((n-1)/n) z / t`: BCa covers 90 % at n = 10
    where it says 95. The tails are therefore taken at `Phi(-sqrt(n/(n-1)) t[n-1])` in place of
    `alpha/2` (Hesterberg 2015, "expanded" interval), which the tests hold at 95 +- 2 % for normal
    and skewed samples. Tails as heavy as those of t with 4 degrees leave the mean's at 92 %.

    Args:
        samples: shape (..., n), n at least 2; every row is a sample.
        statistic: what the interval is for.
        level: its coverage, between 0 and 1.
        resamples: how many bootstrap samples to draw.
        seed: of the draws.

    Returns:
        Lower and upper ends, each of shape (...); NaN for a sample without spread.

    References:
        Efron, "Better bootstrap confidence intervals", JASA 82 (1987), doi:10.2307/2289144.
        Hesterberg, "What teachers should know about the bootstrap", 2015, arXiv:1411.5279.
    """
    count = samples.shape[-1]
    tail = stats.t.ppf((1 - level) / 2, count - 1) * math.sqrt(count / (count - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # NaN says it
        warnings.simplefilter("ignore", RuntimeWarning)  # 0 / 0 of the same samples
        result = stats.bootstrap(
            (samples,),
            np.mean if statistic == "mean" else np.median,
            axis=-1,
            vectorized=True,
            confidence_level=1 - 2 * float(stats.norm.cdf(tail)),
            n_resamples=resamples,
            method="BCa",
            rng=np.random.default_rng(seed),
        )
    interval = result.confidence_interval
    return np.asarray(interval.low), np.asarray(interval.high)


def mean_interval(sample: Floats, *, level: float = LEVEL, seed: int = SEED) -> Interval:
    """Return the interval of a sample's mean: BCa, or t below `SMALLEST_BOOTSTRAP` trials.

    Args:
        sample: shape (n,), finite.
        level: coverage.
        seed: of the bootstrap.
    """
    if sample.size < SMALLEST_SAMPLE:
        return TOO_FEW
    if all_equal(sample):
        return ALL_EQUAL
    if sample.size < SMALLEST_BOOTSTRAP:
        half = stats.t.ppf((1 + level) / 2, sample.size - 1) * stats.sem(sample)
        centre = float(sample.mean())
        return Interval(centre - float(half), centre + float(half), "t")
    return _bootstrapped(sample, "mean", level, seed)


def median_interval(sample: Floats, *, level: float = LEVEL, seed: int = SEED) -> Interval:
    """Return the BCa interval of a sample's median; none below `SMALLEST_BOOTSTRAP` trials."""
    if sample.size < SMALLEST_BOOTSTRAP:
        return TOO_FEW
    if all_equal(sample):
        return ALL_EQUAL
    return _bootstrapped(sample, "median", level, seed)


def _bootstrapped(sample: Floats, statistic: Statistic, level: float, seed: int) -> Interval:
    """Return the BCa interval of a sample that has spread."""
    low, high = bca_interval(sample, statistic, level=level, seed=seed)
    return Interval(float(low), float(high), "BCa") if np.isfinite(low) else TIES
