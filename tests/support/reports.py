"""Reports without their pictures, which take most of the time that a report does, and some."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.figures import chosen, results
from analysis.figures.lineage import lineage_figure
from analysis.figures.picture import Picture
from analysis.statistics.lineage import lineage
from analysis.statistics.overview import overview


def without_pictures(patch: pytest.MonkeyPatch) -> None:
    """Let reports be written whole, but for what is drawn."""

    def none(*_: object) -> list[Picture]:
        return []

    patch.setattr(chosen, "pictures", none)


def drawn(tables: dict[str, pd.DataFrame], columns: int = 2) -> list[Figure]:
    """Draw curves, improvements and the last trial's lineage."""
    numbers = overview(tables)
    arm, trial = tables["trials"][["arm", "trial"]].iloc[-1]
    return [
        results.loss_curves(
            numbers.bands, numbers.arms, numbers.halts, numbers.departures, columns=columns
        ),
        results.improvements(numbers.paired, numbers.summary, numbers.arms, columns=columns),
        lineage_figure(lineage(tables["members"], tables["trials"], int(trial), str(arm))),
    ]
