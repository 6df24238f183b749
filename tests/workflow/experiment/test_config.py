"""An experiment is completed: every default written out, every shared key spread."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from apps.errors import UserError
from tests.support.experiments import TINY, changed, load, write
from workflow.experiment.file import READY, load_experiment
from workflow.runs.opening import differing_keys

EVERYTHING = changed(
    arms=[
        {"name": "control"},
        {"name": "alone", "halts": [0.5], "mating": "self"},
        {
            "name": "species",
            "halts": [1, {"at": 0.75, "parents": 1, "mutation": "none"}],
            "mating": "species",
            "species": {"method": {"name": "count", "count": 3}, "between": 0.1},
            "mutation": {"name": "gaussian", "scale": 0.1},
            "mutation_decay": 0.5,
            "optimizer": "inherit",
        },
        {
            "name": "rest",
            "halts": [2],
            "mating": "pairs",
            "average": {"kind": "ema", "window": 0.5},
            "schedule": "cosine",
            "harvest": "greedy",
            "align": "weights",
        },
    ]
)


def _loads_again(path: Path) -> bool:
    experiment = load_experiment(path)
    completed = path.with_name(f"completed-{path.name}")
    completed.write_text(experiment.to_toml())
    assert tomllib.loads(completed.read_text()) == experiment.completed()
    again = load_experiment(completed)
    assert differing_keys(experiment.completed(), again.completed()) == []
    return again == experiment


@pytest.mark.parametrize("table", [TINY, EVERYTHING], ids=["tiny", "everything"])
def test_the_completed_file_loads_as_an_equal_experiment(
    table: dict[str, Any], tmp_path: Path
) -> None:
    assert _loads_again(write(tmp_path, table))


@pytest.mark.parametrize("name", sorted(path.stem for path in READY.glob("*.toml")))
def test_a_ready_experiment_loads_as_an_equal_one(name: str, tmp_path: Path) -> None:
    copy = tmp_path / f"{name}.toml"
    copy.write_bytes((READY / f"{name}.toml").read_bytes())
    assert _loads_again(copy)


def test_fractions_become_epochs_and_shared_keys_are_spread(tmp_path: Path) -> None:
    arm = {"name": "both", "halts": [0.25, {"at": 0.75, "parents": 1}], "parents": 3}
    halts = load(tmp_path, arms=[{"name": "control"}, arm]).arms[1].halts
    assert [(halt.at, halt.parents) for halt in halts] == [(1, 3), (3, 1)]
    assert all(isinstance(halt.at, int) for halt in halts)


def test_the_direction_of_a_fitness_is_that_of_its_metric(tmp_path: Path) -> None:
    by_output = {
        "loss": {"a": "mse", "b": "mse"},
        "metrics": {"a": ["auc"], "b": ["tests.support.metrics:merit"]},
    }
    table = TINY["training"] | by_output
    for fitness, mode in (("val_a_auc", "max"), ("b_loss", "min"), ("train_loss", "min")):
        asked = load(tmp_path, training=table | {"fitness": fitness}).training
        assert (asked.objective.metric, asked.objective.mode) == (fitness, mode)
        assert "fitness_mode" not in load(tmp_path, training=table).completed()["training"]
    own = table | {"fitness": "val_b_merit", "fitness_mode": "max"}
    assert load(tmp_path, training=own).training.objective.mode == "max"
    with pytest.raises(UserError, match=r"of this file there are .*'val_a_auc'.*'b_merit'"):
        load(tmp_path, training=table | {"fitness": "val_merit"})


def test_a_data_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    experiment = load(tmp_path, data={"folder": "here"})
    assert experiment.data.folder == str(tmp_path / "here")


def test_differing_keys_are_told_with_both_values(tmp_path: Path) -> None:
    one = load(tmp_path).completed()
    other = load(tmp_path, "training.epochs=8", "arms.mean.parents=3").completed()
    differing = dict(each.split(" ", 1) for each in differing_keys(one, other))
    assert differing["training.epochs"] == "(there 4, here 8)"
    assert differing["arms.mean.halts.0.parents"] == "(there 2, here 3)"
    assert "arms.random.halts.0.parents" not in differing


def test_the_order_of_arms_is_no_difference(tmp_path: Path) -> None:
    one = load(tmp_path).completed()
    other = load(tmp_path, arms=TINY["arms"][::-1]).completed()
    assert differing_keys(one, other) == []
