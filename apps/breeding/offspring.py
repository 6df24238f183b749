"""Parents -> one child's initial state, made in the child's own task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from apps.architecture.morphable import anatomy
from apps.breeding.family import mean_state
from apps.breeding.merge import merge, select_widths
from apps.datasets.arrays import Array
from apps.errors import HeterosisError
from apps.files import write_atomic
from apps.genetics.morphism import Morph, morph
from apps.genetics.mutation import MUTATIONS
from apps.genetics.unit_selection import ACROSS_WIDTHS, PARENTS_TAKEN
from apps.genetics.weights import Weights
from apps.lookup import lookup
from apps.messages.results import CheckpointRef, ChildPlan
from apps.messages.specs import Params, phenotype
from apps.messages.tasks import Offspring, TrainTask, Workplace
from apps.records.checkpoints import Checkpoint, open_checkpoint
from apps.records.run_dir import LOST
from apps.seeds import Address, Purpose
from apps.training.trainer import Trainer

_Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Bred:
    """An offspring as it begins.

    Attributes:
        state: its weights, and its optimiser states if the plan lets it inherit them; without any
            it gets those of a fresh one.
        unmutated: its weights before its mutation.
        givers: the parents, by member number, that the weights come from.
    """

    state: Checkpoint
    unmutated: Weights
    givers: tuple[int, ...]


def breed(task: TrainTask, start: Offspring, place: Workplace, trainer: Trainer) -> Bred:
    """Make an offspring.

    A parent of another architecture, in a search, is first grown or cut to the child's, unless
    units are selected among parents of several widths; what gets lost is told in the child's
    folder. All children of one merge see the same random numbers in the crossover, so each worker
    makes the same merge again; the mutation is the child's own.

    Args:
        task: the child's task; its `first_epoch` is the halt's.
        start: operators and the child's plan.
        place: where the parents' checkpoints are.
        trainer: of the architecture; what was in it is replaced.

    Raises:
        DamagedFile: a parent's checkpoint is not what its record says.
        GeneticsError: the operators do not take these parents or settings.
        UserError: an operator is not known, or a layer's symmetries are not.
    """
    plan = start.plan
    if plan is None:
        raise HeterosisError("an offspring's plan is filled in before it is bred")
    if not start.inherit and plan.mutate:
        weights: Weights = trainer.blueprint.initial_weights(_fresh_seed(task))
        return Bred(Checkpoint(weights), weights, ())
    parents = _Parents(task, start, plan, trainer)
    weights = _merged(task, start, plan, place, trainer, parents)
    unmutated = weights
    if plan.mutate:
        mutation = lookup(MUTATIONS, start.mutation.name, "mutation", place.search_path)
        own = Address(task.seed, task.trial, plan.child, task.first_epoch)
        rng = own.stream(Purpose.MUTATION)
        # One of the user's own may change what it is given.
        unmutated = {name: np.array(array) for name, array in weights.items()}
        weights = mutation(rng, weights, keep=trainer.member.statistics, **start.mutation.params)
    fresh = _shapes(trainer.member.state().optimizer)
    optimizer, outer = _inherited(plan.optimizer, _shapes(weights), fresh, place)
    if optimizer:
        optimizer = trainer.member.adapted(optimizer, weights)
    state = Checkpoint(weights, optimizer=optimizer, outer=outer)
    return Bred(state, unmutated, parents.givers)


def givers_of(task: TrainTask, start: Offspring, trainer: Trainer) -> tuple[int, ...]:
    """Return the parents, by member number, that the weights of an offspring came from.

    Args:
        task: the child's.
        start: operators and the child's plan.
        trainer: of the child's architecture.

    Raises:
        UserError: a layer's symmetries are not known.
    """
    plan = start.plan
    if plan is None or (not start.inherit and plan.mutate) or _taken(start) == 0:
        return ()
    return _Parents(task, start, plan, trainer).givers


def _taken(start: Offspring) -> int | None:
    return PARENTS_TAKEN.get(start.crossover.name)


class _Parents:
    """A child's parents.

    Attributes:
        read: the places in the plan of those whose weights are read, each with a model of its own
            where units are selected among parents that differ from the child in the widths of
            layers alone; otherwise None stands for one.
        givers: the members that they are.
    """

    def __init__(
        self, task: TrainTask, start: Offspring, plan: ChildPlan, trainer: Trainer
    ) -> None:
        self._task = task
        self._plan = plan
        self._trainer = trainer
        self._models: list[tuple[Params, Any]] = []
        self.read = {
            place: model
            for place, model in enumerate(self._watched(start))
            if model is not None or self._comes_in(place, start)
        }
        self.givers = tuple(plan.members[place] for place in self.read)[: _taken(start)]

    def model(self, place: int) -> Any:
        """Return a model of the architecture of the parent at a place of the plan.

        Each architecture is built once, when it is asked for.
        """
        genome = self._plan.genomes[place]
        for genes, model in self._models:
            if genes == genome.network:
                return model
        specs = phenotype(self._task.network, self._task.training, genome)
        model = self._trainer.blueprint.of(*specs).build(0)
        self._models.append((genome.network, model))
        return model

    def _watched(self, start: Offspring) -> Iterator[Any]:
        plan = self._plan
        chosen = start.nearest and start.crossover.name in ACROSS_WIDTHS and len(plan.members) > 1
        for place in range(len(plan.members)):
            differs = chosen and plan.genomes[place].network != plan.genome.network
            model = self.model(place) if differs else None
            yield model if differs and self._trainer.measures.differs_in_width_only(model) else None

    def _comes_in(self, place: int, start: Offspring) -> bool:
        strange = self._plan.members[place] in self._plan.strange
        return place == 0 or not strange or start.merge_architectures


def _merged(
    task: TrainTask,
    start: Offspring,
    plan: ChildPlan,
    place: Workplace,
    trainer: Trainer,
    parents: _Parents,
) -> Weights:
    """Return what the weights of the parents that are read become, in the child's architecture."""
    read = parents.read if len(parents.read) > 1 else {0: None}  # no other to select units from
    seed = _fresh_seed(task)
    fresh = cache(lambda: trainer.blueprint.initial_weights(seed))
    stored: list[Weights] = [open_checkpoint(plan.parents[n], place).network for n in read]
    networks = list(stored)
    if any(genome.network != plan.genome.network for genome in plan.genomes):
        lost = []
        for number, (parent, model) in enumerate(read.items()):
            if model is None:
                made = _morphed(stored[number], parent, parents, trainer, fresh)
                lost += [f"of parent {plan.members[parent]}: {line}" for line in made.lost]
                networks[number] = made.weights
        if lost:
            told = "".join(f"{line}\n" for line in lost)
            write_atomic(Path(place.root) / task.folder / LOST, told.encode())
    watched = [model for model in read.values() if model is not None]
    if not watched:
        fitness = [plan.fitness[parent] for parent in read]
        address = Address(task.seed, task.trial, plan.merge, task.first_epoch)
        return merge(trainer, networks, fitness, start.crossover, address, place, seed)
    first = _morphed(stored[0], 0, parents, trainer, fresh)
    return select_widths(trainer, first.weights, networks, watched, start.crossover)


def _morphed(
    weights: Weights,
    parent: int,
    parents: _Parents,
    trainer: Trainer,
    fresh: Callable[[], Weights],
) -> Morph:
    """Return the weights of a parent of another architecture, grown or cut to the child's.

    Args:
        weights: the parent's.
        parent: its place in the plan.
        parents: gives a model of it.
        trainer: of the child's architecture.
        fresh: gives the initial weights that new units and layers start from.

    Raises:
        UserError: it is not known how a layer grows; the message names it.
    """
    if _shapes(weights) == _shapes(trainer.member.weights()):
        return Morph(dict(weights), ())
    return morph(weights, fresh(), anatomy(parents.model(parent)), anatomy(trainer.model))


def _fresh_seed(task: TrainTask) -> int:
    """Return the seed of those initial weights of a child that no parent gives."""
    address = Address(task.seed, task.trial, task.member, task.first_epoch)
    return address.seed_integer(Purpose.INITIAL_WEIGHTS)


def _inherited(
    donors: Sequence[CheckpointRef], shapes: _Shapes, kept: _Shapes, place: Workplace
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the mean of the donors' optimiser states, and of those of the optimiser over epochs.

    Counters are the first donor's.

    Args:
        donors: whose states they are.
        shapes: of the child's arrays; states of other architectures are left out.
        kept: of what the child's optimiser keeps: one with other settings may keep something else.
        place: where the donors' checkpoints are.
    """
    stored = [open_checkpoint(ref, place) for ref in donors]
    if not stored or any(
        _shapes(each.network) != shapes or _shapes(each.optimizer) != kept for each in stored
    ):
        return {}, {}
    outer = [each.outer for each in stored if each.outer]
    return mean_state([each.optimizer for each in stored]), mean_state(outer)


def _shapes(weights: Weights) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in weights.items()}
