"""Names, dtypes and units of the result tables: the contract between a run and its analysis.

Losses are in the units of the network's loss function, accuracies are fractions, epochs count from
1, members, segments, halts and trials from 0. A column in `MEASURED` holds a reading of a clock or
of a machine; every other column is the same, bit for bit, whenever the same experiment runs again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

METRICS: Final = ("loss", "accuracy", "val_loss", "val_accuracy")
"""What every epoch records: running means over the epoch's batches, then the held-out data."""

FINAL_METRICS: Final = (
    *METRICS,
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
)
"""What the end of a segment records: the last epoch's, then the whole training and test sets."""

KINSHIP: Final = ("distance_raw", "distance_aligned", "barrier_raw", "barrier_aligned")
"""Distances of the first two parents and loss barriers between them; NaN with fewer parents."""

WITH_METRICS: Final = ("members", "epochs", "trials")
"""Tables that have a column more for every other metric that a run records, see `other_metrics`."""

STILL: Final = "training changed nothing"
"""How the remark on a member begins whose weights, or whose training loss, never moved."""

UNFINISHED: Final = "unfinished"
"""Status of a member or a trial's arm that has no result yet: in no table of a finished run."""

_METRIC_COLUMNS: Final = dict.fromkeys(FINAL_METRICS, "float64")

TABLES: Final[dict[str, dict[str, str]]] = {
    # One row a trial, arm, segment and member. A segment that several arms share has a row in each.
    "members": {
        "trial": "int64",
        "arm": "str",
        "segment": "int64",
        "member": "int64",
        "folder": "str",  # the task's folder below the run directory; equal rows share it
        "start": "str",  # fresh | continue | restart | offspring | survive
        "parents": "str",  # members of the segment before, separated by blanks
        "species": "int64",
        "first_epoch": "int64",
        "last_epoch": "int64",
        "status": "str",  # done | diverged | failed
        "reason": "str",
        "log": "str",
        **_METRIC_COLUMNS,
        "start_val_loss": "float64",  # of an offspring before it trains, else NaN
        "genome": "str",  # JSON: what the network has of its own in a search; empty otherwise
        "parameters": "int64",  # trained weights; 0 where it was not recorded
        "engine": "str",  # xla | graph | fit, and why; empty where it was not recorded
        "remarks": "str",  # of its training, a line each; empty where they were not recorded
        "fitness": "float64",  # what training.fitness names; NaN for a failed member
        "rank": "int64",  # within trial, arm and segment; 0 is the best
        "started_unix_s": "float64",
        "wall_s": "float64",
        "earlier_wall_s": "float64",  # of the epochs that attempts which were cut off had trained
        "cpu_s": "float64",  # of the last attempt, as what follows
        "peak_memory_mb": "float64",  # the most that its process has held until then
        "host": "str",
        "worker": "str",  # process and thread that ran the task
    },
    # One row a trial, arm, member and epoch.
    "epochs": {
        "trial": "int64",
        "arm": "str",
        "segment": "int64",
        "member": "int64",
        "epoch": "int64",
        **dict.fromkeys(METRICS, "float64"),
        "wall_s": "float64",
        "relatives": "int64",  # networks that trained side by side as the member
    },
    # One row a child of every mating.
    "matings": {
        "trial": "int64",
        "arm": "str",
        "halt": "int64",
        "epoch": "int64",  # the halt comes after this epoch
        "child": "int64",
        "parents": "str",
        "species": "int64",
        "crossover": "str",
        "align": "str",
        "mutation": "str",
        "optimizer": "str",
        "parents_fitness": "float64",  # mean over the parents
        **dict.fromkeys(KINSHIP, "float64"),
        "child_val_loss": "float64",  # of the child before it trains
        # continued (it is its parent) | fresh (no parent's weights) | inherited (one's) | crossed
        # (several's) | selected (units of several); empty where it was not recorded
        "took_part": "str",
        "parent_count": "int64",
        "parent_species": "int64",  # number of species that the parents are of
        "teachers": "int64",  # number of networks whose mean prediction it learns; 0 for none
        "best_parent_fitness": "float64",  # of the best of its parents, at the halt
        "child_fitness": "float64",  # the child's at the end of its segment
    },
    # One row a trial, arm, halt and species.
    "species": {
        "trial": "int64",
        "arm": "str",
        "halt": "int64",
        "epoch": "int64",
        "species": "int64",
        "size": "int64",
        "members": "str",
        "champion": "int64",
        "fitness": "float64",  # of the champion
        "offspring": "int64",
    },
    # One row a trial and arm: the champion that the arm's fitness chose.
    "trials": {
        "trial": "int64",
        "arm": "str",
        "status": "str",  # done | failed
        "reason": "str",
        "champion": "str",  # how it was harvested: "best", "mean", "greedy"
        "members": "str",  # the members of the last segment that it is made of
        **_METRIC_COLUMNS,
        "genome": "str",
        "parameters": "int64",
        "fitness": "float64",  # train_loss where the fitness is loss, which merges do not have
        "network_epochs": "int64",  # of training spent by the arm, shared segments included
        "teaching_epochs": "float64",  # of its teachers' forward passes, a third of an epoch each
        "serial_epochs": "int64",  # the arm's own epochs, one after the other; 0: not recorded
        # Of its matings, its teachers' predictions and its harvest, one after the other.
        "halts_wall_s": "float64",
        "failed_members": "int64",
    },
}

MEASURED: Final = frozenset(
    {
        "started_unix_s",
        "wall_s",
        "earlier_wall_s",
        "halts_wall_s",
        "cpu_s",
        "peak_memory_mb",
        "host",
        "worker",
        "log",
        "remarks",
    }
)
"""Columns that a rerun may change."""


ADDED: Final[dict[str, str | int | float]] = {
    "genome": "",
    "parameters": 0,
    "engine": "",
    "remarks": "",
    "earlier_wall_s": 0.0,
    "teaching_epochs": 0.0,
    "serial_epochs": 0,
    "halts_wall_s": math.nan,
    "relatives": 1,
    "took_part": "",
    "parent_count": 0,
    "parent_species": 0,
    "teachers": 0,
    "best_parent_fitness": math.nan,
    "child_fitness": math.nan,
}
"""Columns that older runs did not record, and the value they get when read."""

FORMER: Final = frozenset({"start_loss", "child_loss"})
"""Columns of numbers that older runs recorded: no metrics of a user's own."""


def completed(data: pd.DataFrame, table: str) -> pd.DataFrame:
    """Return a stored table with the columns added that it is too old to have.

    Args:
        data: the table.
        table: a key of `TABLES`.
    """
    absent = [name for name in ADDED if name in TABLES[table] and name not in data.columns]
    return data.assign(**{name: ADDED[name] for name in absent})


def other_metrics(table: str, metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics beside loss and accuracy, by the names of their columns.

    A metric that is called like another column of the table has `metric_` before its name.

    Args:
        table: one of `WITH_METRICS`.
        metrics: what was recorded, by name.
    """
    columns = TABLES[table]
    return {
        f"metric_{name}" if name in columns else name: value
        for name, value in metrics.items()
        if name not in FINAL_METRICS
    }


def columns_of(data: pd.DataFrame, table: str) -> dict[str, str]:
    """Return the columns of a stored table that count, and their dtypes: schema and metrics."""
    columns = TABLES[table]
    known = columns.keys() | FORMER
    more = [name for name in data.columns if name not in known and table in WITH_METRICS]
    return columns | {name: "float64" for name in more if data[name].dtype == "float64"}


def frame(table: str, rows: list[dict[str, object]], metrics: Sequence[str] = ()) -> pd.DataFrame:
    """Return `rows` as a data frame with the schema's columns and dtypes.

    Args:
        table: a key of `TABLES`.
        rows: one dictionary a row, with exactly the table's columns.
        metrics: further columns, numbers that a row may lack.

    Raises:
        KeyError: a row lacks a column or has one that the schema does not know.
    """
    columns = TABLES[table]
    for row in rows:
        if odd := sorted((row.keys() - set(metrics)) ^ columns.keys()):
            raise KeyError(f"rows of table {table!r} differ from the schema in {odd}")
    columns = columns | dict.fromkeys(metrics, "float64")
    data = {name: [row.get(name, math.nan) for row in rows] for name in columns}
    return pd.DataFrame(
        {name: pd.Series(data[name], dtype=dtype) for name, dtype in columns.items()}
    )
