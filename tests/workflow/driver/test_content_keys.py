"""A run begun by an earlier version is continued: every task keeps its key and its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from apps.files import sha256
from apps.messages.fingerprints import NUMERICS
from tests.support.experiments import TINY, changed
from workflow.driver.trial import build_trial
from workflow.experiment.config import Experiment
from workflow.experiment.file import READY, read_experiment

STORED: Final = Path(__file__).with_name("content_keys.json")

NOISE: Final = {"name": "gaussian", "scale": 0.1}

EVERYTHING: Final[dict[str, Any]] = changed(
    population=4,
    data=TINY["data"] | {"params": {"channels": True}, "folder": "/data", "digest": "d"},
    network={"builder": "mlp", "params": {"dropout": 0.1}, "digest": "n"},
    training={
        "epochs": 12,
        "optimizer": "sgd",
        "optimizer_params": {"momentum": 0.9},
        "loss": {"one": "mse", "two": "mae"},
        "metrics": {"one": ["mae"], "two": []},
        "callbacks": ["TerminateOnNaN", {"name": "EarlyStopping", "patience": 2}],
        "fitness": "train_loss",
        "digest": "t",
    },
    space={
        "depth": {"low": 1, "high": 3},
        "units": {"values": [4, 8], "ordered": True, "per": "depth"},
        "activation": {"values": ["relu", "tanh"], "structural": False},
        "learning_rate": {"low": 0.001, "high": 0.1, "log": True, "of": "optimizer"},
    },
    arms=[
        {"name": "control", "schedule": {"kind": "step", "every": 3}},
        {"name": "ema", "average": {"kind": "ema", "window": 5, "at": "halts"}, "halts": [6]},
        {
            "name": "species",
            "halts": [0.25, {"at": 6, "mating": "pairs", "population": 3}, 0.75],
            "mating": "species",
            "parents": 2,
            "selection": {"name": "tournament", "size": 2},
            "crossover": {"name": "blend", "alpha": 0.3},
            "align": "activations",
            "repair": True,
            "mutation": NOISE,
            "mutation_decay": 0.5,
            "first_unmutated": True,
            "optimizer": "average",
            "learning_rate_factor": 2.0,
            "species": {
                "distance": "raw",
                "method": {"name": "threshold", "threshold": 0.2},
                "temperature": 0.5,
                "minimum_size": 2,
                "elitism": False,
                "between": 0.1,
                "basins": 0.4,
                "stagnation": 3,
            },
            "search": {
                "mutation_rate": 0.3,
                "scale": 0.4,
                "cross": False,
                "inherit": "genes",
                "merge_architectures": True,
            },
            "harvest": {"method": "greedy", "align": "weights", "repair": True},
        },
        {
            "name": "halving",
            "population": 8,
            "halts": [{"at": 4, "population": 2}],
            "mating": "survivors",
        },
        {"name": "self", "halts": [4], "mating": "self", "optimizer": "own"},
    ],
)
"""Every option of a file at another value than its default."""


def ready(name: str) -> Experiment:
    return read_experiment(READY / f"{name}.toml")


def digests(experiment: Experiment) -> dict[str, str]:
    """Return short digests of a trial's keys and folders, and of the completed experiment."""
    nodes = build_trial(experiment, 0).nodes
    parts = {
        "tasks": sorted((key, node.task.folder) for key, node in nodes.items()),
        "completed": experiment.completed(),
    }
    return {
        name: sha256(json.dumps(part, sort_keys=True).encode())[:16] for name, part in parts.items()
    }


def experiments() -> dict[str, Experiment]:
    named = {path.stem: ready(path.stem) for path in sorted(READY.glob("*.toml"))}
    return named | {"everything": Experiment.model_validate(EVERYTHING)}


def test_there_is_a_digest_of_every_ready_experiment() -> None:
    stored = json.loads(STORED.read_text())
    assert stored["numerics"] == NUMERICS, "other numbers, other keys: write the file anew"
    assert stored["experiments"].keys() == experiments().keys()


@pytest.mark.parametrize("name", experiments())
def test_tasks_keep_their_keys_and_folders(name: str) -> None:
    stored = json.loads(STORED.read_text())["experiments"][name]
    assert digests(experiments()[name]) == stored


def test_keys_of_earlier_versions_name_the_same_tasks() -> None:
    text = json.dumps(EVERYTHING)
    for new, old in (
        ("learning_rate_factor", "rate"),
        ("mutation_rate", "rate"),
        ("merge_architectures", "strangers"),
    ):
        assert f'"{new}"' in text
        text = text.replace(f'"{new}"', f'"{old}"')
    assert digests(Experiment.model_validate_json(text)) == digests(experiments()["everything"])


if __name__ == "__main__":  # writes the file anew, when NUMERICS is raised
    found = {name: digests(each) for name, each in experiments().items()}
    STORED.write_text(json.dumps({"numerics": NUMERICS, "experiments": found}, indent=1) + "\n")
