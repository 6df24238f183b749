"""A search over the training itself: batch size and kind of optimizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apps.messages.fingerprints import fingerprint
from apps.messages.specs import Genome, NetworkSpec, TrainingSpec, phenotype
from tests.support.experiments import FOLDER, drive, load
from tests.support.searches import ONE_SPECIES, SEARCH
from tests.support.small import training

OF_TRAINING: dict[str, Any] = SEARCH | {
    "name": "training",
    "space": {
        "units": {"values": [3, 5]},
        "batch_size": {"values": [20, 50], "ordered": True, "of": "training"},
        "optimizer": {"values": ["adam", "sgd"], "of": "training"},
        "momentum": {
            "values": [0.0, 0.9],
            "of": "optimizer",
            "when": {"optimizer": ["sgd"]},
        },
    },
    "training": {"epochs": 3, "batch_size": 50},
    "arms": [
        {"name": "control"},
        {
            "name": "inherit",
            "halts": [1, 2],
            **ONE_SPECIES,
            "parents": 2,
            "mutation": "none",
            "optimizer": "average",
            "search": {"mutation_rate": 0.5},
        },
    ],
}


FORMER = "c7bdfc9e14ec0416b49ed322c8d84ee1670c5b49617721bca43f72c96583f408"


def test_genes_of_the_training_become_its_settings() -> None:
    genome = Genome({"units": 5}, {"momentum": 0.9}, {"batch_size": 20, "optimizer": "sgd"})
    network, found = phenotype(NetworkSpec("mlp"), TrainingSpec(50, "adam"), genome)
    assert (found.batch_size, found.optimizer) == (20, "sgd")
    assert found.optimizer_params == {"momentum": 0.9}
    assert network.params == {"units": 5}
    assert genome.flat == {"units": 5, "momentum": 0.9, "batch_size": 20, "optimizer": "sgd"}


def test_a_genome_without_genes_of_the_training_has_the_fingerprint_it_had() -> None:
    """Runs that were begun before such genes there were go on."""
    with_one = training(genome=Genome({"units": 5}, training={"batch_size": 20}))
    without = training(genome=Genome({"units": 5}))
    assert fingerprint(without) == FORMER
    assert fingerprint(with_one) != FORMER


@pytest.mark.slow
def test_members_that_differ_in_batch_size_and_optimizer_mate(tmp_path: Path) -> None:
    ran = drive(load(FOLDER, **OF_TRAINING), tmp_path / "run")
    assert ran.outcomes.failed_arms == []
    members = ran.tables["members"]
    assert members["status"].eq("done").all(), members["reason"].tolist()
    genomes = [json.loads(each) for each in members["genome"]]
    assert {each["batch_size"] for each in genomes} == {20, 50}
    assert {each["optimizer"] for each in genomes} == {"adam", "sgd"}
    assert set(members["segment"]) == {0, 1, 2}
