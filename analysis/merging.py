"""What merging does to networks: the damage of a crossover, and how much alignment mends of it.

`python -m analysis.merging RUN...` prints the table of one or several runs as CSV.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.tables import read_tables
from workflow.run_dir import RunDir

_KEYS = ["crossover", "align", "epoch"]


def damage(matings: pd.DataFrame) -> pd.DataFrame:
    """Return how much worse a merge is than its parents, before it trains.

    Args:
        matings: the table of that name; matings of a single parent are left out.

    Returns:
        One row a crossover, alignment and halt: `n` merges; means over them of `parents_loss`
        and `child_loss` (held-out loss, of the parents' mean fitness and of the child before it
        trains), their difference `damage`, the loss barriers and the distances between the
        parents.
    """
    paired = matings.loc[matings["parents"].str.contains(" ")]
    # Children of one merge that are not mutated are one network: count it once.
    merges = paired.drop_duplicates(["trial", "arm", "halt", "parents"])
    rows = merges.assign(
        parents_loss=merges["parents_fitness"],
        child_loss=merges["child_val_loss"],
        damage=merges["child_val_loss"] - merges["parents_fitness"],
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


def mended(table: pd.DataFrame) -> pd.DataFrame:
    """Return which share of a crossover's damage alignment takes away.

    Args:
        table: as `damage` returns.

    Returns:
        One row a crossover, way of aligning and halt: `damage` without alignment,
        `damage_aligned`, and `mended`, the share taken away; NaN where there was no damage.
    """
    bare = table.loc[table["align"].eq("none"), ["crossover", "epoch", "damage"]]
    aligned = table.loc[table["align"].ne("none"), [*_KEYS, "damage"]]
    both = aligned.merge(bare, on=["crossover", "epoch"], suffixes=("_aligned", ""))
    hurt = both["damage"].where(both["damage"] > 0)
    both["mended"] = 1 - both["damage_aligned"] / hurt.replace(0.0, np.nan)
    return both[["crossover", "align", "epoch", "damage", "damage_aligned", "mended"]]


def main(runs: list[str]) -> None:
    """Print the damage in each run, the run's name first, as CSV."""
    tables = [
        damage(read_tables(RunDir(Path(run)))["matings"]).assign(run=Path(run).name) for run in runs
    ]
    together = pd.concat(tables)
    columns = ["run", *(name for name in together.columns if name != "run")]
    print(together[columns].round(5).to_csv(index=False), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
