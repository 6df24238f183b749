"""The page that puts several runs side by side, and its numbers as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis.numerals import (
    NOTHING,
    count,
    duration,
    number,
    p_value,
    percent,
    unbroken,
    whole,
)
from analysis.report.comparison import Entrant, differing, enter
from analysis.report.findings import EFFECT, MARGIN
from analysis.report.page import improved_cell, spent_cell
from analysis.report.rendering import render
from analysis.statistics.costs import EVERYTHING
from analysis.statistics.intervals import RESAMPLES, SMALLEST_BOOTSTRAP
from analysis.statistics.scale import size_text, without_sole_unit
from analysis.statistics.wording import NAMES, held_out_kind, units_in_words, verdict
from analysis.tables import CONTROL
from apps.errors import NotWritten
from apps.files import write_atomic
from apps.records.run_dir import RunDir

SHOWN: Final = ("train_loss", "val_loss", "test_loss")
"""Loss kinds with a column of the page."""


def write_comparison(runs: Sequence[RunDir], folder: Path, margin: float = MARGIN) -> Path:
    """Write the comparison of several runs and return its page.

    Written are `comparison.html`, which needs no other file, no script and no network, and the
    numbers: `arms.csv` (a row per run and arm), `statistics.csv` (a row per run, arm and loss kind)
    and `settings.csv` (those that differ). The same runs give the same bytes.

    Args:
        runs: at least two run directories; their tables and `experiment.toml` are read.
        folder: where to write; it is made where it is not there.
        margin: how much higher a loss may be and still count as not worse, a fraction.

    Raises:
        ReportError: there is nothing to compare.
        NotWritten: the comparison can't be written.
    """
    entrants = enter(runs, margin)
    settings = differing(entrants)
    files = {
        "arms.csv": _stacked(entrants, "arms").to_csv(index=False),
        "statistics.csv": without_sole_unit(_stacked(entrants, "statistics")).to_csv(index=False),
        "settings.csv": settings.to_csv(index=False),
        "comparison.html": _html(entrants, settings, margin),
    }
    try:
        for name, text in files.items():
            write_atomic(folder / name, text.encode())
    except OSError as error:
        again = "make room, or choose another folder with --out"
        raise NotWritten(folder, "the comparison", error, again) from error
    return folder / "comparison.html"


def _stacked(entrants: Sequence[Entrant], table: str) -> pd.DataFrame:
    """Put a table of all runs one below the other, the run's name first."""
    parts = [getattr(each, table).assign(run=each.name) for each in entrants]
    stacked: pd.DataFrame = pd.concat(parts, ignore_index=True)
    stacked.insert(0, "run", stacked.pop("run"))
    return stacked


def _html(entrants: Sequence[Entrant], settings: pd.DataFrame, margin: float) -> str:
    """Fill in the page."""
    return render(
        "comparison.html.j2",
        title=", ".join(each.name for each in entrants),
        verdicts=[(each.name, unbroken(verdict(each.overview))) for each in entrants],
        differences=[
            (each.name, unbroken(units_in_words(each.overview)))
            for each in entrants
            if units_in_words(each.overview)
        ],
        groups=[_group(each) for each in entrants],
        has_accuracy=any(each.arms["test_accuracy"].notna().any() for each in entrants),
        settings=list(settings.itertuples(index=False, name=None)),
        runs=[each.name for each in entrants],
        problems=[(each.name, each.problem) for each in entrants if each.problem],
        other_data=bool(settings["setting"].str.startswith(("data.", "seed")).any()),
        kinds=SHOWN,
        names=NAMES,
        nothing=NOTHING,
        margin=f"{100 * margin:g} %",
        effect=percent(EFFECT, 0, sign=False),
        resamples=RESAMPLES,
        smallest_bootstrap=SMALLEST_BOOTSTRAP,
    )


def _group(entrant: Entrant) -> dict[str, Any]:
    """Return the rows of a run: its name with what it is, and the cells of its arms."""
    numbers = entrant.overview
    parts = [
        count(numbers.trials, "trial"),
        count(numbers.population, "network"),
        count(numbers.epochs, "epoch"),
    ]
    everything = numbers.costs.loc[numbers.costs["arm"].eq(EVERYTHING)].iloc[0]
    parts.append(f"{whole(int(everything['network_epochs']))} network-epochs trained")
    if (took := duration(numbers.elapsed_s)) != NOTHING:
        parts.append(f"{took} from start to end")
    rows = [_row(entrant, row) for row in entrant.arms.itertuples()]
    return {"name": entrant.name, "what": ", ".join(parts), "rows": rows}


def _row(entrant: Entrant, arm: Any) -> dict[str, Any]:
    """Return the cells of one arm: a text, or a text and what stands small below it."""
    statistics = entrant.statistics
    own: dict[str, Any] = {
        str(row.kind): row for row in statistics.loc[statistics["arm"].eq(arm.arm)].itertuples()
    }
    held_out = own.get(held_out_kind(entrant.overview))
    cells = {kind: improved_cell(own.get(kind), number(getattr(arm, kind))) for kind in SHOWN}
    accuracy = percent(arm.test_accuracy, 2, sign=False)
    return {
        "arm": arm.arm,
        "class": "control" if arm.arm == CONTROL else "",
        "n": str(arm.n),
        **cells,
        "p": p_value(held_out.t_p_holm) if held_out else "",
        "inferior": p_value(held_out.non_inferiority_p_holm) if held_out else "",
        "visible": size_text(held_out.visible, held_out.unit, sign=False) if held_out else "",
        "network_epochs": whole(arm.network_epochs),
        "wall": duration(arm.wall_s),
        "to_control": spent_cell(arm),
        "accuracy": accuracy,
    }
