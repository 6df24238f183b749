"""Begin a run and stop it half way, for later versions to go on with: once for every version.

`python -m tests.support.begin FOLDER` writes a folder of `tests/workflow/begun`: the experiment's
file and the run directory, without what names this machine.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from analysis.report.storing import PRIVATE
from apps.records.run_dir import RunDir
from tests.support.experiments import events, last_start, write
from tests.support.processes import start, wait_until

SMALL: Final[dict[str, Any]] = {
    "name": "small",
    "seed": 3,
    "trials": 2,
    "population": 3,
    "data": {
        "name": "friedman",
        "params": {"samples": 150, "features": 5},
        "validation": 30,
    },
    "network": {"builder": "mlp", "params": {"units": [3], "output": "linear"}},
    "training": {
        "epochs": 4,
        "batch_size": 20,
        "optimizer": "adam",
        "optimizer_params": {"learning_rate": 0.01},
        "loss": "mse",
    },
    "arms": [
        {"name": "control"},
        {"name": "mean", "halts": [0.5], "crossover": "mean", "align": "weights"},
        {"name": "twice", "halts": [1, 3], "crossover": "random", "measure": False},
        {"name": "soup", "halts": [0.5], "mating": "self", "harvest": "mean"},
    ],
}
"""All kinds of tasks, with checkpoints of a kilobyte."""

STOPPED_AFTER: Final = 20
"""Tasks: a mating is among them, and an arm that goes on from it."""

DROPPED: Final = ("command", "commit")
"""Keys of `environment.json` beside the private ones that say nothing here."""


def begin(folder: Path) -> None:
    """Write the experiment's file and its run directory into a folder."""
    folder.mkdir(parents=True)
    file = write(folder, SMALL, "small.toml")
    with tempfile.TemporaryDirectory() as runs:
        root = Path(runs) / "small"
        process = start("run", file, "--runs", runs, "--workers", "1", "--quiet")
        wait_until(lambda: len(last_start(events(root))) >= STOPPED_AFTER, process, 300)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130
        run = RunDir(root)
        shutil.rmtree(run.parsl)
        for path in (run.log, run.lock):
            path.unlink()
        environment = json.loads(run.environment_json.read_text())
        kept = {k: value for k, value in environment.items() if k not in (*PRIVATE, *DROPPED)}
        run.environment_json.write_text(json.dumps(kept, indent=2) + "\n")
        for path in run.results():
            result = json.loads(path.read_text())
            result["cost"]["host"] = "node 1"
            path.write_text(json.dumps(result))
        shutil.copytree(root, folder / "small")


if __name__ == "__main__":
    begin(Path(sys.argv[1]))
