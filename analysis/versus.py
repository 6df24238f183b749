"""A run's arms against yardsticks other than the control.

`python -m analysis.versus RUN ARM...` prints the paired statistics against each named arm as CSV.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.statistics import pair_trials, summarize
from analysis.tables import ReportError, read_tables
from workflow.run_dir import RunDir


def versus(trials: pd.DataFrame, yardsticks: Sequence[str]) -> pd.DataFrame:
    """Return the statistics of every arm against each yardstick.

    Args:
        trials: the table of that name.
        yardsticks: names of arms that take the control's place, one after the other.

    Returns:
        `analysis.statistics.summarize` of each, with `against` as the first column.

    Raises:
        ReportError: a yardstick is no arm of the run.
    """
    arms = list(dict.fromkeys(trials["arm"]))
    for name in yardsticks:
        if name not in arms:
            raise ReportError(
                f"there is no arm {name!r} in the run; its arms are {', '.join(arms)}"
            )
    tables = []
    for name in yardsticks:
        table = summarize(pair_trials(trials, control=name))
        table.insert(0, "against", name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def main(run: str, yardsticks: Sequence[str]) -> None:
    """Print the statistics as CSV."""
    table = versus(read_tables(RunDir(Path(run)))["trials"], yardsticks)
    print(table.round(6).to_csv(index=False), end="")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
