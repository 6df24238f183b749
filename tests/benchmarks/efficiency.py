"""How much of a whole run is training: read from a run's tables."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from measures import Measure

from apps.records.run_dir import RunDir


def of_a_new_run(experiment: str = "quick") -> Iterator[Measure]:
    """Run an experiment in a folder of its own and measure it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "heterosis",
            "run",
            experiment,
            "--quiet",
            "--runs",
            folder,
        ]
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall_s = time.perf_counter() - began
        yield from of_run(RunDir(Path(folder) / experiment), wall_s)


def of_run(run: RunDir, wall_s: float | None = None) -> Iterator[Measure]:
    """Measure a run that was never halted.

    Args:
        run: its directory.
        wall_s: what the whole command took; None for the time from its first task to its last.
    """
    members = pd.read_parquet(run.table("members"))
    environment = json.loads(run.environment_json.read_text())
    workers = environment["workers"] or environment["cores"]
    tasks = members.drop_duplicates("folder")  # arms share segments
    ends = tasks["started_unix_s"] + tasks["wall_s"]
    tasks_wall_s = float(ends.max() - tasks["started_unix_s"].min())
    training_s = _training_seconds(run, members)
    spans = [("from the first training task to the last", tasks_wall_s)]
    if wall_s is not None:
        spans.append(("of the whole command", wall_s))
    for words, seconds in spans:
        yield Measure(
            f"efficiency of {run.root.name}, {words}",
            training_s / (workers * seconds),
            details=f"{training_s:.1f} s of training epochs on {workers} workers in {seconds:.1f} "
            f"s; {len(tasks)} training tasks take {tasks['wall_s'].sum():.1f} s",
        )


def _training_seconds(run: RunDir, members: pd.DataFrame) -> float:
    epochs = pd.read_parquet(run.table("epochs"))
    place = ["trial", "arm", "segment", "member"]
    located = epochs.merge(members[[*place, "folder"]], on=place)
    return float(located.drop_duplicates(["folder", "epoch"])["wall_s"].sum())
