"""A search over a network of the user's own layers, on a worker process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from apps.records.run_dir import LOST
from tests.support.experiments import changed, write
from tests.support.own_layers import write_module
from workflow.launch import run

OWN: Final[dict[str, Any]] = changed(
    name="own",
    trials=1,
    population=3,
    network={"builder": "own_net:network"},
    space={"units": {"values": [3, 5]}},
    training={"epochs": 2, "batch_size": 50, "optimizer": "adam"},
    arms=[
        {"name": "control"},
        {
            "name": "turns",
            "halts": [1],
            "crossover": "own_net:by_turns",
            "align": "weights",
            "search": {"merge_architectures": True, "mutation_rate": 0.5},
            "measure": False,
            "mating": "all",
        },
    ],
)
"""Parents of two widths are grown or cut to the child's, aligned and crossed."""


@pytest.mark.slow
def test_own_layers_are_grown_aligned_and_crossed_by_a_worker_process(tmp_path: Path) -> None:
    write_module(tmp_path)
    ran = run(write(tmp_path, OWN), site="local_processes", workers=1, runs=tmp_path / "runs")
    assert ran.failed == ()
    lines = [
        line
        for file in sorted(ran.directory.root.glob(f"**/{LOST}"))
        for line in file.read_text().splitlines()
    ]
    assert any("2 of 5 units of gated_dense are dropped" in line for line in lines)
    assert all(line.startswith("of parent ") for line in lines)
