"""The full statistics of a run's arms: improvement, pace, non-inferiority, detectable effects.

The report and the comparison of runs show the same numbers, made here.
"""

from __future__ import annotations

from typing import Final

import pandas as pd

from analysis.statistics.convergence import cost_to_control, pair_areas, summarize_cost
from analysis.statistics.overview import Overview
from analysis.statistics.paired import non_inferiority, summarize
from analysis.statistics.power import sensitivity
from analysis.statistics.wording import held_out_kind

MARGIN: Final = 0.02
"""How much higher a loss may be and still count as not worse, a fraction."""

EFFECT: Final = 0.02
"""The improvement for which the trials needed are computed, a fraction."""

_BY: Final = ["arm", "kind"]


def full_statistics(numbers: Overview, margin: float = MARGIN) -> pd.DataFrame:
    """Return the improvements of a run with non-inferiority and sensitivity beside them.

    Args:
        numbers: of the run.
        margin: of the test of non-inferiority, a fraction.

    Returns:
        One row per arm and loss kind, areas under the curves ("area_loss", "area_val_loss") among
        them: the columns of `overview.summary`, then those of `statistics.non_inferiority` (its
        `bound`, `p` and `p_holm` with the prefix `non_inferiority_`) and of `power.sensitivity` for
        `EFFECT`.
    """
    areas = pair_areas(numbers.area, zero=numbers.zero)
    summary = pd.concat([numbers.summary, summarize(areas)], ignore_index=True)
    paired = pd.concat([numbers.paired, areas], ignore_index=True)
    inferior = non_inferiority(paired, margin).rename(
        columns={each: f"non_inferiority_{each}" for each in ("bound", "p", "p_holm")}
    )
    seen = sensitivity(summary, EFFECT)
    full = summary.merge(inferior.drop(columns=["n", "mean"]), on=_BY, how="left")
    return full.merge(seen.drop(columns=["n", "sd"]), on=_BY, how="left")


def spent_to_control(numbers: Overview, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what each arm took to reach the loss on unseen data that the control has at K.

    Args:
        numbers: of the run.
        tables: data frames by name; `epochs` and `trials` are used.

    Returns:
        As `convergence.summarize_cost`, each column but `arm` with the suffix `_to_control`. Where
        no held-out loss was recorded, it is the running training loss.
    """
    curve = "val_loss" if held_out_kind(numbers) == "val_loss" else "loss"
    spent = cost_to_control(tables["epochs"], numbers.parity, curve)
    table = summarize_cost(spent, tables["trials"]).set_index("arm").add_suffix("_to_control")
    return table.reset_index()
