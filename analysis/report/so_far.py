"""The report of a run that is not finished: what is whole is compared, the rest is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.figures import chosen
from analysis.figures.picture import Picture
from analysis.figures.so_far import losses_so_far
from analysis.numerals import count
from analysis.statistics import curves
from analysis.tables import arms_of
from apps.records.tables_schema import UNFINISHED

Tables = dict[str, pd.DataFrame]

WITHIN = ("members", "epochs", "matings", "species")
"""Tables of which a whole arm's rows are taken."""


@dataclass(frozen=True)
class SoFar:
    """What a run has before its end.

    Attributes:
        tables: of everything that has results, the rest marked `UNFINISHED`.
        told: how far the run is, what is missing and how to go on, a sentence each.
    """

    tables: Tables
    told: tuple[str, ...]

    @property
    def whole(self) -> Tables:
        """The tables of the trials' arms that are finished; the others' rows in `trials` stay."""
        trials = self.tables["trials"]
        cells = trials.loc[trials["status"].ne(UNFINISHED), ["trial", "arm"]]
        taken = {name: self.tables[name].merge(cells, on=["trial", "arm"]) for name in WITHIN}
        return self.tables | taken

    def pictures(self) -> list[Picture]:
        """Draw the losses of all that has results."""
        lines = curves.so_far(self.tables)
        arms = arms_of(self.tables["trials"])
        return [] if lines.empty else [losses_picture(lines, arms)]


def losses_picture(lines: pd.DataFrame, arms: Sequence[str]) -> Picture:
    """Draw the losses of all that has results.

    Args:
        lines: as `analysis.statistics.curves.so_far` returns them, at least one.
        arms: their names in their order.
    """
    return Picture(
        "losses_so_far",
        "Losses so far, of all that has results",
        "A line is a trial of an arm: the loss at each epoch of its best member. Where members of "
        "a population have no result yet, it is the best of the others. Nothing is compared here: "
        "trials are at different epochs.",
        f"Line chart of the losses of {count(lines['trial'].nunique(), 'trial')} so far.",
        *chosen.two_forms(lambda columns: losses_so_far(lines, arms, columns=columns)),
    )
