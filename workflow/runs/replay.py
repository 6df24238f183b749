"""The champion's line of descent trained again, alone: does it end at the same weights?"""

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
    TrainResult,
)
from apps.messages.tasks import HarvestTask, Offspring, Survive, TrainTask, Workplace
from apps.records.checkpoint_diff import largest_difference
from apps.records.result_files import CHECKPOINT, stored_result
from apps.records.run_dir import RunDir
from apps.tasks.perform import Outcome, perform
from apps.worker.stopping import stopping
from workflow.driver.trial import Node, TrialGraph, build_trial
from workflow.experiment.config import Experiment

_Record = TypeVar("_Record", TrainResult, MatingPlan, HarvestResult)


@dataclass(frozen=True)
class Replayed:
    """What a replay came to.

    Attributes:
        networks: networks that were trained again.
        identical: whether the champion's checkpoint has the same bytes.
        array: the array that differs most; "" when the weights are the same or cannot be compared.
        difference: the largest difference of a weight; NaN when the run has no checkpoint any more.
        metrics: of those that differ, the recorded value and the replayed one.
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

    Mating plans are those that the run recorded, so only who is of the line is trained. Nothing
    else of the run directory changes; an earlier replay goes.

    Args:
        run: a finished run.
        experiment: as it was run.
        trial: the champion's.
        arm: likewise.
        place: of the run: plug-ins and threads are taken from it.
        say: is told of every network.

    Raises:
        UserError: a record that is needed is missing, or a plug-in has changed.
        HeterosisError: a network could not be trained again.
    """
    graph = build_trial(experiment, trial)
    if arm not in graph.harvests:
        raise UserError(f"{run.root}: its experiment has no arm {arm!r}", code="run-damaged")
    line = _Line(run.root, graph)
    harvest = graph.nodes[graph.harvests[arm]]
    recorded = line.recorded(harvest, HarvestResult)
    members = [harvest.upstream[member] for member in recorded.members]
    wanted = line.ancestors(members)
    shutil.rmtree(run.replay, ignore_errors=True)
    stopping.clear()
    again = _Again(line, replace(place, root=str(run.replay)))
    for number, key in enumerate(wanted, 1):
        found = again.train(key)
        task, before = graph.nodes[key].task, line.recorded(graph.nodes[key], TrainResult)
        same = found.checkpoint.sha256 == before.checkpoint.sha256
        say(f"{number}/{len(wanted)} {task.folder}: {'the same bytes' if same else 'differs'}")
    result = again.harvest(harvest, recorded.members)
    return _compared(len(wanted), recorded, result, run)


class _Line:
    """What a run recorded of one trial."""

    def __init__(self, root: Path, graph: TrialGraph) -> None:
        self.graph = graph
        self._root = root
        self._makers = {f"{n.task.folder}/{CHECKPOINT}": n.key for n in graph.nodes.values()}

    def recorded(self, node: Node, kind: type[_Record]) -> _Record:
        found = stored_result(self._root / node.task.folder, kind)
        if found is None:
            raise UserError(
                f"{self._root / node.task.folder}: its record is needed and is missing or damaged; "
                "start the same `heterosis run` again to have it computed",
                code="run-damaged",
            )
        return found

    def plan(self, node: Node) -> MatingPlan | None:
        """Return the mating plan that a task's start comes from, if it does."""
        task = node.task
        if not isinstance(task, TrainTask) or not isinstance(task.start, Offspring | Survive):
            return None
        return self.recorded(self.graph.nodes[node.upstream[0]], MatingPlan)

    def maker(self, checkpoint: CheckpointRef) -> str:
        return self._makers[checkpoint.path]

    def sources(self, key: str) -> list[str]:
        """Return the networks that one starts from, whose weights or optimiser's state it has."""
        node = self.graph.nodes[key]
        plan = self.plan(node)
        if plan is None:
            return list(node.upstream)
        child = plan.children[_member(node)]
        return [self.maker(ref) for ref in (*child.parents, *child.optimizer)]

    def ancestors(self, keys: Iterable[str]) -> list[str]:
        """Return networks and all that they descend from, each after those."""
        found: set[str] = set()
        wanted = list(keys)
        while wanted:
            key = wanted.pop()
            if key not in found:
                found.add(key)
                wanted += self.sources(key)
        return [key for key in self.graph.nodes if key in found]


class _Again:
    """The line as it is trained again: results by key, checkpoints below a folder of their own."""

    def __init__(self, line: _Line, place: Workplace) -> None:
        self._line = line
        self._place = place
        self._results: dict[str, TrainResult] = {}

    def train(self, key: str) -> TrainResult:
        node = self._line.graph.nodes[key]
        plan = self._line.plan(node)
        if plan is None:
            upstream: list[Outcome] = [self._results[each] for each in node.upstream]
        else:
            upstream = [self._with_own_checkpoints(plan, _member(node))]
        found = _performed(node, self._place, upstream, TrainResult)
        self._results[key] = found
        return found

    def harvest(self, node: Node, members: Sequence[int]) -> HarvestResult:
        """Harvest those members that the champion is made of; the others count as failed."""
        task = node.task
        if not isinstance(task, HarvestTask):
            raise TypeError(f"an arm ends in a harvest, not {type(task)}")
        upstream: list[Outcome] = [
            self._results[key] if member in members else Failure("not of the line", "", member)
            for member, key in enumerate(node.upstream[: task.members])
        ]
        for key in node.upstream[task.members :]:
            upstream.append(self._line.recorded(self._line.graph.nodes[key], MatingPlan))
        return _performed(node, self._place, upstream, HarvestResult)

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
    node: Node, place: Workplace, upstream: Sequence[Outcome], kind: type[_Record]
) -> _Record:
    found = perform(node.task, place, upstream)
    if not isinstance(found, kind):
        reason = getattr(found, "reason", f"it gave a {type(found).__name__}")
        raise HeterosisError(
            f"{node.task.folder}: could not be computed again: {reason}", code="champion"
        )
    return found


def _member(node: Node) -> int:
    if not isinstance(node.task, TrainTask):
        raise TypeError(f"a segment holds tasks of training, not {type(node.task)}")
    return node.task.member


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
