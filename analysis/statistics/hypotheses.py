"""Tests of a paired improvement against zero or a margin, their correction, the effect's size."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.statistics.intervals import SMALLEST_SAMPLE, Floats, all_equal

SMALLEST_SIGNED_RANK: Final = 6
"""With fewer trials the signed-rank test cannot give a two-sided p below 0.05: `2 / 2**n`."""


def signed_rank_p(sample: Floats) -> float:
    """Return Wilcoxon's two-sided signed-rank p-value of a sample, shape (n,), against zero.

    NaN below `SMALLEST_SAMPLE` values or when all are zero. Exact without zeros and ties
    (`scipy.stats.wilcoxon`).
    """
    if sample.size < SMALLEST_SAMPLE or not sample.any():
        return math.nan
    return float(stats.wilcoxon(sample).pvalue)


def paired_t_p(sample: Floats) -> float:
    """Return the two-sided p-value of the paired t test of a sample, shape (n,), against zero.

    NaN below `SMALLEST_SAMPLE` values or when all are equal.
    """
    if sample.size < SMALLEST_SAMPLE or all_equal(sample):
        return math.nan
    return float(stats.ttest_1samp(sample, 0.0).pvalue)


def non_inferiority_p(sample: Floats, margin: float) -> float:
    """Return the one-sided p-value for "the arm is worse than the control by `margin` or more".

    A small p shows that the arm is at most `margin` worse: a t test of `mean > -margin`.

    Args:
        sample: improvements, shape (n,).
        margin: a fraction, not negative: the loss in quality that still counts as none.

    Raises:
        ValueError: the margin is negative.
    """
    if margin < 0:
        raise ValueError(f"margin must be a fraction >= 0, got {margin}: 0.02 stands for 2 % worse")
    if sample.size < SMALLEST_SAMPLE or all_equal(sample):
        return math.nan
    return float(stats.ttest_1samp(sample, -margin, alternative="greater").pvalue)


def holm(p_values: npt.ArrayLike) -> Floats:
    """Return Holm's step-down correction of a family of p-values.

    `p'(i) = max over j <= i of min(1, (m - j + 1) p(j))` for p sorted upwards and m finite ones.

    Args:
        p_values: shape (m,); a NaN is not of the family and stays NaN.

    Returns:
        Corrected p-values in the order given; none is below its own p.

    References:
        Holm, "A simple sequentially rejective multiple test procedure", 1979.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    raw = np.asarray(p_values, dtype=np.float64)
    corrected = np.full_like(raw, np.nan)
    family = np.flatnonzero(np.isfinite(raw))
    ordered = family[np.argsort(raw[family], kind="stable")]
    steps = raw[ordered] * np.arange(ordered.size, 0, -1)
    corrected[ordered] = np.minimum(1.0, np.maximum.accumulate(steps))
    return corrected


def cohens_d(sample: Floats) -> float:
    """Return Cohen's d for pairs, `mean / sd` (n - 1) of a sample, shape (n,); NaN without sd."""
    if sample.size < 2 or all_equal(sample):
        return math.nan
    return float(sample.mean() / sample.std(ddof=1))
