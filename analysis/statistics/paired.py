"""Paired comparison of arms with the control: improvement, intervals, tests, corrections.

An arm's *improvement* in a trial is `(L_control - L_arm) / L_control`, a fraction, positive when
the arm is better; `L_control - L_arm` for losses of which `analysis.statistics.scale` says that
none is a share of another. Arms of a trial share initial weights and the order of the data, so
trials are pairs, and every interval and test here is one of the improvement over the trials.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from analysis.statistics.hypotheses import (
    SMALLEST_SIGNED_RANK,
    cohens_d,
    holm,
    non_inferiority_p,
    paired_t_p,
    signed_rank_p,
)
from analysis.statistics.intervals import (
    LEVEL,
    RESAMPLES,
    SEED,
    SMALLEST_BOOTSTRAP,
    SMALLEST_SAMPLE,
    Floats,
    mean_interval,
    median_interval,
)
from analysis.statistics.scale import ANY_ZERO, FRACTION, Zero, units
from analysis.tables import CONTROL

__all__ = [
    "KINDS",
    "RESAMPLES",
    "SEED",
    "SMALLEST_BOOTSTRAP",
    "SMALLEST_SAMPLE",
    "SMALLEST_SIGNED_RANK",
    "improvement",
    "non_inferiority",
    "pair_trials",
    "summarize",
    "with_improvement",
]

KINDS: Final = ("train_loss", "val_loss", "test_loss")
"""Loss kinds by which champions are compared: each of a whole set, computed alike for all.

The running `loss` is not one of them: an averaged or harvested network never had a last epoch.
"""


def improvement(
    control: npt.ArrayLike, arm: npt.ArrayLike, unit: npt.ArrayLike = FRACTION
) -> Floats:
    """Return the improvement of each pair: `(control - arm) / control`, or `control - arm`.

    Args:
        control: losses of the control, any shape.
        arm: losses of the arm in the same trials, same shape.
        unit: as `analysis.statistics.scale.units` returns them, same shape, or one for all.

    Returns:
        Improvements in their units; NaN where a loss is not finite, and as a fraction where the
        control's is not positive (which has no meaning).

    >>> improvement([0.5, 0.4], [0.4, 0.5]).round(3).tolist()
    [0.2, -0.25]
    >>> improvement([-0.5, 0.0], [-0.6, 0.1], "loss").round(3).tolist()
    [0.1, -0.1]
    """
    reference = np.asarray(control, dtype=np.float64)
    value = np.asarray(arm, dtype=np.float64)
    relative = np.asarray(unit) == FRACTION
    usable = np.isfinite(reference) & np.isfinite(value) & ((reference > 0) | ~relative)
    divisor = np.where(usable & relative, reference, 1.0)
    difference = np.where(usable, reference, 0.0) - np.where(usable, value, 0.0)
    return np.where(usable, difference / divisor, np.nan)


def pair_trials(
    trials: pd.DataFrame,
    kinds: tuple[str, ...] = KINDS,
    control: str = CONTROL,
    *,
    zero: Zero = ANY_ZERO,
) -> pd.DataFrame:
    """Pair every arm's champion with the control's of the same trial.

    Args:
        trials: the table `trials`.
        kinds: its loss columns to compare.
        control: name of the control arm.
        zero: of the run's loss; a champion below zero counts, too.

    Returns:
        One row per arm other than the control, loss kind and trial: `arm`, `kind`, `trial`,
        `control_loss`, `arm_loss`, `improvement` (NaN where either failed) and its `unit`, one for
        a loss kind.
    """
    long = trials.melt(
        id_vars=["trial", "arm", "status"], value_vars=list(kinds), var_name="kind"
    ).astype({"kind": "str", "value": "float64"})
    long["value"] = long["value"].where(long["status"].eq("done"))
    reference = long.loc[long["arm"].eq(control), ["trial", "kind", "value"]]
    paired = long.loc[long["arm"].ne(control)].merge(
        reference, on=["trial", "kind"], how="left", suffixes=("_arm", "_control")
    )
    paired = paired.rename(columns={"value_arm": "arm_loss", "value_control": "control_loss"})
    champions = long["value"].where(np.isfinite(long["value"])).min()
    lowest = float(np.fmin(zero.lowest, champions))
    return with_improvement(paired, replace(zero, lowest=lowest))


def with_improvement(paired: pd.DataFrame, zero: Zero) -> pd.DataFrame:
    """Return pairs of losses with their `unit` and, in it, their `improvement`.

    Args:
        paired: `arm`, `kind`, `trial`, `control_loss`, `arm_loss`; a pair a row.
        zero: of the run's loss.
    """
    unit = units(paired["control_loss"], paired["kind"], zero)
    gain = improvement(paired["control_loss"], paired["arm_loss"], unit)
    columns = ["arm", "kind", "trial", "control_loss", "arm_loss"]
    return paired[columns].assign(improvement=gain, unit=unit)


def summarize(paired: pd.DataFrame, *, level: float = LEVEL, seed: int = SEED) -> pd.DataFrame:
    """Summarise the improvement of each arm and loss kind over the trials.

    Args:
        paired: as `pair_trials` returns it.
        level: coverage of the intervals.
        seed: of the bootstrap.

    Returns:
        One row per arm and loss kind, in the order of `paired`: `n` pairs and how many were
        `left_out`; mean losses; `mean`, its interval `low`..`high` and the interval's `method`;
        `median` and its interval; `sd`; the p-values of both tests, plain and Holm-corrected over
        the arms of one loss kind; `cohens_d`; `wins` (trials with an improvement above zero); the
        `worst` and `best` improvement and their trials (<NA> without a pair); the `unit` of all
        these improvements.
    """
    rows = [
        {"arm": arm, "kind": kind, **_summary(group, level, seed)}
        for (arm, kind), group in paired.groupby(["arm", "kind"], sort=False)
    ]
    summary = pd.DataFrame(rows, columns=["arm", "kind", *_SUMMARY_COLUMNS])
    for test in ("wilcoxon_p", "t_p"):
        by_kind = summary.groupby("kind", sort=False)[test]
        summary[f"{test}_holm"] = by_kind.transform(_holm)
    dtypes = {"n": "int64", "left_out": "int64", "wins": "int64"}
    return summary.astype({**dtypes, "worst_trial": "Int64", "best_trial": "Int64"})


def non_inferiority(paired: pd.DataFrame, margin: float) -> pd.DataFrame:
    """Say of each arm and loss kind whether its loss is at most `margin` above the control's.

    A margin is a fraction: of losses compared by differences it has no meaning, and no test.

    The one-sided t test of `mean improvement > -margin`. Its lower bound, `mean - t[0.95, n-1]
    sd / sqrt(n)`, lies above `-margin` exactly when p is below 0.05.

    Args:
        paired: as `pair_trials` returns it.
        margin: a fraction, not negative: 0.02 stands for 2 % worse.

    Returns:
        One row per arm and loss kind, in the order of `paired`: `n`, `mean`, `margin`, the
        one-sided 95 % lower bound `bound`, `p`, and `p_holm`, corrected over the arms of one loss
        kind. `margin`, `bound` and `p` are NaN where the unit is not a fraction.

    Raises:
        ValueError: the margin is negative.
    """
    rows = []
    for (arm, kind), group in paired.groupby(["arm", "kind"], sort=False):
        sample = group["improvement"].dropna().to_numpy(dtype=np.float64)
        relative = group["unit"].eq(FRACTION).all()
        p = non_inferiority_p(sample, margin) if relative else math.nan
        mean = float(sample.mean()) if sample.size else math.nan
        reach = stats.t.ppf(0.95, sample.size - 1) * stats.sem(sample) if p == p else math.nan
        row = {"arm": arm, "kind": kind, "n": sample.size, "mean": mean}
        row["margin"] = margin if relative else math.nan
        rows.append({**row, "bound": mean - reach, "p": p})
    columns = ["arm", "kind", "n", "mean", "margin", "bound", "p"]
    table = pd.DataFrame(rows, columns=columns).astype({"n": "int64", "p": "float64"})
    return table.assign(p_holm=table.groupby("kind", sort=False)["p"].transform(_holm))


_SUMMARY_COLUMNS: Final = (
    *("n", "left_out", "control_loss", "arm_loss", "mean", "low", "high", "method"),
    *("median", "median_low", "median_high", "sd"),
    *("wilcoxon_p", "wilcoxon_p_holm", "t_p", "t_p_holm", "cohens_d", "wins"),
    *("worst", "worst_trial", "best", "best_trial", "unit"),
)


def _holm(family: pd.Series[float]) -> Floats:
    """Correct the p-values of one loss kind."""
    return holm(family)


def _summary(group: pd.DataFrame, level: float, seed: int) -> dict[str, Any]:
    """Summarise the pairs of one arm and loss kind."""
    used = group.loc[group["improvement"].notna()]
    sample = used["improvement"].to_numpy(dtype=np.float64)
    mean = mean_interval(sample, level=level, seed=seed)
    median = median_interval(sample, level=level, seed=seed)
    some = sample.size > 0
    worst, best = (int(sample.argmin()), int(sample.argmax())) if some else (0, 0)
    return {
        "n": sample.size,
        "left_out": len(group) - sample.size,
        "control_loss": used["control_loss"].mean(),
        "arm_loss": used["arm_loss"].mean(),
        "mean": float(sample.mean()) if some else math.nan,
        "low": mean.low,
        "high": mean.high,
        "method": mean.method,
        "median": float(np.median(sample)) if some else math.nan,
        "median_low": median.low,
        "median_high": median.high,
        "sd": float(sample.std(ddof=1)) if sample.size > 1 else math.nan,
        "wilcoxon_p": signed_rank_p(sample),
        "t_p": paired_t_p(sample),
        "cohens_d": cohens_d(sample),
        "wins": int((sample > 0).sum()),
        "worst": float(sample[worst]) if some else math.nan,
        "worst_trial": int(used["trial"].iloc[worst]) if some else pd.NA,
        "best": float(sample[best]) if some else math.nan,
        "best_trial": int(used["trial"].iloc[best]) if some else pd.NA,
        "unit": group["unit"].iloc[0],
    }
