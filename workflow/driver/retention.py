"""Which checkpoints are kept: none goes that an unfinished task or a champion can still need."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeGuard

from apps.messages.results import CheckpointRef, Failure, HarvestResult, TrainResult
from apps.messages.tasks import HarvestTask, MateTask, Offspring, Survive, TrainTask, Workplace
from apps.records.result_files import checkpoint_is_whole
from apps.records.run_dir import CHECKPOINT, RESULT
from apps.tasks.perform import Outcome, find
from workflow.driver.trial import Node, TrialGraph


class Retention:
    """Keeps account of who still needs which checkpoint."""

    def __init__(self, graphs: Iterable[TrialGraph], place: Workplace, keep_all: bool) -> None:
        """Read the needs off the task graphs.

        Args:
            graphs: every trial's.
            place: the run directory.
            keep_all: remove nothing.
        """
        self._place = place
        self._root = Path(place.root)
        self._keep_all = keep_all
        self._nodes: dict[str, Node] = {}
        for graph in graphs:
            self._nodes |= graph.nodes
        # Children of a mating read all of its population: they are kept account of together.
        self._readers: dict[str, set[str]] = defaultdict(set)
        self._broods: dict[str, set[str]] = defaultdict(set)
        for node in self._nodes.values():
            if (mating := _mating_of(node)) is not None:
                self._broods[mating].add(node.key)
                continue
            for source in self._sources(node):
                self._readers[source].add(node.key)
        for mating in self._broods:
            for source in self._population(self._nodes[mating]):
                self._readers[source].add(_brood(mating))
        self._champions: set[str] = set()
        self._lock = threading.Lock()

    def prepare(self) -> int:
        """Make a run directory consistent before the run goes on.

        A result counts while its checkpoint is whole, or gone and needed by nobody. Others are
        forgotten, so that their tasks are computed again, and so are those they need.

        Returns:
            The number of results that were forgotten.
        """
        known = self._known()
        forgotten = 0
        for node in reversed(self._nodes.values()):
            result = known.get(node.key)
            if _has_checkpoint(result, node) and not self._stands(node, result, known):
                (self._root / node.task.folder / RESULT).unlink(missing_ok=True)
                del known[node.key]
                forgotten += 1
        return forgotten

    def finished_folders(self) -> list[Path]:
        """Return the folders of the tasks that have a result."""
        return [self._root / self._nodes[key].task.folder for key in self._known()]

    def unneeded(self) -> list[Path]:
        """Return the checkpoints in the run directory that nobody needs any more.

        One without a record is of a task that was interrupted, and is computed again.
        """
        known = self._known()
        found = []
        for node in self._nodes.values():
            path = self._root / node.task.folder / CHECKPOINT
            waited_for = any(self._waits(reader, known) for reader in self._readers[node.key])
            reference = f"{node.task.folder}/{CHECKPOINT}"
            if node.key in known:
                needed = waited_for or reference in self._champions
            else:
                needed = (path.parent / RESULT).exists()
            if path.exists() and not needed:
                found.append(path)
        return found

    def finished(self, key: str, outcome: Outcome) -> None:
        """Take note of a finished task and remove what nobody needs any more."""
        if isinstance(outcome, Failure):
            return  # when the run is continued it is tried again, and needs what it needed
        with self._lock:
            self._note_champion(outcome)
            node = self._nodes[key]
            reader, sources = key, self._sources(node)
            if (mating := _mating_of(node)) is not None:
                self._broods[mating].discard(key)
                if self._broods[mating]:
                    return
                reader = _brood(mating)
            for source in sources:
                self._readers[source].discard(reader)
                self._release(source)

    def _known(self) -> dict[str, Outcome]:
        """Return the results that the run directory holds, and take note of its champions."""
        known: dict[str, Outcome] = {}
        for node in self._nodes.values():
            if all(key in known for key in node.upstream):
                found = find(node.task, self._place, [known[key] for key in node.upstream])
                if found is not None and not isinstance(found, Failure):
                    known[node.key] = found
                    self._note_champion(found)
        return known

    def _stands(
        self, node: Node, result: TrainResult | HarvestResult, known: dict[str, Outcome]
    ) -> bool:
        path = self._root / result.checkpoint.path
        if checkpoint_is_whole(path, result.checkpoint.sha256):
            return True
        needed = any(self._waits(reader, known) for reader in self._readers[node.key])
        if needed or result.checkpoint.path in self._champions:
            return False
        path.unlink(missing_ok=True)
        return True

    def _waits(self, reader: str, known: dict[str, Outcome]) -> bool:
        """Whether a task that reads a checkpoint, or one of a brood, is still to be computed."""
        return any(key not in known for key in self._broods.get(reader[1:], {reader}))

    def _release(self, key: str) -> None:
        path = f"{self._nodes[key].task.folder}/{CHECKPOINT}"
        if not (self._keep_all or self._readers[key] or path in self._champions):
            (self._root / path).unlink(missing_ok=True)

    def _note_champion(self, outcome: Outcome) -> None:
        if isinstance(outcome, HarvestResult):
            reference: CheckpointRef = outcome.checkpoint
            self._champions.add(reference.path)

    def _sources(self, node: Node) -> tuple[str, ...]:
        """Return the keys of the members whose checkpoints a task may read."""
        match node.task:
            case TrainTask(start=Offspring() | Survive()):
                return self._population(self._nodes[node.upstream[0]])
            case TrainTask():
                return node.upstream
            case MateTask(members=members):
                # Species that last are known by networks of the halt before.
                former = [self._nodes[key] for key in node.upstream[members:]]
                return (*self._population(node), *(k for m in former for k in self._population(m)))
            case _:
                return self._population(node)

    def _population(self, node: Node) -> tuple[str, ...]:
        task = node.task
        return node.upstream[: task.members] if isinstance(task, MateTask | HarvestTask) else ()


def _mating_of(node: Node) -> str | None:
    """Return the key of the mating that a task's start comes from, if it does."""
    task = node.task
    bred = isinstance(task, TrainTask) and isinstance(task.start, Offspring | Survive)
    return node.upstream[0] if bred else None


def _brood(mating: str) -> str:
    """Return the reader that stands for all children of a mating."""
    return f"+{mating}"


def _has_checkpoint(outcome: Outcome | None, node: Node) -> TypeGuard[TrainResult | HarvestResult]:
    """Whether an outcome has a checkpoint of its own; a harvest may name a member's."""
    if not isinstance(outcome, TrainResult | HarvestResult):
        return False
    return outcome.checkpoint.path.startswith(f"{node.task.folder}/")
