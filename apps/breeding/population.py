"""A population at a halt: fitness, networks, distances, species."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from apps.breeding import genomes
from apps.breeding.fitness import fitness_of
from apps.breeding.loss_barrier import Kinship
from apps.errors import Code, HeterosisError
from apps.genetics.distance import DISTANCES, Population
from apps.genetics.speciation import SPECIATIONS, Earlier, Species
from apps.genetics.weights import Array, Weights
from apps.lookup import lookup
from apps.messages.objective import Objective
from apps.messages.results import CheckpointRef, Failure, MatingPlan, Representative, TrainResult
from apps.messages.specs import Genome, SearchSpec, SpeciesSpec
from apps.messages.tasks import MateTask, Workplace
from apps.records.checkpoints import open_checkpoint
from apps.seeds import Address, Purpose
from apps.training.trainer import Trainer, trainer_for


class TooFewSurvivors(HeterosisError):
    """Fewer members have a finite fitness than a mating or a harvest needs."""

    code: Code = "survivors"


def need_survivors(
    population: Sequence[TrainResult | Failure], needed: int, objective: Objective, what: str
) -> None:
    """Check that enough members are left.

    Raises:
        TooFewSurvivors: fewer than `needed` have a finite fitness; the message says why.
    """
    failed = [member for member in population if not math.isfinite(fitness_of(member, objective))]
    finite = len(population) - len(failed)
    if finite < needed:
        reasons = [each.reason or f"its {objective.metric} is no number" for each in failed]
        why = f" (member {failed[0].member}: {reasons[0]})" if failed else ""
        members = "member" if needed == 1 else "members"
        raise TooFewSurvivors(
            f"{what} needs {needed} {members} with a finite {objective.metric}, {finite} of "
            f"{len(population)} have one{why}"
        )


class Halted:
    """A population at a halt; networks are loaded as they are needed.

    Attributes:
        fitness: what that of each member counts, lower is better; NaN if it failed or diverged.
    """

    def __init__(
        self,
        task: MateTask,
        population: Sequence[TrainResult | Failure],
        earlier: MatingPlan | None,
        place: Workplace,
    ) -> None:
        """Rank a population.

        Args:
            task: the halt.
            population: the members' results, by member number.
            earlier: the previous mating plan, whose species continue.
            place: the run directory.

        Raises:
            TooFewSurvivors: fewer members than the mating needs have a finite fitness.
        """
        self.fitness = [fitness_of(member, task.objective) for member in population]
        # Who asks for all members as parents gets all that can be one.
        parents = task.parents if task.parents < len(population) else 1
        needed = {"species": 1, "survivors": task.children}.get(task.mating, parents)
        need_survivors(population, needed, task.objective, f"the halt after epoch {task.epoch}")
        self._task = task
        self._population = population
        self._earlier = earlier
        self._place = place
        self._loaded: dict[str, Weights] = {}

    # --------------------------------------------------------------------------------- members
    def checkpoint(self, member: int) -> CheckpointRef:
        """Return the checkpoint of a member that did not fail."""
        found = self._population[member]
        if isinstance(found, Failure):
            raise HeterosisError(f"member {member} failed and has no network")
        return found.checkpoint

    def genome(self, member: int) -> Genome:
        """Return a member's genome, in a search."""
        found = self._population[member]
        return Genome() if isinstance(found, Failure) else found.genome

    def donor(self, member: int) -> tuple[CheckpointRef, ...]:
        """Return the member's checkpoint, for an optimiser; empty if it failed, or is not there."""
        there = member < len(self.fitness) and self._is_healthy(member)
        return (self.checkpoint(member),) if there else ()

    # --------------------------------------------------------------------------------- species
    def species(self) -> Species:
        """Divide the population into species, continuing those of the previous halt."""
        spec = self._task.species
        if spec is None:
            return Species((0,) * len(self.fitness), {}, 1)
        size = len(self.fitness)
        healthy = [i for i in range(size) if self._is_healthy(i)]
        members = [(self.checkpoint(i), self.genome(i)) for i in healthy]
        distances = np.full((size, size), np.inf)
        np.fill_diagonal(distances, 0.0)
        distances[np.ix_(healthy, healthy)] = self._distances(spec, members, None)
        earlier = None
        if self._earlier is not None and self._earlier.representatives:
            former = self._earlier.representatives
            columns = np.full((size, len(former)), np.inf)
            networks = [(each.checkpoint, each.genome) for each in former]
            columns[healthy] = self._distances(spec, members, networks)
            ids = tuple(each.species for each in former)
            earlier = Earlier(ids, columns, self._earlier.next_species)
        find = lookup(SPECIATIONS, spec.method.name, "species.method", self._place.search_path)
        return find(distances, earlier, **spec.method.params)

    def records(self, species: Species) -> tuple[Representative, ...]:
        """Return each species' representative, best fitness and halts without improvement."""
        earlier = self._earlier.representatives if self._earlier is not None else ()
        former = {each.species: each for each in earlier}
        records = []
        for label, member in species.representatives.items():
            if not self._is_healthy(member):
                continue
            best = min(self.fitness[i] for i in species.members(label) if self._is_healthy(i))
            before = former.get(label)
            improved = before is None or best < before.best
            records.append(
                Representative(
                    species=label,
                    checkpoint=self.checkpoint(member),
                    genome=self.genome(member),
                    best=best if before is None else min(best, before.best),
                    stagnant=0 if before is None or improved else before.stagnant + 1,
                )
            )
        return tuple(records)

    def _is_healthy(self, member: int) -> bool:
        return math.isfinite(self.fitness[member])

    # -------------------------------------------------------------------------------- distances
    def kinship(self, merge: int, parents: Sequence[int]) -> dict[str, float]:
        """Measure the first two parents of a merge; NaN where there is nothing to measure."""
        task = self._task
        if not task.measure or len(parents) < 2:
            return Kinship.unknown
        one, two = (self.genome(member) for member in parents[:2])
        if task.search is not None and not genomes.alike(task.search.space, one, two):
            return Kinship.unknown
        pair = [self._network(self.checkpoint(member)) for member in parents[:2]]
        address = Address(task.seed, task.trial, merge, task.epoch)
        return Kinship(self._trainer(one), task.crossover.align, address).measure(*pair)

    def _distances(
        self, spec: SpeciesSpec, members: Sequence[_Member], others: Sequence[_Member] | None
    ) -> Array:
        """Return the distances [members, others], or [members, members]."""
        search = self._task.search
        if search is None:
            return self._apart(spec, members, others)
        columns = members if others is None else others
        pair = [[genome for _, genome in each] for each in (members, columns)]
        found = genomes.distances(search.space, *pair)
        if spec.basins:
            self._add_basins(found, spec, search, members, columns)
        return found

    def _add_basins(
        self,
        found: Array,
        spec: SpeciesSpec,
        search: SearchSpec,
        members: Sequence[_Member],
        columns: Sequence[_Member],
    ) -> None:
        """Add the distance between the weights where two networks are of one architecture."""
        rows = genomes.kinds(search.space, [genome for _, genome in members])
        across = genomes.kinds(search.space, [genome for _, genome in columns])
        for kind, left in rows.items():
            right = across.get(kind, [])
            if right:
                block = self._apart(spec, [members[i] for i in left], [columns[i] for i in right])
                found[np.ix_(left, right)] += spec.basins * block

    def _apart(
        self, spec: SpeciesSpec, members: Sequence[_Member], others: Sequence[_Member] | None
    ) -> Array:
        """Return the distances between networks of one architecture."""
        measure = lookup(DISTANCES, spec.distance.name, "species.distance", self._place.search_path)
        task = self._task
        rng = Address(task.seed, task.trial, epoch=task.epoch).stream(Purpose.ALIGNMENT)
        trainer = self._trainer(members[0][1])
        left = self._as_population(spec, trainer, members)
        right = None if others is None else self._as_population(spec, trainer, others)
        return measure(rng, left, right, **spec.distance.params)

    def _as_population(
        self, spec: SpeciesSpec, trainer: Trainer, members: Sequence[_Member]
    ) -> Population:
        networks = tuple(self._network(ref) for ref, _ in members)
        if spec.distance.name == "disagreement":
            predictions = tuple(trainer.measures.predictions(network) for network in networks)
            return Population(networks, spec=None, predictions=predictions)
        return Population(networks, spec=trainer.measures.spec, predictions=None)

    def _trainer(self, genome: Genome) -> Trainer:
        task = self._task
        return trainer_for(task.data, task.network, task.training, task.seed, self._place, genome)

    def _network(self, ref: CheckpointRef) -> Weights:
        if ref.sha256 not in self._loaded:
            self._loaded[ref.sha256] = open_checkpoint(ref, self._place).network
        return self._loaded[ref.sha256]


_Member = tuple[CheckpointRef, Genome]
