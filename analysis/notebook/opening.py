"""Opening what a notebook is about: a run directory, or a folder of stored results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis.notebook.shown import Text
from analysis.report import page
from analysis.statistics import merging
from analysis.statistics.curves import CURVE_BESIDE
from analysis.statistics.overview import Overview, overview
from analysis.tables import loss_names, read_tables
from apps.errors import ReportError
from apps.records.run_dir import RunDir
from apps.records.tables_schema import ADDED, TABLES, completed, frame

DAMAGE: Final = ("run", *merging.damage(frame("matings", []), frame("members", [])).columns)
"""Columns of a stored `damage.csv`, as `heterosis merging` prints it."""


class NotebookError(ReportError):
    """A mistake of the user's, which Jupyter shows as one line without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in place of the traceback."""
        return [f"error: {' '.join(str(self).split())}"]


@dataclass(frozen=True)
class Results:
    """A run directory or a folder of stored results.

    Attributes:
        folder: where it is.
        tables: every table of `apps.records.tables_schema`; those that are not there are empty.
        stored: the other tables of a folder of stored results, by name.
        numbers: the statistics of `tables`; of a folder that stores no champions, they are empty.
    """

    folder: Path
    tables: dict[str, pd.DataFrame]
    stored: dict[str, pd.DataFrame]
    numbers: Overview

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    def _repr_html_(self) -> str:
        return _facts(self)._repr_html_()


def open_results(folder: str | Path) -> Results:
    """Read a run directory, or a folder of `analysis/results`.

    Args:
        folder: a run directory with `tables/*.parquet`, or stored results, of which `trials.csv`,
            `statistics.csv` (for the epochs to parity) and `damage.csv` are used. A relative path
            is looked for in the working directory, then in the folders above it.

    Raises:
        NotebookError: it is not there, is neither, or a table of it can't be read.
    """
    found = _find(Path(folder).expanduser())
    run = RunDir(found)
    files = [] if run.tables.is_dir() else sorted(found.glob("*.csv"))
    if not (files or run.tables.is_dir() or run.experiment_toml.is_file()):
        raise NotebookError(
            f"{found} is neither a run directory, which has an experiment.toml and tables, nor "
            "stored results, which are tables as CSV. Name one that is."
        )
    try:
        tables = {name: frame(name, []) for name in TABLES} if files else read_tables(run)
    except ReportError as error:
        raise NotebookError(str(error)) from error
    tables |= {path.stem: _read_table(path) for path in files if path.stem in TABLES}
    stored = {
        path.stem: _read_csv(path, DAMAGE if path.stem == "damage" else ())
        for path in files
        if path.stem not in TABLES
    }
    numbers = overview(tables, loss_names(run))
    return Results(found, tables, stored, with_parity(numbers, stored.get("statistics")))


def with_parity(numbers: Overview, stored: pd.DataFrame | None) -> Overview:
    """Take the epochs to parity from stored statistics, where there are no epochs.

    Args:
        numbers: the statistics of a run's tables.
        stored: `statistics.csv`; None, and one without the columns, changes nothing.
    """
    columns = ["parity_trials", "parity_reached", "parity_median"]
    if stored is None or len(numbers.parity) or not {"arm", "kind", *columns} <= set(stored):
        return numbers
    curves = {curve: kind for kind, curve in CURVE_BESIDE.items()}
    known = stored.assign(kind=stored["kind"].replace(curves)).dropna(subset="parity_trials")
    known = known[["arm", "kind", *columns]].drop_duplicates(["arm", "kind"])
    summary = numbers.summary.drop(columns=columns).merge(known, on=["arm", "kind"], how="left")
    whole = {"parity_trials": "Int64", "parity_reached": "Int64"}
    return replace(numbers, summary=summary.astype(whole))


def missing(run: Results, what: str, needed: str) -> Text:
    """Return a text that names the numbers a folder lacks and the file they belong in."""
    return Text((f"{run.name} has nothing to show here: {what} would stand in {needed}.",))


def no_pairs(run: Results) -> Text:
    """Say that nothing can be compared."""
    what = "a trial that the control and another arm finished"
    return missing(run, what, "tables/trials.parquet or trials.csv")


def _find(folder: Path) -> Path:
    """Return the folder, looked for upwards: a notebook's working directory is its own folder."""
    here = Path.cwd()
    for above in [here] if folder.is_absolute() else [here, *here.parents]:
        if (above / folder).is_dir():
            return above / folder
    raise NotebookError(
        f"there is no folder {str(folder)!r} in {here} or above it. `make run` makes runs/quick; "
        "name another run directory, or stored results such as analysis/results/relatives, in RUN "
        "or in the environment as HETEROSIS_RUN."
    )


def _read_table(path: Path) -> pd.DataFrame:
    """Read a stored table of the schema; an arm may be called "nan"."""
    dtypes = TABLES[path.stem]
    numbers = {name: [""] for name, dtype in dtypes.items() if dtype != "str"}
    needed = [name for name in dtypes if name not in ADDED]
    data = _read_csv(path, needed, dtype=dtypes, keep_default_na=False, na_values=numbers)
    return completed(data, path.stem)[list(dtypes)]


def _read_csv(path: Path, needed: Iterable[str] = (), **how: Any) -> pd.DataFrame:
    """Read a table with the columns that it must have."""
    try:
        data: pd.DataFrame = pd.read_csv(path, **how)
    except (OSError, ValueError) as error:  # pandas' own are ValueErrors
        raise NotebookError(
            f"{path}: a stored table must be CSV, and reading it says: {error}. "
            "Restore it, or remove it to do without."
        ) from error
    absent = [name for name in needed if name not in data.columns]
    if absent:
        raise NotebookError(
            f"{path}: the table lacks the columns {', '.join(absent)}. It was written by another "
            "version: store it anew."
        )
    return data


def _facts(run: Results) -> Text:
    """Return the size of a run in a sentence, and what tables it has."""
    facts = [f"{value} {what}" for value, what in page.facts(run.numbers) if value != "0"]
    kept = sorted(name for name, table in run.tables.items() if len(table))
    kept += sorted(run.stored)
    return Text(
        (
            f"{run.name}: {', '.join(facts)}." if facts else f"{run.name}: stored without trials.",
            f"Its tables: {', '.join(kept) or 'none'}.",
        )
    )
