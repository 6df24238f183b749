"""The time and disk that `plan` tells are what runs took, compilation included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from apps.messages.tasks import Workplace
from apps.preflight.sample import Sample, Sizes, sample_training
from tests.support.experiments import FOLDER, changed, drive, load
from workflow.driver.trial import build_trial
from workflow.experiment.config import Experiment
from workflow.experiment.file import READY, load_experiment, read_experiment
from workflow.preflight.estimate import (
    Training,
    estimated_s,
    most_stored,
    networks_differ,
    one_after_the_other,
    stored_at_end,
)
from workflow.preflight.plan import SAMPLED

SAMPLE = Sample(made_s=10.0, epoch_s=1.0, task_s=0.5, engine="graph", sizes=Sizes(0))

RESULTS = Path(__file__).parents[3] / "analysis" / "results"
SHARED = {"cnn", "search_cnn"}
"""Runs beside which much other work went on for a time: their times are not the tasks' own."""
STORED = sorted(
    {path.parent.parent.name for path in RESULTS.glob("*/tables/members.parquet")} - SHARED
)


@pytest.mark.parametrize("name", STORED)
def test_stored_runs_took_what_is_estimated_from_their_first_networks(name: str) -> None:
    """Every task's time is stored: a trial's first members stand for what `plan` would measure."""
    tables = RESULTS / name / "tables"
    experiment = read_experiment(RESULTS / name / "experiment.toml")
    searched = networks_differ(experiment)
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
        samples.append(Sample(made_s, own.iloc[1:].mean(), task_s, "xla", Sizes(0)))
    workers = 2
    whole = Training(len(epochs), len(members))
    arms = one_after_the_other(build_trial(experiment, 0))
    found = estimated_s(samples, whole, arms, workers, searched)
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
    whole, arms = Training(40, 8), [Training(10, 2)]
    assert estimated_s([SAMPLE], whole, arms, 2, searched=False) == (40 + 4 + 20) / 2
    assert estimated_s([SAMPLE], whole, arms, 2, searched=True) == (40 + 4 + 80) / 2


def test_an_arm_takes_its_epochs_one_after_the_other_on_any_number_of_workers() -> None:
    alone = Training(100, 1)
    slow = replace(SAMPLE, made_s=0.0, epoch_s=10.0, task_s=0.0)
    assert estimated_s([slow], alone, [alone], 100, searched=False) == 1000


@pytest.mark.parametrize("searched", [False, True])
@pytest.mark.parametrize("workers", [1, 2, 7, 10_000])
def test_no_estimate_is_shorter_than_an_arm_or_than_the_work_allows(
    workers: int, searched: bool
) -> None:
    family = {"name": "family", "family": {"members": 2, "merges": 1}, "epochs": 0.5}
    arms = [*changed()["arms"], family, {"name": "long", "epochs": 10, "halts": [{"at": 1}]}]
    arms[-1]["halts"][0]["population"] = 1
    experiment = Experiment.model_validate(changed(arms=arms))
    graph = build_trial(experiment, 0)
    whole = Training(experiment.trials * graph.network_epochs, len(graph.training))
    found = estimated_s([SAMPLE], whole, one_after_the_other(graph), workers, searched)
    assert found >= whole.network_epochs * SAMPLE.epoch_s / workers
    for arm in experiment.arms:
        relatives = 1 if arm.family is None else arm.family.members
        assert found >= arm.length(experiment.training.epochs) * relatives * SAMPLE.epoch_s


def test_no_run_stores_more_than_is_told(tmp_path: Path) -> None:
    two = {"at": 1, "population": 2}
    taught = {"crossover": "select", "mutation": "none", "measure": False, "parents": 2}
    arms = [
        {"name": "control"},
        {"name": "swa", "average": {"kind": "swa", "window": 2}, "harvest": "mean"},
        {"name": "outer", "outer": {"momentum": 0.7}, "halts": [2], "mating": "self"},
        {"name": "taught", "halts": [two, 3], "teach": {"weight": 0.5}, **taught},
        {
            "name": "pairs",
            "halts": [two | {"at": 2}],
            "mating": "pairs",
            "teach": {"weight": 0.5},
            **taught,
        },
    ]
    experiment = load(tmp_path / "file", trials=1, arms=arms)
    graph, place = build_trial(experiment, 0), Workplace("", search_path=str(FOLDER))
    samples = [sample_training(graph.training[0], place, teaches=True)]
    drive(experiment, tmp_path / "all", keep_all=True)
    stored = sum(path.stat().st_size for path in (tmp_path / "all").rglob("*.safetensors"))
    assert 0.7 * most_stored(graph, samples) < stored <= most_stored(graph, samples)
    drive(experiment, tmp_path / "needed")
    kept = sum(path.stat().st_size for path in (tmp_path / "needed").rglob("*.safetensors"))
    assert 0 < kept <= stored_at_end(graph, samples) < most_stored(graph, samples)
