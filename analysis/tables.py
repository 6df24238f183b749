"""Reading a run's tables: the first of the three layers, tables -> statistics -> figures."""

from __future__ import annotations

import tomllib
from typing import Any, Final

import pandas as pd

from apps.errors import ReportError
from apps.records.run_dir import RunDir
from apps.records.tables_schema import TABLES, columns_of, completed, frame

CONTROL: Final = "control"
"""Name of the arm that every other arm is compared with."""

REQUIRED: Final = ("members", "epochs", "trials")
"""Tables that a report needs; the others may be missing and then count as empty."""


def networks_of(epochs: pd.DataFrame) -> pd.Series[int]:
    """Return how many networks each row of the table `epochs` is the training of.

    A row that `analysis.statistics.curves.carried_on` added is that of none.
    """
    known = "relatives" in epochs.columns
    networks = epochs["relatives"] if known else pd.Series(1, index=epochs.index)
    return networks.where(epochs["trained"], 0) if "trained" in epochs.columns else networks


def read_tables(run: RunDir) -> dict[str, pd.DataFrame]:
    """Read every table of `apps.records.tables_schema.TABLES` from a run directory.

    Args:
        run: the run directory; `tables/*.parquet` is all that is read.

    Returns:
        A data frame a table, its columns in the schema's order and dtypes, then those of the run's
        other metrics. A table that is not
        `REQUIRED` and not there is empty.

    Raises:
        ReportError: a required table is missing, can't be read, or lacks a column.
    """
    missing = [name for name in REQUIRED if not run.table(name).is_file()]
    if missing:
        raise ReportError(
            f"{run.root}: a report needs the tables {', '.join(REQUIRED)}, and "
            f"{run.table(missing[0])} is not there. Tables are written when a run ends: "
            "start the same `heterosis run` again to finish it; `heterosis report` shows what it "
            "has by now."
        )
    return {name: _read_table(run, name) for name in TABLES}


def arms_of(trials: pd.DataFrame) -> list[str]:
    """Return the names of the arms in the order of the table, the control first."""
    names = [str(name) for name in trials["arm"].unique()]
    return sorted(names, key=lambda name: name != CONTROL)


def training_of(run: RunDir) -> dict[str, Any]:
    """Return the table `training` of a run's experiment; nothing where it can't be read."""
    try:
        settings = tomllib.loads(run.experiment_toml.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # TOML's and Unicode's errors are of these
        return {}
    training = settings.get("training")
    return training if isinstance(training, dict) else {}


def loss_names(run: RunDir) -> tuple[str, ...]:
    """Return the names of a run's losses, one an output; none where its settings can't be read."""
    loss = training_of(run).get("loss", "")
    names = loss.values() if isinstance(loss, dict) else [loss]
    return tuple(str(name) for name in names if name)


def _read_table(run: RunDir, name: str) -> pd.DataFrame:
    """Read one table, or return it empty when it is not there."""
    path = run.table(name)
    if not path.is_file():
        return frame(name, [])
    try:
        data = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are either
        raise ReportError(
            f"{path}: a table must be a readable parquet file, and reading it says: {error}. "
            "Remove it and start the same `heterosis run` again to write it anew."
        ) from error
    data = completed(data, name)
    absent = [column for column in TABLES[name] if column not in data.columns]
    if absent:
        raise ReportError(
            f"{path}: table {name!r} must have the columns of "
            f"apps.records.tables_schema, and lacks {', '.join(absent)}. It was "
            "written by another version: start the run again."
        )
    columns = columns_of(data, name)
    return data[list(columns)].astype(columns)
