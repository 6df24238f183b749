"""Arms against the control and against other yardsticks: verdict, statistics, power."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.figures import results as figures
from analysis.notebook.opening import Results, no_pairs
from analysis.notebook.shown import Picture, Shown, Table, Text
from analysis.numerals import number, p_value
from analysis.statistics import power, versus, wording
from analysis.statistics.overview import Overview
from analysis.statistics.paired import SMALLEST_SAMPLE
from analysis.statistics.scale import size_text
from analysis.tables import CONTROL


def verdict(run: Results) -> Text:
    """Say what the run found, and what to know before believing it."""
    if run.tables["trials"].empty:
        return no_pairs(run)
    return Text((wording.verdict(run.numbers), *wording.cautions(run.numbers)))


def improvements(run: Results, arms: Sequence[str] | None = None) -> Shown:
    """Draw every trial's improvement on the control, for all arms or for some."""
    numbers = run.numbers
    kinds = [kind for kind in both_kinds(numbers) if numbers.of(kind)["n"].gt(0).any()]
    if not kinds:
        return no_pairs(run)
    chosen = [arm for arm in numbers.arms if arms is None or arm in arms]
    others = [arm for arm in arms or () if arm != CONTROL]
    if arms is not None and not set(others) & set(chosen):
        return Text((f"{run.name} has none of the arms {', '.join(others)}.",))
    return Picture(figures.improvements(numbers.paired, numbers.summary, chosen, kinds=kinds))


def statistics(run: Results) -> Shown:
    """Return the paired statistics of every arm and loss against the control."""
    shown = [row for kind in both_kinds(run.numbers) for row in run.numbers.rows(kind) if row.n]
    if not shown:
        return no_pairs(run)
    return Table(pd.DataFrame([_statistics_row(row) for row in shown]).set_index(["loss", "arm"]))


def against(run: Results, yardsticks: Sequence[str]) -> Shown:
    """Return the improvement of every arm on other arms than the control, where the run has them.

    Each cell is the mean with its 95 % interval, a row per arm, a column per yardstick and loss.
    """
    if run.tables["trials"].empty:
        return no_pairs(run)
    known = [name for name in yardsticks if name in run.numbers.arms]
    if not known:
        return Text(
            (
                f"{run.name} has none of the arms {', '.join(yardsticks)} to compare with; "
                f"it has {', '.join(run.numbers.arms)}.",
            )
        )
    cells: dict[str, dict[str, str]] = {}
    for row in versus.versus(run.tables["trials"], known, zero=run.numbers.zero).itertuples():
        if row.kind in both_kinds(run.numbers):
            column = f"{wording.NAMES[str(row.kind)]}, on {row.against}"
            cells.setdefault(column, {})[str(row.arm)] = mean_text(row)
    order = [arm for arm in run.numbers.arms if any(arm in column for column in cells.values())]
    return Table(pd.DataFrame(cells).reindex(order).rename_axis("arm").fillna(""))


def power_table(run: Results) -> Shown:
    """Return the smallest mean improvement that the run's trials detect with 80 % power."""
    if run.tables["trials"].empty:
        return no_pairs(run)
    rows = [
        {
            "loss": wording.NAMES[kind],
            "arm": row.arm,
            "seen": size_text(row.mean, row.unit),
            "detectable": size_text(
                power.detectable_improvement(row.sd, row.n), row.unit, sign=False
            ),
        }
        for kind in both_kinds(run.numbers)
        for row in run.numbers.rows(kind)
        if row.n >= SMALLEST_SAMPLE and row.sd > 0
    ]
    if not rows:
        return Text((f"{run.name} has too few trials for this: at least {SMALLEST_SAMPLE}.",))
    return Table(pd.DataFrame(rows).set_index(["loss", "arm"]))


def both_kinds(numbers: Overview) -> list[str]:
    """Return the two losses that are always shown together: training, held-out."""
    return ["train_loss", wording.held_out_kind(numbers)]


def mean_text(row: Any) -> str:
    """Return a mean improvement with its interval, of a row of `statistics.summarize`."""
    return wording.mean_text(row) if row.n else "no trial"


def _statistics_row(row: Any) -> dict[str, str]:
    """Return the cells of one arm and loss."""
    return {
        "loss": wording.NAMES[row.kind],
        "arm": row.arm,
        "trials": str(row.n),
        "mean": mean_text(row),
        "worst": size_text(row.worst, row.unit),
        "best": size_text(row.best, row.unit),
        "better in": f"{row.wins} of {row.n}",
        "p (t, Holm)": p_value(row.t_p_holm),
        "p (signed rank, Holm)": p_value(row.wilcoxon_p_holm),
        "Cohen's d": number(row.cohens_d, 2),
    }
