"""How fast an arm improves: the area under its curve, and what it spends to reach a given loss."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.statistics.curves import cost_to_loss
from analysis.statistics.paired import with_improvement
from analysis.statistics.scale import ANY_ZERO, Zero
from analysis.tables import CONTROL, arms_of

SPENT = ("epoch", "network_epochs", "wall_s")
"""What it takes to reach a loss: epochs, epochs of all members, seconds of all members."""


def pair_areas(
    area: pd.DataFrame, control: str = CONTROL, *, zero: Zero = ANY_ZERO
) -> pd.DataFrame:
    """Pair the area under each arm's curve with the control's of the same trial.

    `(A_control - A_arm) / A_control`, or the difference of the areas of losses of which none is a
    share of another (`analysis.statistics.scale`): positive when the arm's loss was lower on the
    way, even where both end alike. Segments shared with the control count in both.

    Args:
        area: as `analysis.statistics.curves.area_under_curve` returns it.
        control: name of the control arm.
        zero: of the run's loss.

    Returns:
        The rows that `analysis.statistics.paired.summarize` takes: `arm`, `kind` ("area_loss",
        "area_val_loss"), `trial`, `control_loss` and `arm_loss` (areas, loss x epochs),
        `improvement` (NaN where either has no area), `unit`.
    """
    by = ["kind", "trial"]
    reference = area.loc[area["arm"].eq(control), [*by, "area"]]
    others = area.loc[area["arm"].ne(control)]
    paired = others.merge(reference, on=by, how="left", suffixes=("_arm", "_control"))
    paired = paired.rename(columns={"area_arm": "arm_loss", "area_control": "control_loss"})
    paired["kind"] = "area_" + paired["kind"]
    return with_improvement(paired, zero)


def cost_to_control(epochs: pd.DataFrame, parity: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return what each trial and arm spent until it was at or below the control's loss at K.

    Args:
        epochs: the table `epochs`.
        parity: as `analysis.statistics.curves.epochs_to_parity` returns it; its targets are used.
        kind: "loss" or "val_loss".

    Returns:
        As `analysis.statistics.curves.cost_to_loss`, for the trials that have a finite target.
    """
    targets = parity.loc[parity["kind"].eq(kind)].groupby("trial")["target"].first().dropna()
    parts = [
        cost_to_loss(group, float(targets[trial]), kind)
        for trial, group in epochs.groupby("trial")
        if trial in targets.index
    ]
    none = epochs.iloc[:0]
    return pd.concat(parts, ignore_index=True) if parts else cost_to_loss(none, 0.0, kind)


def summarize_cost(spent: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Summarise over the finished trials what reaching a loss took.

    A trial that never got there counts as infinite, not as absent: medians over those that did
    would praise an arm for its failures.

    Args:
        spent: as `analysis.statistics.curves.cost_to_loss` returns it.
        trials: the table `trials`; an arm's trial that failed is left out.

    Returns:
        One row per arm, the control first: `arm`, `n` trials, how many `reached` the loss, and the
        medians `epoch`, `network_epochs`, `wall_s` (NaN where half of the trials or more did not).
    """
    done = trials.loc[trials["status"].eq("done"), ["trial", "arm"]]
    kept = spent.merge(done, on=["trial", "arm"])
    grouped = kept.assign(**kept[list(SPENT)].fillna(np.inf)).groupby("arm")
    medians = grouped[list(SPENT)].median().replace(np.inf, np.nan)
    counts = kept.groupby("arm")["epoch"].agg(n="size", reached="count")
    table: pd.DataFrame = counts.join(medians).reindex(arms_of(trials))
    table = table.rename_axis("arm").reset_index()
    table[["n", "reached"]] = table[["n", "reached"]].fillna(0).astype("int64")
    return table
