"""The runs of a folder: how each stands, read from its small files."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from apps.errors import UserError
from apps.records.labels import read_labels
from apps.records.run_dir import RunDir
from workflow.runs.status import State, standing


@dataclass(frozen=True)
class Listed:
    """A run of a folder.

    Attributes:
        name: of its directory.
        trials: in all; 0 where that cannot be read.
        fitness: name of the metric that ranks members; "" where it is unknown.
        best: the best that a member had; NaN where there is none.
        size_bytes: of all its files.
        changed_unix_s: when something happened last.
    """

    name: str
    state: State
    trials_done: int
    trials: int
    fitness: str
    best: float
    size_bytes: int
    changed_unix_s: float
    note: str
    tags: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it: None where there is no best."""
        return asdict(self) | {"best": self.best if math.isfinite(self.best) else None}


def list_runs(folder: Path, tag: str | None = None) -> list[Listed]:
    """Return the runs of a folder, the one that changed last first.

    Args:
        folder: of run directories.
        tag: take those alone that have it.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(
            f"{folder}: no such folder of run directories; `heterosis run` makes it",
            code="run-folder",
        )
    runs = (RunDir(path) for path in folder.iterdir() if RunDir(path).experiment_toml.is_file())
    listed = [_listed(run) for run in runs if tag is None or tag in read_labels(run).tags]
    return sorted(listed, key=lambda run: (-run.changed_unix_s, run.name))


def _listed(run: RunDir) -> Listed:
    stands, labels = standing(run), read_labels(run)
    tally = stands.tally
    trials = tally.trials or _trials(run)
    changed = tally.now_unix_s if tally.total else run.experiment_toml.stat().st_mtime
    return Listed(
        name=run.root.name,
        state=stands.state,
        trials_done=trials if stands.state == "finished" else tally.trials_done,
        trials=trials,
        fitness=tally.fitness,
        best=tally.best if math.isfinite(tally.best) else math.nan,
        size_bytes=sum(_sizes(run.root)),
        changed_unix_s=changed,
        note=labels.note,
        tags=labels.tags,
    )


def _trials(run: RunDir) -> int:
    try:
        return int(tomllib.loads(run.experiment_toml.read_text(encoding="utf-8"))["trials"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _sizes(folder: Path | str) -> Iterator[int]:
    """Yield the sizes of all files below a folder; what goes meanwhile is passed over."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _sizes(entry.path)
                else:
                    yield entry.stat(follow_symlinks=False).st_size
    except OSError:
        return
