"""A run's arms against yardsticks other than the control.

`python -m analysis.versus RUN ARM...` prints the paired statistics against each named arm as CSV.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.commands import answer
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


def answer_with_csv(arguments: Sequence[str]) -> str:
    """Return the statistics of a run, the first argument, against the arms that follow, as CSV."""
    run, *yardsticks = arguments
    table = versus(read_tables(RunDir(Path(run)))["trials"], yardsticks)
    return table.round(6).to_csv(index=False)


if __name__ == "__main__":
    sys.exit(answer(answer_with_csv, "python -m analysis.versus RUN ARM...", 2, sys.argv[1:]))
