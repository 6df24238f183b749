"""The time that `plan` tells is the time that stored runs took, compilation included."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from apps.preflight.sample import Sample
from workflow.experiment.file import READY, load_experiment, read_experiment
from workflow.preflight.estimate import estimated_s, networks_differ
from workflow.preflight.plan import SAMPLED

RESULTS = Path(__file__).parents[3] / "analysis" / "results"
SHARED = {"cnn"}
"""Runs beside which much other work went on for a time: their times are not the tasks' own."""
STORED = sorted(
    {path.parent.parent.name for path in RESULTS.glob("*/tables/members.parquet")} - SHARED
)


@pytest.mark.parametrize("name", STORED)
def test_stored_runs_took_what_is_estimated_from_their_first_networks(name: str) -> None:
    """Every task's time is stored: a trial's first members stand for what `plan` would measure."""
    tables = RESULTS / name / "tables"
    searched = networks_differ(read_experiment(RESULTS / name / "experiment.toml"))
    members = pd.read_parquet(tables / "members.parquet")
    epochs = pd.read_parquet(tables / "epochs.parquet")
    at = ["trial", "arm", "segment", "member"]
    epochs = epochs.merge(members[[*at, "folder"]], on=at).drop_duplicates(["folder", "epoch"])
    members = members.drop_duplicates("folder")
    samples = []
    for row in members.head(SAMPLED if searched else 1).itertuples():
        own = epochs[epochs["folder"] == row.folder].sort_values("epoch")["wall_s"]
        beside = row.wall_s - own.sum()
        # Without a second evaluation it is not told apart from its compilation.
        made_s = own.iloc[0] - own.iloc[1] + (beside if searched else 0.0)
        task_s = 0.0 if searched else beside
        samples.append(Sample(made_s, own.iloc[1:].mean(), task_s, 0, "xla"))
    workers = 2
    found = estimated_s(samples, len(epochs), len(members), workers, searched)
    took = members["wall_s"].sum() / workers
    assert took / 1.5 < found < took * 1.5


@pytest.mark.parametrize("name", ["search_mlp", "search_cnn", "poster"])
def test_networks_of_a_search_differ(name: str) -> None:
    assert networks_differ(load_experiment(READY / f"{name}.toml")) == name.startswith("search")


def test_a_search_over_learning_rates_has_one_program() -> None:
    settings = {"low": 0.001, "high": 0.1, "of": "optimizer"}
    experiment = load_experiment(READY / "search_mlp.toml")
    rates = experiment.model_copy(
        update={"space": {"learning_rate": type(experiment.space["units"])(**settings)}}
    )
    assert not networks_differ(rates)


def test_a_network_is_compiled_once_a_worker_or_for_every_task() -> None:
    sample = Sample(made_s=10.0, epoch_s=1.0, task_s=0.5, checkpoint_bytes=0, engine="graph")
    assert estimated_s([sample], 40, 8, 2, searched=False) == (40 + 4 + 20) / 2
    assert estimated_s([sample], 40, 8, 2, searched=True) == (40 + 4 + 80) / 2
