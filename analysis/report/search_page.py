"""The table and sentences of the report on a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.numerals import NOTHING, number, percent, whole
from analysis.statistics.lineage import lineage
from analysis.statistics.metrics import Measured
from analysis.statistics.search import YARDSTICK, Search, architecture_in_words

HALF = 0.5


def arm_rows(found: Search, metrics: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the cells of the table of a search's arms.

    Args:
        found: the search.
        metrics: names of those beside loss and accuracy, whose means on the test set are `metrics`.
    """
    n = found.spent.groupby("arm").size()
    rows = []
    arm: Any
    others = found.arms[[f"test_{name}" for name in metrics]].to_numpy()
    for arm, means in zip(found.arms.itertuples(), others, strict=True):
        trials = int(n.get(arm.arm, 0))
        share = percent(arm.share, 0, sign=False) if np.isfinite(arm.share) else NOTHING
        reached = f"in {arm.reached:g} of {trials}" if trials and arm.reached < trials else ""
        rows.append(
            {
                "arm": str(arm.arm),
                "n": str(arm.n),
                "val_loss": number(arm.val_loss, 4),
                "test_accuracy": percent(arm.test_accuracy, 2, sign=False),
                "metrics": [number(value) for value in means],
                "parameters": whole(round(arm.parameters)),
                "genomes": f"{arm.genomes:.3g}",
                "network_epochs": whole(round(arm.network_epochs)),
                "share": f"{share} {reached}".strip() if trials else NOTHING,
            }
        )
    return rows


def sentences(found: Search) -> list[str]:
    """Return a sentence on the arms that reached the yardstick's loss at half of its cost."""
    if found.spent.empty:
        return []
    told = []
    for arm, own in found.spent.groupby("arm", sort=False):
        if arm == YARDSTICK:
            continue
        early = int(own["share"].le(HALF).sum())
        told.append(f"{arm} in {early} of {len(own)} trials")
    return [
        f"The final held-out loss of {YARDSTICK} was reached within half of its network-epochs by "
        f"{', '.join(told)}."
    ]


def descent(tables: dict[str, pd.DataFrame], metrics: Measured | None = None) -> dict[str, Any]:
    """Return the champion of all trials and arms with its line of descent, architecture by step.

    Args:
        tables: data frames by name; `members` and `trials` are used.
        metrics: of the run; they know the direction of one that chose the champions.

    Returns:
        `arm`, `trial`, `fitness` (the metric that chose; "" of a loss) and `rows` (oldest first:
        `epoch`, `member`, `parents`, `architecture`, `parameters`, `val_loss`, `fitness`: the
        members' own in that metric); empty where no arm finished, and where it is not known whether
        a higher or a lower value of the metric is better.
    """
    done = tables["trials"].loc[tables["trials"]["status"].eq("done")]
    column = metrics.fitness if metrics is not None else ""
    mode = metrics.modes[column.partition("_")[2]] if metrics is not None and column else "min"
    if done.empty or not mode:
        return {}
    best = done.sort_values("fitness", ascending=mode == "min", kind="stable").iloc[0]
    trial, arm = int(best["trial"]), str(best["arm"])
    family = lineage(tables["members"], tables["trials"], trial, arm)
    ancestors = family.nodes.loc[family.nodes["ancestor"], ["segment", "member"]]
    members = tables["members"]
    own = members.loc[members["trial"].eq(trial) & members["arm"].eq(arm)]
    rows = own.merge(ancestors, on=["segment", "member"]).sort_values(["segment", "member"])
    return {
        "arm": arm,
        "trial": trial,
        "fitness": column,
        "rows": [
            {
                "epoch": str(row["last_epoch"]),
                "member": str(row["member"]),
                "parents": str(row["parents"]) or NOTHING,
                "architecture": architecture_in_words(str(row["genome"])),
                "parameters": whole(row["parameters"]),
                "val_loss": number(row["val_loss"], 4),
                "fitness": number(row[column], 4) if column else "",
            }
            for row in rows.to_dict("records")
        ],
    }
