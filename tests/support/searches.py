"""A small search that uses all that a search can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from apps.records.run_dir import RunDir
from tests.support.experiments import changed, drive, load
from tests.support.once import made_once
from workflow.runs.tables import write_tables

ONE_SPECIES: Final = {"mating": "species", "species": {"method": "none"}, "measure": False}

SEARCH: Final[dict[str, Any]] = changed(
    name="search",
    trials=1,
    population=4,
    network={"builder": "mlp"},
    space={
        "depth": {"low": 1, "high": 2},
        "units": {"values": [3, 5], "per": "depth"},
        "learning_rate": {"low": 0.001, "high": 0.03, "log": True, "of": "optimizer"},
    },
    training={"epochs": 4, "batch_size": 50, "optimizer": "adam"},
    arms=[
        {"name": "control"},
        {
            "name": "evolution",
            "halts": [1, 2, 3],
            **ONE_SPECIES,
            "parents": 1,
            "mutation": "none",
            "optimizer": "inherit",
            "search": {"inherit": "genes"},
        },
        {"name": "inherit", "halts": [1, 2, 3], **ONE_SPECIES, "parents": 1, "mutation": "none"},
        {
            "name": "heterosis",
            "mating": "species",
            "parents": 2,
            "align": "weights",
            "species": {
                "method": {"name": "threshold", "threshold": 0.3},
                "basins": 0.2,
                "stagnation": 2,
            },
            "search": {"merge_architectures": True},
            "harvest": "mean",
            "halts": [
                1,
                2,
                {"at": 3, "mating": "all", "parents": 1, "search": {"mutation_rate": 0.0}},
            ],
        },
        {
            "name": "taught",
            "mating": "species",
            "parents": 3,
            "crossover": "select",
            "species": {"method": {"name": "dynamic", "count": 2}, "between": 0.5},
            "selection": {"name": "tournament", "size": 2},
            "mutation": "none",
            "measure": False,
            "search": {"inherit": "nearest"},
            "teach": {"weight": 0.4},
            "epochs": "budget",
            "halts": [
                {"at": 1, "population": 3},
                {"at": 2, "population": 2, "teach": {"teachers": 2}},
            ],
        },
        {
            "name": "halving",
            "population": 6,
            "mating": "survivors",
            "halts": [{"at": 1, "population": 3}, {"at": 2, "population": 1}],
        },
    ],
)
"""All that a search can do, in small."""


def search_made_once(factory: pytest.TempPathFactory) -> Path:
    """Return the run directory of `SEARCH`, made on the serial executor; not to be touched."""

    def make(folder: Path) -> None:
        root = folder / "search"
        write_tables(drive(load(folder, **SEARCH), root).outcomes, RunDir(root))

    return made_once(factory, "searched", make) / "search"
