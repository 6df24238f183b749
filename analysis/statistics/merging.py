"""What merging does to networks: the damage of a crossover, and how much alignment mends of it.

`heterosis merging RUN...` prints the table of one or several runs as CSV.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.tables import read_tables
from apps.records.run_dir import RunDir

_KEYS = ["crossover", "align", "epoch"]


def damage(matings: pd.DataFrame, members: pd.DataFrame) -> pd.DataFrame:
    """Return how much worse a merge is than its parents, before it trains.

    Args:
        matings: the table of that name; matings of a single parent are left out.
        members: the table of that name, for the parents' losses.

    Returns:
        One row per crossover, alignment and halt: `n` merges; means over them of `parents_loss`
        (held-out, mean of the parents) and `child_loss` (held-out, before the child trains), their
        difference `damage`, the loss barriers and the distances between the parents.
    """
    paired = matings.loc[matings["parents"].str.contains(" ")]
    # Children of one merge that are not mutated are one network: count it once.
    merges = paired.drop_duplicates(["trial", "arm", "halt", "parents"])
    parents_loss = _parents_loss(merges, members)
    rows = merges.assign(
        parents_loss=parents_loss,
        child_loss=merges["child_val_loss"],
        damage=merges["child_val_loss"] - parents_loss,
    )
    measured = [
        "parents_loss",
        "child_loss",
        "damage",
        "barrier_raw",
        "barrier_aligned",
        "distance_raw",
        "distance_aligned",
    ]
    table = rows.groupby(_KEYS, sort=True)[measured].mean()
    table.insert(0, "n", rows.groupby(_KEYS, sort=True).size())
    return table.reset_index()


def damage_of_runs(runs: Sequence[RunDir]) -> pd.DataFrame:
    """Return `damage` of several runs, one below the other, the run's name as the first column.

    Raises:
        ReportError: a run has no tables, or one can't be read.
    """
    each = [(run.root.name, read_tables(run)) for run in runs]
    together = pd.concat(
        [damage(tables["matings"], tables["members"]).assign(run=name) for name, tables in each]
    )
    return together[["run", *together.columns.drop("run")]]


def mended(table: pd.DataFrame) -> pd.DataFrame:
    """Return the share of a crossover's damage that alignment removes.

    Args:
        table: as `damage` returns.

    Returns:
        One row per crossover, way of aligning and halt: `damage` without alignment,
        `damage_aligned`, and `mended`, the share taken away; NaN where there was no damage.
    """
    bare = table.loc[table["align"].eq("none"), ["crossover", "epoch", "damage"]]
    aligned = table.loc[table["align"].ne("none"), [*_KEYS, "damage"]]
    both = aligned.merge(bare, on=["crossover", "epoch"], suffixes=("_aligned", ""))
    hurt = both["damage"].where(both["damage"] > 0)
    both["mended"] = 1 - both["damage_aligned"] / hurt.replace(0.0, np.nan)
    return both[["crossover", "align", "epoch", "damage", "damage_aligned", "mended"]]


def _parents_loss(merges: pd.DataFrame, members: pd.DataFrame) -> pd.Series:
    """Return the mean held-out loss of each merge's parents, whatever the fitness is."""
    place = ["trial", "arm", "epoch"]
    each = merges[[*place, "parents"]].assign(member=merges["parents"].str.split())
    each = each.reset_index(names="merge").explode("member").astype({"member": "int64"})
    losses = members.rename(columns={"last_epoch": "epoch"})[[*place, "member", "val_loss"]]
    known = each.merge(losses, on=[*place, "member"], how="left")
    return known.groupby("merge")["val_loss"].mean().reindex(merges.index)
