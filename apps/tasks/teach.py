"""At a halt: the mean prediction of teachers on the training set, for the members after it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from apps.breeding.fitness import fitness_of
from apps.datasets.arrays import Array, Named, mapped
from apps.errors import HeterosisError
from apps.genetics.selection import rank
from apps.messages.results import (
    CheckpointRef,
    Failure,
    LessonRecord,
    MatingPlan,
    TeachResult,
    TrainResult,
    Upstream,
    population,
)
from apps.messages.tasks import TeachTask, Workplace
from apps.records.checkpoints import open_checkpoint
from apps.records.lessons import save_predictions
from apps.records.run_dir import RunDir
from apps.tasks.kind import Kind
from apps.training.teaching import softened, taught_outputs
from apps.training.trainer import trainer_for


def teach(
    task: TeachTask,
    population: Sequence[TrainResult | Failure],
    plan: MatingPlan,
    place: Workplace,
) -> TeachResult:
    """Store the mean prediction of every group of teachers that children are taught by.

    Each teacher predicts once, whatever the number of groups that it is in; teachers may be of any
    architectures.

    Args:
        task: who teaches.
        population: the members' results, by member number.
        plan: who the children's parents are.
        place: the run directory.

    Raises:
        UserError: the network's loss cannot be taught.
        DamagedFile: a checkpoint is not what its record says.
        OSError: the run directory cannot be written.
    """
    wanted = _teachers(task, population, plan)
    able = {number for number, each in enumerate(population) if isinstance(each, TrainResult)}
    # In a replay only a line of descent has its teachers.
    groups = [group for group in dict.fromkeys(wanted) if able.issuperset(group)]
    needed = sorted({member for group in groups for member in group})
    totals: dict[tuple[int, ...], Named] = {}
    lessons: dict[tuple[int, ...], LessonRecord] = {}
    for member in needed:
        made = _prediction(task, population[member], place)
        for number, group in enumerate(groups):
            if member not in group:
                continue
            totals[group] = _added(totals[group], made) if group in totals else made
            if member == group[-1]:  # and no total is held for longer than it grows
                mean = mapped(partial(_mean, count=len(group)), totals.pop(group))
                path = RunDir.lesson_file(task.folder, number)
                digest = save_predictions(Path(place.root) / path, mean)
                lessons[group] = LessonRecord(group, CheckpointRef(path, digest))
    of_child = [groups.index(group) if group in groups else -1 for group in wanted]
    return TeachResult(
        lessons=tuple(lessons[group] for group in groups),
        of_child=tuple(of_child),
        passes=len(needed),
    )


def _teachers(
    task: TeachTask, population: Sequence[TrainResult | Failure], plan: MatingPlan
) -> list[tuple[int, ...]]:
    """Return the teachers of every child, by member number."""
    parents = [tuple(sorted(set(child.members))) for child in plan.children]
    if task.teachers == "parents":
        return parents
    if task.teachers == "survivors":
        found = tuple(sorted({member for members in parents for member in members}))
    else:
        fitness = [fitness_of(each, task.objective) for each in population]
        healthy = [member for member in rank(fitness) if math.isfinite(fitness[member])]
        most = len(healthy) if task.teachers == "all" else int(task.teachers)
        found = tuple(sorted(healthy[:most]))
    return [found] * len(parents)


def _prediction(task: TeachTask, member: TrainResult | Failure, place: Workplace) -> Named:
    if isinstance(member, Failure):
        raise HeterosisError("a failed member teaches nobody")
    trainer = trainer_for(task.data, task.network, task.training, task.seed, place, member.genome)
    made = trainer.measures.training_predictions(open_checkpoint(member.checkpoint, place).network)
    outputs = taught_outputs(trainer.model, task.temperature)
    return softened(outputs, made, task.temperature)


def _added(one: Named, other: Named) -> Named:
    if isinstance(one, Mapping):
        return {name: array + _of(other, name) for name, array in one.items()}
    return one + _of(other, "")


def _mean(total: Array, count: int) -> Array:
    return (total / count).astype(np.float32)


def _of(values: Named, name: str) -> Array:
    return values[name] if isinstance(values, Mapping) else values


def settle(task: TeachTask, upstream: Upstream) -> tuple[TeachTask, Upstream] | Failure:
    """Return the task as it is; or the failure of the mating that names its teachers."""
    failed = [each for each in upstream[task.members :] if isinstance(each, Failure)]
    return failed[0] if failed else (task, upstream)


KIND: Final = Kind(
    TeachTask,
    TeachResult,
    teach,
    settle=settle,
    split=lambda task, upstream: population(upstream, task.members),
)
