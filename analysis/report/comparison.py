"""Several runs side by side: the numbers of their arms, and the settings in which they differ."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.report.findings import MARGIN, full_statistics, spent_to_control
from analysis.report.page import flattened, settings
from analysis.statistics.overview import Overview, overview
from analysis.tables import loss_names, read_tables
from apps.errors import ReportError
from apps.records.former_keys import present_key
from apps.records.run_dir import RunDir


@dataclass(frozen=True)
class Entrant:
    """One run of a comparison.

    Attributes:
        name: of the run directory, with as many folders above it as tell the runs apart.
        overview: its numbers, as its own report has them.
        arms: one row per arm, the control first: `arm`, `n` trials, the champions' mean losses and
            `test_accuracy`, `network_epochs` and `wall_s` (summed over training tasks), and what it
            took to reach the control's held-out loss at K: `n_to_control` trials,
            `reached_to_control` of them, and the medians `epoch_to_control`,
            `network_epochs_to_control`, `wall_s_to_control`.
        statistics: as `findings.full_statistics` returns them.
        settings: of the experiment, by dotted key.
        problem: why there are no settings, or "".
    """

    name: str
    overview: Overview
    arms: pd.DataFrame
    statistics: pd.DataFrame
    settings: dict[str, str]
    problem: str


def enter(runs: Sequence[RunDir], margin: float = MARGIN) -> list[Entrant]:
    """Compute the numbers of several runs.

    Args:
        runs: at least two run directories.
        margin: of the test of non-inferiority, a fraction.

    Raises:
        ReportError: there are fewer, one is given twice, or one has no tables.
    """
    if len(runs) < 2:
        raise ReportError(f"a comparison needs at least two runs, got {len(runs)}")
    names = told_apart([run.root for run in runs])
    return [_entrant(run, name, margin) for run, name in zip(runs, names, strict=True)]


def told_apart(roots: Sequence[Path]) -> list[str]:
    """Return names for folders: the last part of each, or as many parts as tell them apart.

    Raises:
        ReportError: two are the same folder.

    >>> told_apart([Path("/a/x/run"), Path("/a/y/run")])
    ['x/run', 'y/run']
    """
    parts = [root.resolve().parts for root in roots]
    for place, own in enumerate(parts):
        if own in parts[:place]:
            raise ReportError(f"{roots[place]} is given twice: a run is not compared with itself")
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-length:]) for own in parts]
        if len(set(names)) == len(names):
            break
    return names


def differing(entrants: Sequence[Entrant]) -> pd.DataFrame:
    """Return the settings in which runs differ.

    Returns:
        `setting` (a dotted key) and a column a run, all text; "" where a run has no such setting.
        An arm that not all runs have is one row, `arms.NAME`.
    """
    all_settings = [entrant.settings for entrant in entrants if not entrant.problem]
    keys = list(dict.fromkeys(key for own in all_settings for key in own))
    odd = [key for key in keys if len({own.get(key) for own in all_settings}) > 1]
    lone = [f"{key}." for key in odd if any(other.startswith(f"{key}.") for other in keys)]
    odd = [key for key in odd if not key.startswith(tuple(lone))]
    columns = {each.name: [each.settings.get(key, "") for key in odd] for each in entrants}
    return pd.DataFrame({"setting": odd, **columns}, dtype="str")


def _entrant(run: RunDir, name: str, margin: float) -> Entrant:
    """Compute the numbers of one run."""
    tables = read_tables(run)
    numbers = overview(tables, loss_names(run))
    values, problem = _settings(run)
    statistics = full_statistics(numbers, margin)
    return Entrant(name, numbers, _arms(numbers, tables), statistics, values, problem)


def _arms(numbers: Overview, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the row of each arm."""
    kept = ["arm", "n", "train_loss", "val_loss", "test_loss", "test_accuracy"]
    arms = numbers.champions[kept].merge(
        numbers.costs[["arm", "network_epochs", "wall_s"]], on="arm", how="left"
    )
    return arms.merge(spent_to_control(numbers, tables), on="arm", how="left")


def _settings(run: RunDir) -> tuple[dict[str, str], str]:
    """Return the settings of a run by dotted key and, where there are none, why."""
    text, problem = settings(run)
    if problem:
        return {}, problem
    try:
        flat = flattened(tomllib.loads(text), between=", ")
        return {present_key(key): value for key, value in flat.items()}, ""
    except tomllib.TOMLDecodeError as error:
        return {}, f"{run.experiment_toml.name} is not TOML: {error}."
