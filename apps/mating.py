"""At a halt: rank the population, choose the parents, plan every child."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from apps.costs import Stopwatch
from apps.errors import HeterosisError
from apps.genetics.selection import SELECTIONS, rank
from apps.messages import (
    ChildPlan,
    Failure,
    MateTask,
    MatingPlan,
    TrainResult,
    Workplace,
    fingerprint,
)
from apps.registries import lookup
from apps.results import save_result
from apps.streams import Purpose, stream


class TooFewSurvivors(HeterosisError):
    """Too few members have a finite fitness for what is to be made of them."""


def fitness_of(member: TrainResult | Failure, key: str) -> float:
    """Return a member's fitness, lower is better; NaN for one that failed or diverged."""
    if isinstance(member, Failure) or member.status != "done":
        return math.nan
    return member.final.get(key, math.nan)


def need_survivors(fitness: Sequence[float], needed: int, key: str, what: str) -> None:
    """Check that enough members are left.

    Raises:
        TooFewSurvivors: fewer than `needed` have a finite fitness.
    """
    finite = sum(math.isfinite(value) for value in fitness)
    if finite < needed:
        raise TooFewSurvivors(
            f"{what} needs {needed} members with a finite {key}, {finite} of {len(fitness)} have "
            "one; look at the reasons of the failed members"
        )


def plan_mating(
    task: MateTask, population: Sequence[TrainResult | Failure], place: Workplace
) -> MatingPlan:
    """Plan the mating of a halted population and store the plan.

    Args:
        task: how to choose; `members` children are planned.
        population: the members' results, by member number.
        place: the run directory.

    Raises:
        TooFewSurvivors: fewer members than `task.parents` have a finite fitness.
        UserError: the selection is not known.
    """
    watch = Stopwatch()
    fitness = [fitness_of(member, task.fitness) for member in population]
    need_survivors(fitness, task.parents, task.fitness, f"the halt after epoch {task.epoch}")
    select = lookup(SELECTIONS, task.selection.name, "selection", place.search_path)
    rng = stream(task.seed, Purpose.SELECTION, trial=task.trial, epoch=task.epoch)
    chosen = select(rng, fitness, task.parents, **task.selection.params)
    parents = [population[index] for index in chosen]
    refs = tuple(parent.checkpoint for parent in parents if isinstance(parent, TrainResult))
    children = tuple(
        ChildPlan(
            child=child,
            merge=0,
            parents=refs,
            members=tuple(chosen),
            fitness=tuple(fitness[index] for index in chosen),
            optimizer=refs[:1] if task.optimizer == "inherit" else (),
        )
        for child in range(task.members)
    )
    plan = MatingPlan(
        fingerprint=fingerprint(task, population),
        order=rank(fitness),
        species=tuple(0 if math.isfinite(value) else -1 for value in fitness),
        children=children,
        cost=watch.cost(),
    )
    save_result(Path(place.root) / task.folder, plan)
    return plan
