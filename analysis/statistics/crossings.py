"""Which crossover took part in a run: children by what they have of their parents, and their gain.

Children that are their parent, since they go on as it was, are left out.
"""

from __future__ import annotations

from typing import Final

import pandas as pd

MERGED: Final = ("crossed", "selected")
"""What took part in children whose weights come from several parents."""

SHARES: Final = {
    "two_parents": "two parents or more",
    "two_species": "of two species or more",
    "merged": "weights of several",
    "taught": "taught",
}
"""Columns of `crossings` that are numbers of children, and what they say."""


def children(matings: pd.DataFrame, higher: bool = False) -> pd.DataFrame:
    """Return the children of which it was recorded what they have of their parents.

    Args:
        matings: the table of that name.
        higher: whether a higher fitness is better.

    Returns:
        One row per child: `trial`, `arm`, `halt`, `child`, `took_part`; whether it has
        `two_parents`, of `two_species`, weights of several (`merged`) and teachers (`taught`);
        and `gain`: how much better its fitness is at the end of its segment than that of the best
        of its parents was at the halt, NaN where it failed.
    """
    kept = matings.loc[~matings["took_part"].isin(["", "continued"])]
    lower = kept["best_parent_fitness"] - kept["child_fitness"]
    return pd.DataFrame(
        {
            **{name: kept[name] for name in ("trial", "arm", "halt", "child", "took_part")},
            "two_parents": kept["parent_count"].ge(2),
            "two_species": kept["parent_species"].ge(2),
            "merged": kept["took_part"].isin(MERGED),
            "taught": kept["teachers"].gt(0),
            "gain": -lower if higher else lower,
        }
    ).reset_index(drop=True)


def crossings(born: pd.DataFrame) -> pd.DataFrame:
    """Count the children of each arm by what took part in them.

    Args:
        born: as `children` returns them.

    Returns:
        One row per arm: number of `children` over all trials, and of those with each of `SHARES`;
        `gained`, those better than the best of their parents; the median `gain`.
    """
    counted = born.assign(gained=born["gain"].gt(0))
    found: pd.DataFrame = (
        counted.groupby("arm", sort=False)
        .agg(
            children=("child", "count"),
            **{name: (name, "sum") for name in SHARES},
            gained=("gained", "sum"),
            gain=("gain", "median"),
        )
        .reset_index()
    )
    return found
