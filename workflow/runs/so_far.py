"""What a run has by now: the results of one that is under way, or that broke off.

Files are read and nothing is written: a driver at work notices nothing of it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from apps.messages.results import CheckpointRef, Failure, Result, TrainResult
from apps.messages.tasks import Task, TrainTask, Workplace
from apps.records.result_files import partial_epochs
from apps.records.run_dir import RunDir
from apps.records.tables_schema import UNFINISHED
from apps.tasks.perform import Outcome, find
from workflow.driver.run import Outcomes
from workflow.driver.trial import Node, build_trial
from workflow.experiment.file import recorded_experiment
from workflow.runs.status import Standing
from workflow.runs.tables import make_tables

Tables = dict[str, pd.DataFrame]

_MISSING: Final = Failure("it has no result yet")


@dataclass(frozen=True)
class Found:
    """What there is of a run at one moment.

    Attributes:
        outcomes: of all tasks; those that have no result have `_MISSING`, or, of a member in the
            middle of its segment, what its partial checkpoint tells.
        finished: folders of the tasks that have a result, or have failed for good.
        partial: folder of each member of which a part is there -> network-epochs of that part.
    """

    outcomes: Outcomes
    finished: frozenset[str]
    partial: dict[str, int] = field(default_factory=dict)

    @property
    def is_nothing(self) -> bool:
        """Whether there is no result at all."""
        return not self.finished and not self.partial

    @property
    def trials_whole(self) -> int:
        """Number of trials of which every arm has its champion, or failed."""
        return sum(
            all(node.task.folder in self.finished for node in graph.harvests.values())
            for graph in self.outcomes.graphs
        )

    @property
    def arms_whole(self) -> dict[str, int]:
        """Number of trials in which each arm has its champion."""
        return self._arms(has_failed=False)

    @property
    def arms_failed(self) -> dict[str, int]:
        """Number of trials in which each arm can have no champion any more."""
        return self._arms(has_failed=True)

    def _arms(self, has_failed: bool) -> dict[str, int]:
        found: Counter[str] = Counter()
        for graph in self.outcomes.graphs:
            for arm, node in graph.harvests.items():
                failed = isinstance(self.outcomes.by_key[node.key], Failure)
                found[arm] += node.task.folder in self.finished and failed == has_failed
        return dict(found)

    @property
    def epochs_in_part(self) -> int:
        """Network-epochs in the middle of segments, of members that have no result yet."""
        return sum(self.partial.values())

    @property
    def epochs_missing(self) -> int:
        """Network-epochs that are still to be trained."""
        tasks = [task for graph in self.outcomes.graphs for task in graph.training]
        asked = sum(task.network_epochs for task in tasks if task.folder not in self.finished)
        return asked - self.epochs_in_part

    @property
    def tables(self) -> Tables:
        """All result tables; what has no result has the status `UNFINISHED`.

        The table `epochs` has every epoch that is known, those of unfinished members too.
        """
        tables = make_tables(self.outcomes)
        members, trials = tables["members"], tables["trials"]
        harvests = {
            (graph.trial, arm): node.task.folder in self.finished
            for graph in self.outcomes.graphs
            for arm, node in graph.harvests.items()
        }
        whole = [harvests[cell] for cell in zip(trials["trial"], trials["arm"], strict=True)]
        return tables | {
            "members": _marked(members, members["folder"].isin(list(self.finished))),
            "trials": _marked(trials, pd.Series(whole, index=trials.index, dtype=bool)),
        }


class SoFar:
    """Looks what a run has by now; looking again reads only what was missing before."""

    def __init__(self, run: RunDir) -> None:
        """Read the experiment.

        Raises:
            UserError: it cannot be read.
        """
        self._run = run
        self._experiment = recorded_experiment(run)
        self._graphs = tuple(
            build_trial(self._experiment, trial) for trial in range(self._experiment.trials)
        )
        self._place = Workplace(root=str(run.root.absolute()))
        self._results: dict[str, Result] = {}

    def look(self, failures: Iterable[dict[str, Any]] = ()) -> Found:
        """Return what there is.

        Args:
            failures: events of the newest start: no file tells of tasks that failed.
        """
        failed = {
            str(event["folder"]): Failure(str(event["reason"]), str(event["log"]))
            for event in failures
            if event["status"] == "failed"
        }
        by_key: dict[str, Outcome] = {}
        finished: set[str] = set()
        partial: dict[str, int] = {}
        for node in (node for graph in self._graphs for node in graph.nodes.values()):
            outcome = self._outcome(node, by_key) or failed.get(node.task.folder)
            if outcome is not None:
                finished.add(node.task.folder)
            elif isinstance(node.task, TrainTask) and (part := self._part(node.task)):
                outcome = part
                partial[node.task.folder] = node.task.relatives * len(part.epochs)
            by_key[node.key] = outcome or _MISSING
        return Found(
            Outcomes(self._experiment, self._graphs, by_key),
            frozenset(finished),
            partial,
        )

    def _outcome(self, node: Node[Task], by_key: dict[str, Outcome]) -> Outcome | None:
        """Return what a task came to, as a run that goes on would find it; None if it did not."""
        if node.key in self._results:
            return self._results[node.key]
        upstream = [by_key[key] for key in node.upstream]
        if any(each is _MISSING or _is_part(each) for each in upstream):
            return None
        found = find(node.task, self._place, upstream)
        if isinstance(found, Result):
            self._results[node.key] = found
        return found

    def _part(self, task: TrainTask) -> TrainResult | None:
        """Return the epochs of a member in the middle of its segment."""
        records = partial_epochs(Path(self._place.root) / task.folder)
        if not records:
            return None
        return TrainResult(
            member=task.member,
            status="done",
            reason=_MISSING.reason,
            epochs=records,
            final={},
            start={},
            checkpoint=CheckpointRef("", ""),
            genome=task.genome,
        )


def told(stands: Standing, found: Found) -> tuple[str, ...]:
    """Return how far a run is, how to go on, and what its report compares, a sentence each."""
    return (_missing(found), _as_it_stands(stands), _compared(found))


def _missing(found: Found) -> str:
    graphs = found.outcomes.graphs
    trials, arms = len(graphs), sum(len(graph.harvests) for graph in graphs)
    epochs = sum(graph.network_epochs for graph in graphs)
    whole = sum(found.arms_whole.values()) + sum(found.arms_failed.values())
    if whole == arms:
        return "All is computed, but the run has not written its tables."
    return (
        f"Not finished: missing are {trials - found.trials_whole} of {trials} trials, "
        f"{arms - whole} of the {arms} arms of trials, and {found.epochs_missing} of {epochs} "
        "network-epochs."
    )


def _as_it_stands(stands: Standing) -> str:
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    if not stands.is_over:
        return f"At {now}: {stands.told}; `heterosis report` renews this page."
    return f"At {now}: {stands.how}; {stands.again}."


def _compared(found: Found) -> str:
    if not any(found.arms_whole.values()):
        return "No arm of any trial is whole yet, so nothing is compared."
    arms = told_arms(found.arms_whole, found.arms_failed)
    return (
        "Everything below but the losses so far is of whole arms of trials, and of these alone. "
        f"Whole trials by arm: {arms}."
    )


def told_arms(whole: Mapping[str, int], failed: Mapping[str, int]) -> str:
    """Return in how many trials each arm is whole, and in how many it failed."""
    return ", ".join(
        f"{arm} {trials}" + (f" ({failed[arm]} failed)" if failed.get(arm) else "")
        for arm, trials in whole.items()
    )


def _is_part(outcome: Outcome) -> bool:
    return isinstance(outcome, TrainResult) and not outcome.checkpoint.path


def _marked(table: pd.DataFrame, whole: pd.Series[bool]) -> pd.DataFrame:
    status = table["status"].where(whole, UNFINISHED)
    return table.assign(status=status, reason=table["reason"].where(whole, ""))
