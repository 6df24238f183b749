"""The champion's ancestors trained again: does the champion get the same weights?"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from apps.errors import HeterosisError, UserError
from apps.files import DamagedFile
from apps.messages.results import (
    CheckpointRef,
    ChildPlan,
    Failure,
    HarvestResult,
    MatingPlan,
    Result,
    TeachResult,
    TrainResult,
)
from apps.messages.tasks import HarvestTask, Task, TeachTask, TrainTask, Workplace
from apps.records.checkpoint_diff import largest_difference
from apps.records.result_files import stored_result
from apps.records.run_dir import CHECKPOINT, RunDir
from apps.tasks.perform import Outcome, perform
from apps.worker.stopping import stopping
from workflow.driver.trial import Node, TrialGraph, build_trial
from workflow.experiment.config import Experiment

_Record = TypeVar("_Record", bound=Result)


@dataclass(frozen=True)
class Replayed:
    """The result of a replay.

    Attributes:
        networks: number of networks that were trained again.
        identical: whether the champion's checkpoint has the same bytes.
        array: the array that differs most; "" if the weights are equal or cannot be compared.
        difference: the largest difference of a weight; NaN if the checkpoint was removed.
        metrics: recorded and replayed value of each metric that differs.
    """

    networks: int
    identical: bool
    array: str
    difference: float
    metrics: Mapping[str, tuple[float, float]]


def replay(
    run: RunDir,
    experiment: Experiment,
    trial: int,
    arm: str,
    place: Workplace,
    say: Callable[[str], None],
) -> Replayed:
    """Train the ancestors of an arm's champion again, in `run.replay`, and compare.

    The recorded mating plans are used, so only ancestors are trained. Nothing else in the run
    directory changes; an earlier replay is removed.

    Args:
        run: a finished run.
        experiment: as it was run.
        trial: the champion's.
        arm: likewise.
        place: of the run: plug-ins and threads are taken from it.
        say: shows a line for every network.

    Raises:
        UserError: a record that is needed is missing, or a plug-in has changed.
        HeterosisError: a network could not be trained again.
    """
    graph = build_trial(experiment, trial)
    if arm not in graph.harvests:
        raise UserError(f"{run.root}: its experiment has no arm {arm!r}", code="run-damaged")
    line = _Line(run.root, graph)
    harvest = graph.harvests[arm]
    recorded = line.recorded(harvest, HarvestResult)
    wanted = line.ancestors(harvest.population[member] for member in recorded.members)
    shutil.rmtree(run.replay, ignore_errors=True)
    stopping.clear()
    again = _Again(line, replace(place, root=str(run.replay)))
    for number, node in enumerate(wanted, 1):
        found, before = again.train(node), line.recorded(node, TrainResult)
        same = found.checkpoint.sha256 == before.checkpoint.sha256
        say(f"{number}/{len(wanted)} {node.task.folder}: {'the same bytes' if same else 'differs'}")
    result = again.harvest(harvest, recorded.members)
    return _compared(len(wanted), recorded, result, run)


class _Line:
    """The records of one trial of a run."""

    def __init__(self, root: Path, graph: TrialGraph) -> None:
        self._root = root
        members = (n for own in graph.segments.values() for s in own for n in s.members)
        self._makers = {f"{node.task.folder}/{CHECKPOINT}": node for node in members}

    def recorded(self, node: Node[Task], kind: type[_Record]) -> _Record:
        found = stored_result(self._root / node.task.folder, kind)
        if found is None:
            raise UserError(
                f"{self._root / node.task.folder}: its record is needed and is missing or damaged; "
                "start the same `heterosis run` again to have it computed",
                code="run-damaged",
            )
        return found

    def maker(self, checkpoint: CheckpointRef) -> Node[TrainTask]:
        return self._makers[checkpoint.path]

    def sources(self, node: Node[TrainTask]) -> Sequence[Node[TrainTask]]:
        """Return the networks whose weights or optimiser state one starts from, and teachers."""
        teachers = self.teachers(node)
        if node.mating is None:
            return [*node.population, *teachers]
        child = self.recorded(node.mating, MatingPlan).children[node.task.member]
        return [*(self.maker(ref) for ref in (*child.parents, *child.optimizer)), *teachers]

    def teachers(self, node: Node[TrainTask]) -> list[Node[TrainTask]]:
        """Return the networks whose predictions one learns from."""
        if node.teaching is None:
            return []
        taught = self.recorded(node.teaching, TeachResult)
        lesson = taught.lessons[taught.of_child[node.task.member]]
        return [node.teaching.population[member] for member in lesson.teachers]

    def ancestors(self, members: Iterable[Node[TrainTask]]) -> list[Node[TrainTask]]:
        """Return networks and all their ancestors, each after its own ancestors."""
        found: set[Node[TrainTask]] = set()
        wanted = list(members)
        while wanted:
            node = wanted.pop()
            if node not in found:
                found.add(node)
                wanted += self.sources(node)
        return sorted(found, key=lambda node: (node.task.first_epoch, node.task.member))


class _Again:
    """The ancestors as they are trained again: results by key, checkpoints in another folder."""

    def __init__(self, line: _Line, place: Workplace) -> None:
        self._line = line
        self._place = place
        self._results: dict[Node[TrainTask], TrainResult] = {}
        self._taught: dict[Node[TeachTask], TeachResult] = {}

    def train(self, node: Node[TrainTask]) -> TrainResult:
        upstream: list[Outcome] = [self._results[own] for own in node.population]
        if node.mating is not None:
            plan = self._line.recorded(node.mating, MatingPlan)
            upstream.append(self._with_own_checkpoints(plan, node.task.member))
        if node.teaching is not None:
            upstream.append(self._teach(node.teaching))
        found = self._results[node] = _performed(node, self._place, upstream, TrainResult)
        return found

    def harvest(self, node: Node[HarvestTask], members: Sequence[int]) -> HarvestResult:
        """Harvest the members that the champion is made of; the others count as failed."""
        upstream: list[Outcome] = [
            self._results[each] if member in members else Failure("not of the line", "", member)
            for member, each in enumerate(node.population)
        ]
        if node.mating is not None:
            upstream.append(self._line.recorded(node.mating, MatingPlan))
        return _performed(node, self._place, upstream, HarvestResult)

    def _teach(self, node: Node[TeachTask]) -> TeachResult:
        """Let those of the line predict that teach the line; the others count as failed."""
        if node not in self._taught:
            assert node.mating is not None
            upstream: list[Outcome] = [
                self._results.get(each, Failure("not of the line", "", member))
                for member, each in enumerate(node.population)
            ]
            upstream.append(self._line.recorded(node.mating, MatingPlan))
            self._taught[node] = _performed(node, self._place, upstream, TeachResult)
        return self._taught[node]

    def _with_own_checkpoints(self, plan: MatingPlan, member: int) -> MatingPlan:
        children = list(plan.children)
        child: ChildPlan = children[member]
        children[member] = replace(
            child,
            parents=tuple(map(self._own, child.parents)),
            optimizer=tuple(map(self._own, child.optimizer)),
        )
        return replace(plan, children=tuple(children))

    def _own(self, recorded: CheckpointRef) -> CheckpointRef:
        return self._results[self._line.maker(recorded)].checkpoint


def _performed(
    node: Node[Task], place: Workplace, upstream: Sequence[Outcome], kind: type[_Record]
) -> _Record:
    found = perform(node.task, place, upstream)
    if not isinstance(found, kind):
        reason = getattr(found, "reason", f"it gave a {type(found).__name__}")
        raise HeterosisError(
            f"{node.task.folder}: could not be computed again: {reason}", code="champion"
        )
    return found


def _compared(
    networks: int, recorded: HarvestResult, result: HarvestResult, run: RunDir
) -> Replayed:
    array, difference = "", 0.0
    identical = result.checkpoint.sha256 == recorded.checkpoint.sha256
    if not identical:
        try:
            array, difference = largest_difference(
                run.root / recorded.checkpoint.path, run.replay / result.checkpoint.path
            )
        except DamagedFile:
            difference = math.nan
    metrics = {
        name: (value, result.final.get(name, math.nan))
        for name, value in recorded.final.items()
        if not _equal(value, result.final.get(name, math.nan))
    }
    return Replayed(networks, identical, array, difference, metrics)


def _equal(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
