"""Which checkpoints are kept: all that an unfinished task, a harvest or a champion can need.

What teachers predict is kept in the same way.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeGuard

from apps.messages.results import (
    CheckpointRef,
    Failure,
    HarvestResult,
    TeachResult,
    TrainResult,
)
from apps.messages.tasks import Task, TeachTask, TrainTask, Workplace
from apps.records.result_files import checkpoint_is_whole, is_recorded
from apps.records.run_dir import CHECKPOINT, LESSONS, RESULT
from apps.tasks.perform import Outcome, find
from workflow.driver.trial import Node, TrialGraph


class Retention:
    """Keeps account of the tasks that still need each checkpoint."""

    def __init__(self, graphs: Iterable[TrialGraph], place: Workplace, keep_all: bool) -> None:
        """Find out from the task graphs which task reads which checkpoint.

        Args:
            graphs: every trial's.
            place: the run directory.
            keep_all: remove nothing.
        """
        self._place = place
        self._root = Path(place.root)
        self._keep_all = keep_all
        self._nodes: dict[str, Node[Task]] = {}
        for graph in graphs:
            self._nodes |= graph.nodes
        # Who reads a checkpoint, and which tasks of a reader are still to be computed.
        self._readers: dict[str, set[str]] = defaultdict(set)
        self._left: dict[str, set[str]] = defaultdict(set)
        for node in self._nodes.values():
            if (reader := _reader(node)) not in self._left:
                for source in node.reads:
                    self._readers[source.key].add(reader)
            self._left[reader].add(node.key)
        self._champions: set[str] = set()
        self._lock = threading.Lock()

    def prepare(self) -> int:
        """Make a run directory consistent before the run goes on.

        A result counts while its checkpoint is whole, or gone and not needed. Other results are
        removed, so that their tasks, and the tasks that these need, are computed again.

        Returns:
            The number of results that were removed.
        """
        known = self._known()
        forgotten = 0
        for node in reversed(self._nodes.values()):
            result = known.get(node.key)
            if _has_files(result, node) and not self._stands(node, result, known):
                (self._root / node.task.folder / RESULT).unlink(missing_ok=True)
                del known[node.key]
                forgotten += 1
        return forgotten

    def finished_folders(self) -> list[Path]:
        """Return the folders of the tasks that have a result."""
        return [self._root / self._nodes[key].task.folder for key in self._known()]

    def unneeded(self) -> list[Path]:
        """Return the checkpoints in the run directory that no task needs any more.

        A checkpoint without a record is an interrupted task's, which is computed again.
        """
        known = self._known()
        found = []
        for node in self._nodes.values():
            folder = self._root / node.task.folder
            waited_for = any(self._waits(reader, known) for reader in self._readers[node.key])
            reference = f"{node.task.folder}/{CHECKPOINT}"
            if node.key in known:
                needed = waited_for or reference in self._champions
            else:
                needed = (folder / RESULT).exists()
            if not needed:
                found += _files(node, folder)
        return found

    def finished(self, key: str, outcome: Outcome) -> None:
        """Note a finished task and remove the checkpoints that no task needs any more."""
        node = self._nodes[key]
        if isinstance(outcome, Failure) and not is_recorded(self._root / node.task.folder, outcome):
            return  # when the run is continued it is tried again, and needs what it needed
        with self._lock:
            self._note_champion(outcome)
            reader = _reader(node)
            self._left[reader].discard(key)
            if self._left[reader]:
                return
            for source in node.reads:
                self._readers[source.key].discard(reader)
                self._release(source)

    def _known(self) -> dict[str, Outcome]:
        """Return the results and lasting failures in the run directory, and note its champions."""
        known: dict[str, Outcome] = {}
        for node in self._nodes.values():
            if all(key in known for key in node.upstream):
                found = find(node.task, self._place, [known[key] for key in node.upstream])
                if found is not None:
                    known[node.key] = found
                    self._note_champion(found)
        return known

    def _stands(
        self,
        node: Node[Task],
        result: TrainResult | HarvestResult | TeachResult,
        known: dict[str, Outcome],
    ) -> bool:
        references = _stored(result)
        if all(checkpoint_is_whole(self._root / each.path, each.sha256) for each in references):
            return True
        needed = any(self._waits(reader, known) for reader in self._readers[node.key])
        if needed or any(each.path in self._champions for each in references):
            return False
        for each in references:
            (self._root / each.path).unlink(missing_ok=True)
        return True

    def _waits(self, reader: str, known: dict[str, Outcome]) -> bool:
        """Whether any task that reads a checkpoint is still to be computed."""
        return any(key not in known for key in self._left[reader])

    def _release(self, node: Node[Task]) -> None:
        path = f"{node.task.folder}/{CHECKPOINT}"
        if not (self._keep_all or self._readers[node.key] or path in self._champions):
            for file in _files(node, self._root / node.task.folder):
                file.unlink(missing_ok=True)

    def _note_champion(self, outcome: Outcome) -> None:
        if isinstance(outcome, HarvestResult):
            self._champions.add(outcome.checkpoint.path)


def _reader(node: Node[Task]) -> str:
    """Return the key that a task's reads are counted under: one for all children of a mating."""
    if isinstance(node.task, TrainTask) and node.mating is not None:
        # Of two arms with one mating, one may have teachers.
        return f"+{node.mating.key}" + (f"+{node.teaching.key}" if node.teaching else "")
    return node.key


def _files(node: Node[Task], folder: Path) -> list[Path]:
    """Return what a task has stored for others to read."""
    pattern = LESSONS if isinstance(node.task, TeachTask) else CHECKPOINT
    return sorted(folder.glob(pattern))


def _stored(result: TrainResult | HarvestResult | TeachResult) -> list[CheckpointRef]:
    if isinstance(result, TeachResult):
        return [each.predictions for each in result.lessons]
    return [result.checkpoint]


def _has_files(
    outcome: Outcome | None, node: Node[Task]
) -> TypeGuard[TrainResult | HarvestResult | TeachResult]:
    """Whether an outcome has files of its own for others; a harvest may name a member's."""
    if not isinstance(outcome, TrainResult | HarvestResult | TeachResult):
        return False
    return all(each.path.startswith(f"{node.task.folder}/") for each in _stored(outcome))
