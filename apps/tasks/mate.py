"""At a halt: rank the population, find species, choose parents, plan every child."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from apps.breeding import genomes
from apps.breeding.population import Halted
from apps.genetics import reproduction
from apps.genetics.selection import SELECTIONS, rank
from apps.genetics.speciation import Species
from apps.lookup import lookup
from apps.messages.results import (
    ChildPlan,
    Failure,
    MatingPlan,
    Representative,
    TrainResult,
    population,
)
from apps.messages.specs import Genome
from apps.messages.tasks import MateTask, Workplace
from apps.seeds import Address, Purpose
from apps.tasks.kind import Kind


@dataclass(frozen=True)
class _Brood:
    """The children of one merge, which share parents and random choices."""

    parents: tuple[int, ...]
    children: tuple[int, ...]
    species: int = 0
    champion: bool = False


def plan_mating(
    task: MateTask,
    population: Sequence[TrainResult | Failure],
    earlier: MatingPlan | None,
    place: Workplace,
) -> MatingPlan:
    """Plan the mating of a halted population.

    Args:
        task: how to choose, and how many children are planned.
        population: the members' results, by member number.
        earlier: the previous mating plan, whose species continue.
        place: the run directory.

    Raises:
        TooFewSurvivors: fewer members than the mating needs have a finite fitness.
        UserError: an operator is not known, or a layer's symmetries are not.
        DamagedFile: a checkpoint is not what its record says.
    """
    halted = Halted(task, population, earlier, place)
    species = halted.species()
    records = halted.records(species)
    broods = _broods(task, _fertile(task, halted.fitness, species, records), species, place)
    return MatingPlan(
        order=rank(halted.fitness),
        species=_labels(halted.fitness, species),
        children=tuple(_children(task, halted, broods)),
        representatives=records,
        next_species=species.next_id,
        merges=tuple(halted.kinship(n, brood.parents) for n, brood in enumerate(broods)),
    )


def _fertile(
    task: MateTask, fitness: list[float], species: Species, records: Sequence[Representative]
) -> list[float]:
    """Return the fitness, with NaN for the members of species that stagnate."""
    limit = task.species.stagnation if task.species is not None else 0
    best = species.ids[rank(fitness)[0]]
    barren = {
        each.species
        for each in records
        if limit and each.stagnant >= limit and each.species != best
    }
    return [
        math.nan if label in barren else value
        for label, value in zip(species.ids, fitness, strict=True)
    ]


def _broods(
    task: MateTask, fitness: list[float], species: Species, place: Workplace
) -> list[_Brood]:
    select = lookup(SELECTIONS, task.selection.name, "selection", place.search_path)

    def chosen(rng: np.random.Generator, among: Sequence[float], count: int) -> tuple[int, ...]:
        return tuple(select(rng, among, count, **task.selection.params))

    address = Address(task.seed, task.trial, epoch=task.epoch)
    if task.mating == "species" and task.species is not None:
        spec = task.species
        allotted = reproduction.allot(
            fitness,
            species.ids,
            task.children,
            temperature=spec.temperature,
            minimum_size=spec.minimum_size,
            elitism=spec.elitism,
        )
        matings = reproduction.mate(
            address.stream(Purpose.MATING),
            fitness,
            species.ids,
            allotted,
            parents=task.parents,
            between=spec.between,
            elitism=spec.elitism,
            select=chosen,
        )
        return [
            _Brood(mating.parents, (child,), mating.species, mating.champion)
            for child, mating in enumerate(matings)
        ]
    if task.mating == "survivors":
        best = rank(fitness)[: task.children]
        return [_Brood((member,), (child,), champion=True) for child, member in enumerate(best)]
    finite = sum(map(math.isfinite, fitness))
    parents = min(task.parents, finite)
    survivors = chosen(address.stream(Purpose.SELECTION), fitness, parents)
    everyone = tuple(range(task.children))
    pairs = list(combinations(survivors, 2)) if task.mating == "pairs" else []
    if not pairs:
        return [_Brood(survivors, everyone)]
    # Children are dealt out over the pairs, the best pair first; pairs left over have none.
    return [
        _Brood(pair, everyone[number :: len(pairs)])
        for number, pair in enumerate(pairs[: task.children])
    ]


def _children(task: MateTask, halted: Halted, broods: list[_Brood]) -> list[ChildPlan]:
    plans = []
    for number, brood in enumerate(broods):
        for child in brood.children:
            spared = brood.champion or (task.first_unmutated and child == brood.children[0])
            genome = _genome(task, child, [*map(halted.genome, brood.parents)], not spared)
            parents = _nearest_first(task, halted, brood.parents, genome)
            refs = tuple(map(halted.checkpoint, parents))
            inherited = tuple(map(halted.genome, parents))
            donors = {
                "fresh": (),
                "inherit": refs[:1],
                "average": refs,
                "own": halted.donor(child),
            }
            givers = {"inherit": parents[:1], "own": (child,)}
            given = donors[task.optimizer]
            kinds = {
                halted.genome(member).training.get("optimizer")
                for member in (givers.get(task.optimizer, parents) if given else ())
            }
            plans.append(
                ChildPlan(
                    child=child,
                    merge=number,
                    parents=refs,
                    members=parents,
                    fitness=tuple(halted.fitness[member] for member in parents),
                    # The state of another optimiser says nothing to this one.
                    optimizer=given if kinds <= {genome.training.get("optimizer")} else (),
                    mutate=not spared,
                    species=brood.species,
                    genome=genome,
                    genomes=inherited,
                    strange=_strange(task, parents, inherited),
                )
            )
    return sorted(plans, key=lambda plan: plan.child)


def _genome(task: MateTask, child: int, parents: Sequence[Genome], mutate: bool) -> Genome:
    if task.search is None:
        return parents[0]
    rng = Address(task.seed, task.trial, child, task.epoch).stream(Purpose.ARCHITECTURE)
    return genomes.child_genome(task.search, parents, rng, mutate)


def _nearest_first(
    task: MateTask, halted: Halted, parents: tuple[int, ...], child: Genome
) -> tuple[int, ...]:
    """Return a child's parents, with `nearest` in order of their architectures' distance to it."""
    if task.search is None or not task.search.nearest:
        return parents
    own = [halted.genome(member) for member in parents]
    (apart,) = genomes.distances(task.search.space, [child], own)
    return tuple(parents[place] for place in np.argsort(apart, kind="stable"))


def _strange(task: MateTask, parents: Sequence[int], own: Sequence[Genome]) -> tuple[int, ...]:
    if task.search is None:
        return ()
    space = task.search.space
    return tuple(
        member
        for member, genome in zip(parents, own, strict=True)
        if not genomes.alike(space, own[0], genome)
    )


def _labels(fitness: list[float], species: Species) -> tuple[int, ...]:
    return tuple(
        label if math.isfinite(value) else -1
        for label, value in zip(species.ids, fitness, strict=True)
    )


KIND: Final = Kind(
    MateTask,
    MatingPlan,
    plan_mating,
    split=lambda task, upstream: population(upstream, task.members),
)
