"""All numbers of one run: what the report, the command line and the notebooks show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.statistics import costs, curves
from analysis.statistics.metrics import metric_fitness
from analysis.statistics.paired import KINDS, SEED, pair_trials, summarize
from analysis.statistics.scale import Zero, lowest_loss
from analysis.tables import CONTROL, arms_of
from apps.records.tables_schema import UNFINISHED


@dataclass(frozen=True)
class Overview:
    """The statistics of one run; every frame is described where it is made.

    Attributes:
        arms: names of the arms, the control first.
        trials: number of trials.
        population: members of the control's first segment; of any arm's where there is no control.
        epochs: K, the control's; of any arm where there is no control; 0 if no epoch was recorded.
        lengths: each arm's epochs one after the other, where the run recorded them.
        ends: `curves.end_epochs`.
        zero: what is known of the zero of the run's loss.
        fitness: what chose the champions ("train_loss", "val_loss" or a metric's column), found by
            comparing it with their fitness; "" if none agrees.
        champions: one row per arm: means over its finished trials, of the champions' losses and of
            `curves.lowest_losses`.
        control_networks: what every network of the control reaches at the end, beside its champion,
            which luck chose too: the mean over trials of the mean over its networks, by loss kind
            and `test_accuracy`; empty without a finished trial.
        control_averaged: of how many networks that is the mean, in the trial with the fewest and in
            that with the most: those that diverged are left out.
        paired: `paired.pair_trials` of the champions and of `curves.lowest_losses`.
        summary: `paired.summarize` of `paired`, with `curves.parity_summary` beside it, of
            the curve that `curves.CURVE_BESIDE` says.
        bands: `curves.band`, with `curves.network_epochs_by_epoch` where `lengths` are known.
        departures: `curves.departures`.
        parity: `curves.epochs_to_parity`.
        area: `curves.area_under_curve`.
        halts: `curves.halt_epochs`.
        costs: `costs.costs`.
        elapsed_s: `costs.elapsed_s`.
        failures: `costs.failures`.
        unfinished: number of trials' arms that have no result yet.
    """

    arms: list[str]
    trials: int
    population: int
    epochs: int
    lengths: dict[str, int]
    ends: dict[str, int]
    zero: Zero
    fitness: str
    champions: pd.DataFrame
    control_networks: dict[str, float]
    control_averaged: tuple[int, int]
    paired: pd.DataFrame
    summary: pd.DataFrame
    bands: pd.DataFrame
    departures: dict[str, int]
    parity: pd.DataFrame
    area: pd.DataFrame
    halts: dict[str, list[int]]
    costs: pd.DataFrame
    elapsed_s: float
    failures: pd.DataFrame
    unfinished: int = 0

    def of(self, kind: str) -> pd.DataFrame:
        """Return the rows of `summary` of one loss kind."""
        return self.summary.loc[self.summary["kind"].eq(kind)]

    def rows(self, kind: str) -> list[Any]:
        """Return the rows of `summary` of one loss kind as named tuples."""
        return list(self.of(kind).itertuples())


def overview(
    tables: dict[str, pd.DataFrame], losses: tuple[str, ...] = (), *, seed: int = SEED
) -> Overview:
    """Compute the statistics of one run.

    Args:
        tables: data frames by name, as `analysis.tables.read_tables` or `workflow.runs.tables` give
            them; `members`, `epochs` and `trials` are used.
        losses: names of the run's losses, as `analysis.tables.loss_names` returns them; none where
            they are unknown.
        seed: of the bootstrap.
    """
    members, epochs, trials = tables["members"], tables["epochs"], tables["trials"]
    carried = curves.carried_on(epochs, members)
    lines = curves.best_member_curves(carried, trials)
    outcomes = trials.merge(curves.lowest_losses(lines), on=["trial", "arm"], how="left")
    zero = Zero(lowest_loss(tables), losses)
    paired = pair_trials(outcomes, (*KINDS, *curves.BEST_KINDS), zero=zero)
    parity = curves.epochs_to_parity(lines)
    beside = {curve: kind for kind, curve in curves.CURVE_BESIDE.items()}
    reached = curves.parity_summary(parity).replace({"kind": beside})
    summary = summarize(paired, seed=seed).merge(reached, on=["arm", "kind"], how="left")
    lengths = _lengths(trials)
    bands = curves.band(lines)
    networks = curves.networks_by_epoch(carried, trials)
    if lengths:
        spent = curves.network_epochs_by_epoch(networks)
        bands = bands.merge(spent, on=["arm", "epoch"], how="left")
    ends = curves.end_epochs(members)
    averaged = _averaged(members)
    each = averaged.groupby("trial").size()
    return Overview(
        arms=arms_of(trials),
        trials=int(trials["trial"].nunique()),
        population=_population(members),
        epochs=_of_control(lengths) or _of_control(ends) if len(epochs) else 0,
        lengths=lengths,
        ends=ends,
        zero=zero,
        fitness=_fitness(trials),
        champions=_champions(outcomes),
        control_networks=_control_networks(averaged),
        control_averaged=(int(each.min()), int(each.max())) if len(each) else (0, 0),
        paired=paired,
        summary=summary.astype({"parity_trials": "Int64", "parity_reached": "Int64"}),
        bands=bands,
        departures=curves.departures(lines, networks),
        parity=parity,
        area=curves.area_under_curve(lines),
        halts=curves.halt_epochs(members),
        costs=costs.costs(members, epochs, trials),
        elapsed_s=costs.elapsed_s(members),
        failures=costs.failures(members, trials),
        unfinished=int(trials["status"].eq(UNFINISHED).sum()),
    )


def _lengths(trials: pd.DataFrame) -> dict[str, int]:
    """Return the epochs of each arm one after the other; nothing of a run that is too old."""
    known = trials.loc[trials["serial_epochs"].gt(0)]
    found = known.groupby("arm", sort=False)["serial_epochs"].max()
    return {str(arm): int(length) for arm, length in found.items()}


def _fitness(trials: pd.DataFrame) -> str:
    """Find out what chose the champions: the loss or metric that equals their fitness."""
    control = trials.loc[trials["arm"].eq(CONTROL) & trials["status"].eq("done")]
    for kind in KINDS:
        if len(control) and control["fitness"].eq(control[kind]).all():
            return kind
    return metric_fitness(trials)


def _of_control(epochs: dict[str, int]) -> int:
    """Return the control's number of epochs; the largest of any arm where there is no control."""
    return epochs[CONTROL] if CONTROL in epochs else max(epochs.values(), default=0)


def _population(members: pd.DataFrame) -> int:
    first = members.loc[members["segment"].eq(0)]
    own = first.loc[first["arm"].eq(CONTROL)]
    return int((own if len(own) else first)["member"].nunique())


def _averaged(members: pd.DataFrame) -> pd.DataFrame:
    """Return the control's members at the end that did not fail."""
    own = members.loc[members["arm"].eq(CONTROL)]
    return own.loc[own["segment"].eq(own["segment"].max()) & own["status"].eq("done")]


def _control_networks(averaged: pd.DataFrame) -> dict[str, float]:
    each = averaged.groupby("trial")[[*KINDS, "test_accuracy"]].mean()
    return {str(kind): float(value) for kind, value in each.mean().items()} if len(each) else {}


def _champions(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Average the champions of each arm, and the lowest losses, over its finished trials."""
    done = outcomes.loc[outcomes["status"].eq("done")]
    accuracies = ["train_accuracy", "val_accuracy", "test_accuracy"]
    metrics = [*KINDS, *accuracies, *curves.BEST_KINDS]
    grouped = done.groupby("arm")
    means = (
        grouped[metrics]
        .mean()
        .assign(n=grouped.size(), test_accuracy_sd=grouped["test_accuracy"].std())
    )
    means = means.reindex(arms_of(outcomes)).rename_axis("arm").reset_index()
    return means.assign(n=means["n"].fillna(0).astype("int64"))
