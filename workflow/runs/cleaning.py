"""Files of a run directory that no task, champion or command needs any more."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from apps.messages.tasks import Workplace
from apps.records.run_dir import (
    CHECKPOINT,
    ERROR_LOG,
    FAILURE,
    LESSONS,
    LOST,
    MEMORY_NOTE,
    PARTIAL,
    PARTIAL_RECORD,
    RESULT,
    RunDir,
)
from workflow.driver.progress import read_tally
from workflow.driver.retention import Retention
from workflow.driver.trial import TrialGraph, build_trial
from workflow.experiment.config import Experiment

_BESIDE: Final = re.compile(r"\..+\.[0-9a-f]{32}")
"""Files that were being written when a process was killed; see `apps.files.write_atomic`."""

_OF_TASKS: Final = frozenset(
    {RESULT, CHECKPOINT, PARTIAL_RECORD, PARTIAL, LOST, ERROR_LOG, FAILURE, MEMORY_NOTE}
)
"""The files of a task's folder: a folder with others in it is the user's own."""


@dataclass(frozen=True)
class Waste:
    """A file or folder that can be removed.

    Attributes:
        path: of the file or folder.
        size: in bytes, with all below it.
        why: the reason, in a few words.
    """

    path: Path
    size: int
    why: str


def find_waste(run: RunDir, experiment: Experiment) -> list[Waste]:
    """Return what neither a task still to come nor a champion nor a command needs.

    No driver may work on the run meanwhile.

    Args:
        run: the run directory.
        experiment: as it was run.
    """
    graphs = [build_trial(experiment, trial) for trial in range(experiment.trials)]
    retention = Retention(graphs, Workplace(root=str(run.root)), keep_all=False)
    found: dict[Path, str] = {}
    if run.replay.exists():
        found[run.replay] = "a replay"
    if run.parsl.exists() and _logs_are_done_with(run):
        found[run.parsl] = "Parsl's logs of a finished run"
    if run.workers.exists():
        found[run.workers] = "what workers did that are gone"
    if run.report_so_far.exists() and run.report_html.exists():
        found[run.report_so_far] = "a report of before the end"
    found |= dict.fromkeys(_foreign(run, graphs), "of no task of the experiment")
    found |= dict.fromkeys(retention.unneeded(), "needed by no task and no champion")
    for folder in retention.finished_folders():
        partial = [folder / name for name in (PARTIAL_RECORD, PARTIAL) if (folder / name).exists()]
        found |= dict.fromkeys(partial, "part of a segment that is finished")
    beside = [path for path in run.root.rglob(".*") if _is_beside(path)]
    found |= dict.fromkeys(beside, "an interrupted writing")
    outermost = [path for path in found if not any(above in found for above in path.parents)]
    return [Waste(path, _size(path), found[path]) for path in sorted(outermost)]


def remove(waste: Sequence[Waste]) -> None:
    """Remove files, and folders with all below them.

    Raises:
        OSError: something cannot be removed.
    """
    for each in waste:
        if each.path.is_dir() and not each.path.is_symlink():
            shutil.rmtree(each.path)
        else:
            each.path.unlink(missing_ok=True)


def _logs_are_done_with(run: RunDir) -> bool:
    """Whether a run has finished and none of its failures refers to Parsl's logs."""
    if not run.events_jsonl.exists():
        return False
    tally = read_tally(run.events_jsonl)
    named = any(event["log"] == run.parsl.name for event in tally.failures)
    return tally.ended == "finished" and not named


def _foreign(run: RunDir, graphs: Sequence[TrialGraph]) -> Iterator[Path]:
    """Yield the folders of results, below the trials', that belong to no task."""
    own = {run.root / node.task.folder for graph in graphs for node in graph.nodes.values()}
    above = {parent for folder in own for parent in folder.parents}
    for trial in run.trials():
        for folder in [trial, *trial.rglob("*")]:
            if folder.is_dir() and folder not in own | above and _is_of_tasks(folder):
                yield folder


def _is_of_tasks(folder: Path) -> bool:
    files = [path for path in folder.rglob("*") if not path.is_dir()]
    return all(path.name in _OF_TASKS or path.match(LESSONS) or _is_beside(path) for path in files)


def _is_beside(path: Path) -> bool:
    return _BESIDE.fullmatch(path.name) is not None and path.is_file()


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.lstat().st_size for each in files)
