"""A halt in small: it is performed with a few untrained networks, by the code of the workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from apps.breeding.offspring import breed
from apps.errors import HeterosisError, UserError
from apps.messages.results import CheckpointRef, ChildPlan, TrainResult
from apps.messages.specs import Genome
from apps.messages.tasks import MateTask, Offspring, Survive, TrainTask, Workplace
from apps.preflight.own_settings import set_rates, takes_settings
from apps.preflight.variation import mutation_acts, units_are_chosen
from apps.records.checkpoints import Checkpoint, save_checkpoint
from apps.seeds import Address, Purpose
from apps.tasks.mate import plan_mating
from apps.tasks.train import trainer_of
from apps.training.teaching import taught_outputs
from apps.training.trainer import Trainer

NETWORKS: Final = 3
"""Number of different networks in a rehearsed population; further members are copies."""

_MEMBERS: Final = 2 * NETWORKS
"""Largest population of a rehearsed halt, unless more parents are needed: distances take time."""


@dataclass(frozen=True)
class HaltRehearsal:
    """One halt of an arm.

    Attributes:
        where: its name, for the message.
        mate: the task that plans it.
        before: the task of one of the members before it.
        child: the task of one of its children.
        weight_of_numbers: better for the teachers if the targets turn out to be numbers; None
            where the weight does not rest on that they are classes.
    """

    where: str
    mate: MateTask
    before: TrainTask
    child: TrainTask
    weight_of_numbers: float | None = None


def stored_networks(
    first: Sequence[TrainTask], place: Workplace, root: Path
) -> list[tuple[CheckpointRef, Genome]]:
    """Store the first weights of a few members below a folder; return them, each with its genes."""
    stored = []
    for member in range(NETWORKS):
        task = first[member % len(first)]
        trainer = trainer_of(task, place)
        address = Address(task.seed, member=member)
        weights = trainer.blueprint.initial_weights(address.seed_integer(Purpose.INITIAL_WEIGHTS))
        trainer.member.load(Checkpoint(weights), np.random.default_rng(0))
        path = f"member-{member}.safetensors"
        ref = CheckpointRef(path, save_checkpoint(root / path, trainer.member.state()))
        stored.append((ref, task.genome))
    return stored


def go_through(
    halt: HaltRehearsal,
    networks: Sequence[tuple[CheckpointRef, Genome]],
    place: Workplace,
    searched: TrainTask | None,
) -> tuple[str, ...]:
    """Perform a halt; return remarks on what it does not do.

    Args:
        halt: what is performed.
        networks: of the members before it, by turns.
        place: where they are.
        searched: in a search, the task of a member that was built; None where all have one network.
    """
    # What is measured between parents takes longer than all the rest, and has no settings.
    size = min(halt.mate.members, max(halt.mate.parents, _MEMBERS))
    mate = replace(halt.mate, measure=False, members=size, offspring=_after(halt.mate, size))
    plan = plan_mating(mate, [_member(mate, n, networks) for n in range(size)], None, place)
    # All children are made in one way, but some stay as they are and some have one parent only.
    ordered = sorted(plan.children, key=lambda each: (each.mutate, len(each.parents)), reverse=True)
    if searched is None:
        return _go_on_as(ordered[0], halt, place)
    for child in ordered:
        try:
            return _go_on_as(child, halt, place)
        except UserError:
            # Parents that can be built may have a child that cannot, whatever the halt asks for:
            # it will fail alone.
            if _can_be_built(replace(searched, genome=child.genome), place):
                raise
    return _go_on_as(replace(ordered[0], genome=ordered[0].genomes[0]), halt, place)


def _goes_on(trainer: Trainer, before: TrainTask, place: Workplace) -> None:
    """Check that a survivor's optimiser takes the state that it had before the halt."""
    state = trainer_of(before, place).member.state()
    try:
        trainer.member.load(state, np.random.default_rng(0))
    except HeterosisError as error:
        raise UserError(
            "survivors go on with their optimiser's state, which is another one's after this halt: "
            "its learning_rate takes the place of a schedule, or a schedule that of a rate; leave "
            "it out, or give training.optimizer_params a number and the arm a schedule",
            code="training-setting",
        ) from error


def _can_be_built(task: TrainTask, place: Workplace) -> bool:
    try:
        trainer_of(task, place).checks.takes_a_step()
    except UserError:
        return False
    return True


def _go_on_as(child: ChildPlan, halt: HaltRehearsal, place: Workplace) -> tuple[str, ...]:
    """Make a child as it is made after a halt, and try how it is trained."""
    start = halt.child.start
    task = replace(halt.child, genome=child.genome)
    trainer = trainer_of(task, place)
    remarks: tuple[str, ...] = ()
    if isinstance(start, Offspring):
        start = replace(start, plan=child)
        made = breed(task, start, place, trainer)
        remarks = (
            *mutation_acts(start, made),
            *units_are_chosen(start, trainer, made.state.weights),
        )
    if isinstance(start, Survive):
        _goes_on(trainer, replace(halt.before, genome=child.genome), place)
    remarks += _teachers_weigh(trainer, task, halt.weight_of_numbers)
    takes_settings(trainer, task)
    set_rates(trainer, task)
    return remarks


def _teachers_weigh(trainer: Trainer, task: TrainTask, usual: float | None) -> tuple[str, ...]:
    if task.lesson is None or usual is None:
        return ()
    taught = taught_outputs(trainer.model, task.lesson.temperature).values()
    numbers = [each.loss for each in taught if each.is_of_numbers]
    if not numbers:
        return ()
    return (
        f"the teachers weigh {task.lesson.weight:.2g}, as for classes, and network "
        f"{task.network.builder!r} compiles itself with {numbers[0]}, a loss of numbers, where "
        f"{usual:.2g} was best: name it in training.loss, which a recipe reads, or give teach a "
        "weight",
    )


def _after(mate: MateTask, size: int) -> int:
    """Return how many come after a halt of `size` members: more or fewer, as in the halt itself."""
    if mate.children == mate.members:
        return 0
    return size + 1 if mate.children > mate.members else max(1, size - 1)


def _member(
    task: MateTask, member: int, networks: Sequence[tuple[CheckpointRef, Genome]]
) -> TrainResult:
    checkpoint, genome = networks[member % len(networks)]
    return TrainResult(
        member=member,
        status="done",
        reason="",
        epochs=(),
        final={task.fitness: 1.0 + member},
        start={},
        checkpoint=checkpoint,
        genome=genome,
    )
