"""One run: its arms, its losses over the epochs, what it cost and what failed."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from analysis.figures.results import loss_curves
from analysis.notebook.opening import Results, missing, no_pairs
from analysis.notebook.shown import Picture, Shown, Table, Text
from analysis.numerals import MINUS
from analysis.report import page


def arms(run: Results) -> Shown:
    """Return the arms with their losses and improvements on the control."""
    if run.tables["trials"].empty:
        return no_pairs(run)
    table = page.arms_table(run.numbers).set_index("arm")
    return Table(table.map(lambda cell: re.sub(r"-(?=\d)", MINUS, cell)))


def curves(run: Results, arms: Sequence[str] | None = None) -> Shown:
    """Draw the losses over the epochs, of all arms or of those named that the run has."""
    numbers = run.numbers
    if numbers.bands.empty:
        return missing(run, "the losses of every epoch", "tables/epochs.parquet")
    chosen = [arm for arm in numbers.arms if arms is None or arm in arms]
    if not chosen:
        return Text((f"{run.name} has none of the arms {', '.join(arms or ())}.",))
    return Picture(loss_curves(numbers.bands, chosen, numbers.halts, numbers.departures))


def costs(run: Results) -> Shown:
    """Return what each arm's training cost; the last row counts shared segments once."""
    if run.tables["members"].empty:
        return missing(run, "the cost of every member", "tables/members.parquet")
    rows = pd.DataFrame(page.cost_rows(run.numbers)).set_index("arm")
    return Table(rows.rename(columns={"network_epochs": "network-epochs"}))


def failures(run: Results) -> Shown:
    """Return the members and trials that failed, with the reason."""
    if run.tables["members"].empty:
        return missing(run, "the end of every member", "tables/members.parquet")
    failed = run.numbers.failures
    if failed.empty:
        return Text(("No member and no trial failed.",))
    return Table(failed.set_index("arm"))
