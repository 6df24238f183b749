"""Metrics beside the loss: what champions reach, how arms compare, the best member's curve.

A metric has no zero that is known, so arms are compared by differences in its own unit: positive is
better, by the direction that `apps.records.metric_modes` knows or the experiment says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.statistics.curves import band, carried_on
from analysis.statistics.paired import pair_trials, summarize
from analysis.tables import arms_of
from apps.records.metric_modes import mode_of
from apps.records.tables_schema import TABLES

METRIC: Final = "metric"
"""The unit of a difference of metrics: the metric's own."""

PARTS: Final = ("train", "val", "test")
COMPARED: Final = ("val", "test")
"""Parts of the data on which arms are compared: the training did not see them."""

_ACCURACY: Final = "accuracy"


@dataclass(frozen=True)
class Measured:
    """The metrics of a run.

    Attributes:
        names: of the metrics, as they were recorded.
        modes: their directions, "min" or "max"; "" where it is not known.
        fitness: the column of one that chose the champions ("val_auc"); "" where a loss did.
        champions: one row per arm, the control first: `n` trials and the means of `train_NAME`,
            `val_NAME` and `test_NAME` over them.
        summary: `paired.summarize` of `val_NAME`, `test_NAME` and what chose the champions:
            improvements are differences; of a metric whose direction is not known, the arm's minus
            the control's.
        bands: `curves.band` of the held-out values of the population's best member at each epoch;
            of a metric whose direction is not known, of the members' mean.
    """

    names: tuple[str, ...]
    modes: Mapping[str, str]
    fitness: str
    champions: pd.DataFrame
    summary: pd.DataFrame
    bands: pd.DataFrame

    @property
    def higher(self) -> bool:
        """Whether what chose the champions is a metric of which a higher value is better."""
        return self.modes.get(self.fitness.partition("_")[2]) == "max"

    def row(self, arm: str, column: str) -> Any:
        """Return the row of `summary` of an arm as a named tuple; None if there is none."""
        rows = self.summary.loc[self.summary["arm"].eq(arm) & self.summary["kind"].eq(column)]
        return next(rows.itertuples(), None)


def metric_names(trials: pd.DataFrame) -> tuple[str, ...]:
    """Return the names of a run's metrics beside loss and accuracy."""
    own = [name for name in trials.columns if name not in TABLES["trials"]]
    return tuple(
        name.removeprefix("test_")
        for name in own
        # "test_" may begin a metric's own name, too.
        if name.startswith("test_") and name.replace("test_", "train_", 1) in own
    )


def metric_fitness(trials: pd.DataFrame) -> str:
    """Return the column of the metric that chose the champions; "" where a loss did, or none can.

    It is the one that equals their fitness in every trial, if no loss does.
    """
    done = trials.loc[trials["status"].eq("done")]
    names = ("loss", _ACCURACY, *metric_names(trials))
    for name in names:
        for column in (f"{part}_{name}" for part in ("val", "train")):
            if len(done) and column in done and done["fitness"].eq(done[column]).all():
                return "" if name == "loss" else column
    return ""


def measured(
    tables: Mapping[str, pd.DataFrame], training: Mapping[str, Any] | None = None
) -> Measured | None:
    """Return the metrics of a run; None of one that has none beside loss and accuracy.

    Accuracy is among them where there are others, or where it chose the champions.

    Args:
        tables: data frames by name; `members`, `epochs` and `trials` are used.
        training: the experiment's table of that name, which tells directions; None if unknown.
    """
    trials = tables["trials"]
    fitness = metric_fitness(trials)
    names = metric_names(trials)
    if not names and not fitness:
        return None
    if trials[f"test_{_ACCURACY}"].notna().any():
        names = (_ACCURACY, *names)
    modes = {name: _mode(name, fitness, training or {}) for name in names}
    columns = [f"{part}_{name}" for name in names for part in PARTS if f"{part}_{name}" in trials]
    done = trials.loc[trials["status"].eq("done")].groupby("arm")
    champions = done[columns].mean().assign(n=done.size()).reindex(arms_of(trials))
    champions["n"] = champions["n"].fillna(0).astype("int64")
    return Measured(
        names,
        modes,
        fitness,
        champions.rename_axis("arm").reset_index(),
        _summary(trials, names, modes, fitness),
        band(_curves(tables, names, modes)),
    )


def _mode(name: str, fitness: str, training: Mapping[str, Any]) -> str:
    said = training.get("fitness_mode")
    asked = str(training.get("fitness", fitness)).removeprefix("val_").removeprefix("train_")
    if asked == name and said in ("min", "max"):
        return str(said)
    return mode_of(name, training) or ""


def _summary(
    trials: pd.DataFrame, names: tuple[str, ...], modes: Mapping[str, str], fitness: str
) -> pd.DataFrame:
    kinds = {f"{part}_{name}": name for name in names for part in COMPARED}
    kinds |= {fitness: fitness.partition("_")[2]} if fitness else {}
    paired = pair_trials(trials, tuple(kind for kind in kinds if kind in trials))
    low = paired["kind"].map(kinds).map(modes).eq("min")
    more = paired["arm_loss"] - paired["control_loss"]
    gain = more.where(~low, -more).where(np.isfinite(more))
    return summarize(paired.assign(improvement=gain, unit=METRIC))


def _curves(
    tables: Mapping[str, pd.DataFrame], names: tuple[str, ...], modes: Mapping[str, str]
) -> pd.DataFrame:
    """Return one row per trial, arm, metric and epoch: `kind` is the metric, `value` the best."""
    trials = tables["trials"]
    done = trials.loc[trials["status"].eq("done"), ["trial", "arm"]]
    kept = carried_on(tables["epochs"], tables["members"]).merge(done, on=["trial", "arm"])
    by = ["trial", "arm", "epoch"]
    best = {name: modes[name] or "mean" for name in names if f"val_{name}" in kept}
    if not best:
        return pd.DataFrame(columns=[*by, "kind", "value"])
    columns = [f"val_{name}" for name in best]
    kept[columns] = kept[columns].replace([np.inf, -np.inf], np.nan)
    grouped = kept.groupby(by, as_index=False)
    curves = grouped.agg(**{name: (f"val_{name}", how) for name, how in best.items()})
    return curves.melt(by, list(best), var_name="kind").astype({"kind": "str", "value": "float64"})
