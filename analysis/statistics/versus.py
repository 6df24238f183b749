"""A run's arms against yardsticks other than the control.

`heterosis versus RUN ARM...` prints the paired statistics of all arms against each named one as
CSV; with `--of ARM` those of one arm alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.statistics.paired import pair_trials, summarize
from analysis.statistics.scale import ANY_ZERO, Zero
from apps.errors import ReportError


def versus(
    trials: pd.DataFrame,
    yardsticks: Sequence[str],
    of: str | None = None,
    *,
    zero: Zero = ANY_ZERO,
) -> pd.DataFrame:
    """Return the statistics of every arm, or of one, against each yardstick.

    Args:
        trials: the table of that name.
        yardsticks: names of arms that take the control's place, one after the other.
        of: the arm to compare with the yardsticks; None for every arm.
        zero: of the run's loss.

    Returns:
        `paired.summarize` with `against` as the first column. Holm's correction is over the arms
        that are compared with one yardstick, or over the yardsticks of the one arm.

    Raises:
        ReportError: one of the names is no arm of the run, or an arm is compared with itself.
    """
    arms = list(dict.fromkeys(trials["arm"]))
    if of in yardsticks:
        raise ReportError(f"arm {of!r} cannot be compared with itself; name others")
    for name in (*yardsticks, *([] if of is None else [of])):
        if name not in arms:
            raise ReportError(
                f"there is no arm {name!r} in the run; its arms are {', '.join(arms)}"
            )
    pairs = {name: pair_trials(trials, control=name, zero=zero) for name in yardsticks}
    if of is not None:
        own = [paired[paired["arm"].eq(of)].assign(arm=name) for name, paired in pairs.items()]
        table = summarize(pd.concat(own)).rename(columns={"arm": "against"})
        table.insert(1, "arm", of)
        return table
    tables = []
    for name, paired in pairs.items():
        table = summarize(paired)
        table.insert(0, "against", name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
