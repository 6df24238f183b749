"""A finished population -> one network: the champion of an arm."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from apps.breeding.fitness import fitness_of
from apps.breeding.merge import align_parents, restored
from apps.breeding.population import need_survivors
from apps.errors import HeterosisError
from apps.genetics.harvest import greedy_soup, uniform_soup
from apps.genetics.selection import rank
from apps.genetics.weights import Weights
from apps.messages.results import (
    CheckpointRef,
    Failure,
    HarvestResult,
    MatingPlan,
    TrainResult,
    population,
)
from apps.messages.specs import Genome
from apps.messages.tasks import HarvestTask, Workplace
from apps.records.checkpoints import Checkpoint, open_checkpoint, save_checkpoint
from apps.records.run_dir import CHECKPOINT
from apps.seeds import Address
from apps.tasks.kind import Kind
from apps.tasks.train import final_metrics
from apps.training.measures import standard_names
from apps.training.trainer import trainer_for


def harvest(
    task: HarvestTask,
    population: Sequence[TrainResult | Failure],
    earlier: MatingPlan | None,
    place: Workplace,
) -> HarvestResult:
    """Make one network of a finished population; a merged one is stored.

    The champion is the best member, unless the mean of a species (`mean`), or the greedy mean of
    those members that better its fitness on held-out data (`greedy`), has a better one. Nothing is
    trained, and the test data choose nothing.

    Args:
        task: what chooses, and how to merge.
        population: the members' results, by member number.
        earlier: the last mating, which says who is of one species; None: all are.
        place: the run directory.

    Raises:
        TooFewSurvivors: no member has a finite fitness.
        DamagedFile: a member's checkpoint is not what its record says.
    """
    fitness = [fitness_of(member, task.objective) for member in population]
    need_survivors(population, 1, task.objective, "the harvest")
    best = rank(fitness)[0]
    champion = population[best]
    if isinstance(champion, Failure):
        raise HeterosisError("a failed member has no finite fitness and cannot be the best")
    result = HarvestResult(
        method="best",
        members=(best,),
        fitness=fitness[best],
        final=champion.final,
        checkpoint=champion.checkpoint,
        genome=champion.genome,
        parameters=champion.parameters,
    )
    merged = _best_merge(task, population, fitness, _kin(task, population, earlier), place)
    if merged is None or not merged.fitness < result.fitness:
        return result
    path = f"{task.folder}/{CHECKPOINT}"
    digest = save_checkpoint(Path(place.root) / path, Checkpoint(merged.weights))
    return HarvestResult(
        method=task.method,
        members=merged.members,
        fitness=merged.fitness,
        final=merged.final,
        checkpoint=CheckpointRef(path, digest),
        genome=merged.genome,
        parameters=merged.parameters,
    )


@dataclass(frozen=True)
class _Merge:
    """A network made of members that are of one species and one genome."""

    weights: Weights
    members: tuple[int, ...]
    fitness: float
    final: dict[str, float]
    genome: Genome
    parameters: int


def _kin(
    task: HarvestTask, population: Sequence[TrainResult | Failure], earlier: MatingPlan | None
) -> list[str]:
    """Return a label for each member: networks of one label can be merged."""
    species = [child.species for child in earlier.children] if earlier else [0] * task.members
    return [
        f"{label:06d} {json.dumps(found.genome.network, sort_keys=True)}"
        if isinstance(found, TrainResult)
        else "failed"
        for label, found in zip(species, population, strict=True)
    ]


def _best_merge(
    task: HarvestTask,
    population: Sequence[TrainResult | Failure],
    fitness: list[float],
    kin: list[str],
    place: Workplace,
) -> _Merge | None:
    if task.method == "best":
        return None
    merges = []
    for label in sorted(set(kin)):
        members = [
            member
            for member in rank(fitness)
            if kin[member] == label and math.isfinite(fitness[member])
        ]
        if len(members) > 1:
            merges.append(_merge(task, population, fitness, members, place))
    finite = [merge for merge in merges if math.isfinite(merge.fitness)]
    return min(finite, key=lambda merge: merge.fitness, default=None)


def _merge(
    task: HarvestTask,
    population: Sequence[TrainResult | Failure],
    fitness: list[float],
    members: list[int],
    place: Workplace,
) -> _Merge:
    trained = _trained(population, members)
    genome = trained[0].genome
    trainer = trainer_for(task.data, task.network, task.training, task.seed, place, genome)
    refs = [member.checkpoint for member in trained]
    networks = [open_checkpoint(ref, place).network for ref in refs]
    # The harvest comes after the last epoch, which nothing else is addressed by.
    address = Address(task.seed, task.trial, epoch=task.epochs)
    aligned = align_parents(trainer, networks, task.align, address)
    losses = [fitness[member] for member in members]
    if task.method == "greedy":
        soup = greedy_soup(
            aligned,
            losses,
            lambda weights: task.objective.cost(
                standard_names(
                    trainer.measures.loss_of(trainer.measures.refreshed(weights), "validation")
                )[task.objective.name]
            ),
        )
    else:
        soup = uniform_soup(aligned, losses)
    chosen = [aligned[each] for each in soup.members]
    weights = restored(trainer, soup.weights, chosen, task.repair)
    trainer.member.put(weights)
    final = final_metrics(trainer)
    names = tuple(sorted(members[each] for each in soup.members))
    fitness_of_it = task.objective.cost(final[task.objective.metric])
    return _Merge(weights, names, fitness_of_it, final, genome, trainer.member.parameters)


def _trained(
    population: Sequence[TrainResult | Failure], members: Sequence[int]
) -> list[TrainResult]:
    return [found for each in members if isinstance(found := population[each], TrainResult)]


KIND: Final = Kind(
    HarvestTask,
    HarvestResult,
    harvest,
    split=lambda task, upstream: population(upstream, task.members),
)
