"""At a halt: rank the population, find species, choose parents, plan every child."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from apps.checkpoints import load_checkpoint
from apps.costs import Stopwatch
from apps.errors import HeterosisError
from apps.fitness import fitness_of
from apps.genetics import reproduction
from apps.genetics.distance import DISTANCES, Population
from apps.genetics.selection import SELECTIONS, rank
from apps.genetics.speciation import SPECIATIONS, Earlier, Species
from apps.genetics.weights import Array, Weights
from apps.measuring import Kinship
from apps.merging import Address
from apps.messages import (
    CheckpointRef,
    ChildPlan,
    Failure,
    MateTask,
    MatingPlan,
    Representative,
    SpeciesSpec,
    TrainResult,
    Workplace,
    fingerprint,
)
from apps.programs import Program, program
from apps.registries import lookup
from apps.results import save_result
from apps.streams import Purpose, stream


class TooFewSurvivors(HeterosisError):
    """Too few members have a finite fitness for what is to be made of them."""


def need_survivors(
    population: Sequence[TrainResult | Failure], needed: int, key: str, what: str
) -> None:
    """Check that enough members are left.

    Raises:
        TooFewSurvivors: fewer than `needed` have a finite fitness; the message says why.
    """
    failed = [member for member in population if not math.isfinite(fitness_of(member, key))]
    finite = len(population) - len(failed)
    if finite < needed:
        why = f" (member {failed[0].member}: {failed[0].reason})" if failed else ""
        members = "member" if needed == 1 else "members"
        raise TooFewSurvivors(
            f"{what} needs {needed} {members} with a finite {key}, {finite} of {len(population)} "
            f"have one{why}"
        )


@dataclass(frozen=True)
class _Brood:
    """Children of one merge: the same parents, the same random choices."""

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
    """Plan the mating of a halted population and store the plan.

    Args:
        task: how to choose; `members` children are planned.
        population: the members' results, by member number.
        earlier: the mating before, whose species go on.
        place: the run directory.

    Raises:
        TooFewSurvivors: fewer members than `task.parents` have a finite fitness.
        UserError: an operator is not known, or a layer's symmetries are not.
        DamagedFile: a checkpoint is not what its record says.
    """
    watch = Stopwatch()
    halted = _Halted(task, population, earlier, place)
    species = halted.species()
    broods = _broods(task, halted.fitness, species, place)
    plan = MatingPlan(
        fingerprint=fingerprint(task, [*population, *([earlier] if earlier else [])]),
        order=rank(halted.fitness),
        species=_labels(halted.fitness, species),
        children=tuple(_children(task, halted, broods)),
        representatives=halted.representatives(species),
        next_species=species.next_id,
        merges=tuple(halted.kinship(number, brood) for number, brood in enumerate(broods)),
        cost=watch.cost(),
    )
    save_result(Path(place.root) / task.folder, plan)
    return plan


class _Halted:
    """A population at a halt, with its networks loaded where they are needed."""

    def __init__(
        self,
        task: MateTask,
        population: Sequence[TrainResult | Failure],
        earlier: MatingPlan | None,
        place: Workplace,
    ) -> None:
        self.task = task
        self.fitness = [fitness_of(member, task.fitness) for member in population]
        needed = 1 if task.mating == "species" else task.parents
        need_survivors(population, needed, task.fitness, f"the halt after epoch {task.epoch}")
        self._population = population
        self._earlier = earlier
        self._place = place
        self._loaded: dict[str, Weights] = {}

    def checkpoint(self, member: int) -> CheckpointRef:
        found = self._population[member]
        if isinstance(found, Failure):
            raise HeterosisError(f"member {member} failed and has no network")
        return found.checkpoint

    def donor(self, member: int) -> tuple[CheckpointRef, ...]:
        """Return the member's own state for its successor; nothing if it failed or diverged."""
        healthy = math.isfinite(self.fitness[member])
        return (self.checkpoint(member),) if healthy else ()

    def species(self) -> Species:
        spec = self.task.species
        if spec is None:
            return Species((0,) * len(self.fitness), {}, 1)
        healthy = [i for i, value in enumerate(self.fitness) if math.isfinite(value)]
        members = [self._network(self.checkpoint(i)) for i in healthy]
        size = len(self.fitness)
        distances = np.full((size, size), np.inf)
        np.fill_diagonal(distances, 0.0)
        distances[np.ix_(healthy, healthy)] = self._distances(spec, members, None)
        earlier = None
        if self._earlier is not None and self._earlier.representatives:
            former = self._earlier.representatives
            columns = np.full((size, len(former)), np.inf)
            networks = [self._network(each.checkpoint) for each in former]
            columns[healthy] = self._distances(spec, members, networks)
            ids = tuple(each.species for each in former)
            earlier = Earlier(ids, columns, self._earlier.next_species)
        find = lookup(SPECIATIONS, spec.method.name, "species.method", self._place.search_path)
        return find(distances, earlier, **spec.method.params)

    def representatives(self, species: Species) -> tuple[Representative, ...]:
        return tuple(
            Representative(label, self.checkpoint(member))
            for label, member in species.representatives.items()
            if math.isfinite(self.fitness[member])
        )

    def kinship(self, merge: int, brood: _Brood) -> dict[str, float]:
        """Measure the first two parents of a merge."""
        if not self.task.measure or len(brood.parents) < 2:
            return Kinship.unknown
        task = self.task
        pair = [self._network(self.checkpoint(member)) for member in brood.parents[:2]]
        address = Address(task.seed, task.trial, task.epoch, merge)
        return Kinship(self._program(), task.crossover.align, address).measure(*pair)

    def _distances(
        self, spec: SpeciesSpec, members: list[Weights], others: list[Weights] | None
    ) -> Array:
        measure = lookup(DISTANCES, spec.distance.name, "species.distance", self._place.search_path)
        task = self.task
        rng = stream(task.seed, Purpose.ALIGNMENT, trial=task.trial, epoch=task.epoch)
        left = self._as_population(spec, members)
        right = None if others is None else self._as_population(spec, others)
        return measure(rng, left, right, **spec.distance.params)

    def _as_population(self, spec: SpeciesSpec, networks: list[Weights]) -> Population:
        holder = self._program()
        predictions = None
        if spec.distance.name == "disagreement":
            predictions = tuple(holder.predictions(network) for network in networks)
        return Population(
            tuple(networks),
            spec=None if spec.distance.name == "disagreement" else holder.spec,
            predictions=predictions,
        )

    def _program(self) -> Program:
        task = self.task
        return program(task.data, task.network, task.training, task.seed, self._place)

    def _network(self, ref: CheckpointRef) -> Weights:
        if ref.sha256 not in self._loaded:
            path = Path(self._place.root) / ref.path
            self._loaded[ref.sha256] = load_checkpoint(path, ref.sha256).network
        return self._loaded[ref.sha256]


def _broods(
    task: MateTask, fitness: list[float], species: Species, place: Workplace
) -> list[_Brood]:
    select = lookup(SELECTIONS, task.selection.name, "selection", place.search_path)

    def chosen(rng: np.random.Generator, among: Sequence[float], count: int) -> tuple[int, ...]:
        return tuple(select(rng, among, count, **task.selection.params))

    address = {"trial": task.trial, "epoch": task.epoch}
    if task.mating == "species" and task.species is not None:
        spec = task.species
        allotted = reproduction.allot(
            fitness,
            species.ids,
            task.members,
            temperature=spec.temperature,
            minimum_size=spec.minimum_size,
            elitism=spec.elitism,
        )
        matings = reproduction.mate(
            stream(task.seed, Purpose.MATING, **address),
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
    rng = stream(task.seed, Purpose.SELECTION, **address)
    survivors = chosen(rng, fitness, task.parents)
    everyone = tuple(range(task.members))
    pairs = list(combinations(survivors, 2)) if task.mating == "pairs" else []
    if not pairs:
        return [_Brood(survivors, everyone)]
    # Children are dealt out over the pairs, the best pair first; pairs left over have none.
    return [
        _Brood(pair, everyone[number :: len(pairs)])
        for number, pair in enumerate(pairs[: task.members])
    ]


def _children(task: MateTask, halted: _Halted, broods: list[_Brood]) -> list[ChildPlan]:
    plans = []
    for number, brood in enumerate(broods):
        refs = tuple(halted.checkpoint(member) for member in brood.parents)
        for child in brood.children:
            donors = {
                "fresh": (),
                "inherit": refs[:1],
                "average": refs,
                "own": halted.donor(child),
            }
            spared = brood.champion or (task.spare_first and child == brood.children[0])
            plans.append(
                ChildPlan(
                    child=child,
                    merge=number,
                    parents=refs,
                    members=brood.parents,
                    fitness=tuple(halted.fitness[member] for member in brood.parents),
                    optimizer=donors[task.optimizer],
                    mutate=not spared,
                    species=brood.species,
                )
            )
    return sorted(plans, key=lambda plan: plan.child)


def _labels(fitness: list[float], species: Species) -> tuple[int, ...]:
    return tuple(
        label if math.isfinite(value) else -1
        for label, value in zip(species.ids, fitness, strict=True)
    )
