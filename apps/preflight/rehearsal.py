"""A trial in small, before a run begins: what would fail on the workers fails here, in seconds.

The network is built and takes a step, and every halt is performed with a few untrained networks, by
the code that the workers run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from apps.breeding.family import check_can_be_parted
from apps.breeding.offspring import breed
from apps.errors import HeterosisError, UserError, did_you_mean
from apps.genetics.domains import Choice
from apps.genetics.genes import Space
from apps.messages.objective import HELD_OUT, WHOLE, Objective
from apps.messages.results import CheckpointRef, ChildPlan, TrainResult
from apps.messages.specs import Genome, phenotype
from apps.messages.tasks import (
    HarvestTask,
    MateTask,
    Offspring,
    Survive,
    TrainTask,
    Workplace,
)
from apps.networks.optimizers import parts
from apps.plugins.load import is_plugin, told
from apps.preflight.search_space import check_choices, check_extremes
from apps.preflight.variation import first_weights, mutation_acts, units_are_chosen
from apps.records.checkpoints import Checkpoint, save_checkpoint
from apps.records.run_dir import CHAMPION
from apps.seeds import Address, Purpose
from apps.tasks.export import saved_and_opened
from apps.tasks.mate import plan_mating
from apps.tasks.train import trainer_of
from apps.training.callbacks import Callbacks, check_monitors
from apps.training.graph import metrics_of
from apps.training.measures import standard_names
from apps.training.outer_momentum import check_optimizer
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


@dataclass(frozen=True)
class SettingRehearsal:
    """An arm's own settings of the optimiser.

    Attributes:
        where: its name, for the message.
        task: of one of its members.
    """

    where: str
    task: TrainTask


@dataclass(frozen=True)
class HarvestRehearsal:
    """The harvest of an arm, and its name for the message."""

    where: str
    harvest: HarvestTask


def rehearse(
    first: Sequence[TrainTask],
    halts: Sequence[HaltRehearsal],
    harvests: Sequence[HarvestRehearsal],
    place: Workplace,
    space: Space | None = None,
    settings: Sequence[SettingRehearsal] = (),
    outer: str = "",
) -> tuple[str, ...]:
    """Build the network of a trial, and perform its halts with untrained networks.

    Args:
        first: the tasks of members of the first generation, with network, training and data; in a
            search all of them, of which the first that can be built are gone on with.
        halts: each one with settings of its own.
        harvests: likewise.
        place: where plug-ins are looked for; nothing is written below its root.
        space: of a search; a user's own builder must use every choice.
        settings: other settings of the optimiser than the first's.
        outer: the name of an arm with an optimiser over the epochs, for the message.

    Returns:
        Remarks: on a search some of whose combinations cannot be built, and on what is meant to
        vary and does not.

    Raises:
        UserError: builder, optimizer, loss, an operator or its settings are wrong, or a layer
            cannot be aligned where that is asked for; in one line.
    """
    remarks: tuple[str, ...] = ()
    if space is not None:
        remarks = tuple(
            f"members with combinations of the space that cannot be built fail: {each}"
            for each in check_extremes(first[0], space, place)
        )
        if is_plugin(first[0].network.builder):
            remarks += check_choices(first[0], space, place)
        first, failed = _built(first, max([1, *(halt.mate.parents for halt in halts)]), place)
        remarks += failed
    trainer = trainer_of(first[0], place)
    remarks += first_weights(trainer)
    for task in first:
        trainer_of(task, place).checks.takes_a_step()
        model = trainer_of(task, place).model
        Callbacks(task.training.callbacks, model, 1, Path(), place.search_path)
        one_rate = trainer_of(task, place).rate.is_one
        check_monitors(task.training.callbacks, metrics_of(model), one_rate)
        _set_rates(trainer_of(task, place), task)
        for asked in {each.harvest.objective for each in harvests}:
            _check_measured(asked, standard_names(metrics_of(model)))
    if outer:
        optimizers = [trainer_of(task, place).model.optimizer for task in first]
        with _named(outer):
            for optimizer in [*optimizers, *_searched_optimizers(space)]:
                check_optimizer(optimizer)
    # With genes that are known to make a network: what fails now is the arm's.
    of_arms = [(each.where, replace(each.task, genome=first[0].genome)) for each in settings]
    for where, task in of_arms:
        with _named(where):
            _takes_settings(trainer_of(task, place), task)
    with TemporaryDirectory(prefix="heterosis-") as root:
        # What a function of the user's own makes of an arm's settings may be another class.
        own = [task for _, task in of_arms if is_plugin(task.training.optimizer or "")]
        for task in [*first, *own]:
            _can_be_exported(trainer_of(task, place), task, place, Path(root))
        here = replace(place, root=root)
        networks = _networks(first, place, Path(root)) if halts else []
        for halt in halts:
            with _named(halt.where):
                told_of = _go_through(halt, networks, here, None if space is None else first[0])
            remarks += tuple(f"{halt.where}: {each}" for each in told_of)
    for last in harvests:
        with _named(last.where):
            if last.harvest.align != "none":
                _ = trainer.measures.spec
            if last.harvest.repair:
                _ = trainer.measures.unit_layers
    return remarks


def _searched_optimizers(space: Space | None) -> Iterator[Any]:
    import keras

    for gene in () if space is None else space.genes:
        if (gene.target, gene.name) == ("training", "optimizer"):
            assert isinstance(gene.domain, Choice)
            yield from map(keras.optimizers.get, gene.domain.values)


def _check_measured(asked: Objective, metrics: Collection[str]) -> None:
    if asked.name in metrics:
        return
    known = [f"{HELD_OUT}{name}" for name in metrics]
    raise UserError(
        f"training.fitness: the network has no metric {asked.name!r}; "
        f"{did_you_mean(f'{HELD_OUT}{asked.name}', known)}there are {', '.join(known)}, and each "
        f"with {WHOLE!r} in place of {HELD_OUT!r}; name others in training.metrics, or in the "
        "builder's own compile",
        code="training-setting",
    )


def _built(
    first: Sequence[TrainTask], needed: int, place: Workplace
) -> tuple[list[TrainTask], tuple[str, ...]]:
    """Return the first members that can be built, and why others before them cannot.

    Args:
        first: members that start anew.
        needed: members without which a halt has too few parents.
        place: where plug-ins are looked for.

    Raises:
        UserError: fewer than that can be built.
    """
    built: list[TrainTask] = []
    failed: list[UserError] = []
    remarks = []
    for task in first:
        try:
            trainer_of(task, place).checks.takes_a_step()
        except UserError as error:
            failed.append(error)
            remarks.append(f"member {task.member} will fail: {error}")
        else:
            built.append(task)
        if len(built) >= max(NETWORKS, needed):
            break
    if failed and not built:
        raise failed[0]
    if len(built) < min(needed, len(first)):
        raise UserError(
            f"space: only {len(built)} of {len(first)} members can be built, and a halt takes "
            f"{needed} parents: take the values that do not go together out, or raise population "
            f"({remarks[0]})",
            code="network-builder",
        )
    return built[:NETWORKS], tuple(remarks)


def _takes_settings(trainer: Trainer, task: TrainTask) -> None:
    trainer.checks.takes_a_step()
    if task.family is not None:
        check_can_be_parted(trainer)
    asked = task.training.optimizer_params.get("weight_decay")
    # Keras scales losses by an optimiser around the other, which itself has none.
    found = [getattr(each, "weight_decay", None) for each in parts(trainer.model.optimizer)]
    if asked is not None and all((each or 0.0) != asked for each in found):
        name = task.training.optimizer
        why = (
            f"network {task.network.builder!r} compiles itself; name training.optimizer, which "
            "replaces the network's own, with the learning rate that the network was compiled with "
            "in training.optimizer_params"
            if name is None
            else f"training.optimizer {name!r} takes it and does not hand it on"
        )
        raise UserError(
            f"weight_decay = {asked} is set, by the arm or its recipe, and the optimiser has "
            f"{found[-1]}: {why}",
            code="training-setting",
        )


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


def _can_be_exported(trainer: Trainer, task: TrainTask, place: Workplace, root: Path) -> None:
    """Check that a champion could be written and opened again: what comes last in a run."""
    training = phenotype(task.network, task.training, task.genome)[1]
    opened = saved_and_opened(trainer, root / CHAMPION, training, place)
    if not trainer.checks.agrees_with(opened):
        raise UserError(
            f"network {task.network.builder!r} cannot be a champion: Keras writes it to a file and "
            "opens that again, and then its outputs are others: let get_config of its own classes "
            "return all that their __init__ takes",
            code="champion",
        )
    if told_of := trainer.checks.judged_otherwise(opened):
        raise UserError(
            f"network {task.network.builder!r} cannot be a champion: Keras writes it to a file and "
            f"opens that again, and {told_of}: give losses and metrics of your own names that none "
            "of Keras's has, and let their get_config return all that their __init__ takes",
            code="champion",
        )


@contextmanager
def _named(where: str) -> Iterator[None]:
    try:
        yield
    except HeterosisError as error:
        raise UserError(f"{where}: {' '.join(str(error).split())}", code=error.code) from error
    except (Exception, SystemExit) as error:  # an operator of the user's own
        raise UserError(f"{where}: {told(error)}", code="plugin-raised") from error


def _networks(
    first: Sequence[TrainTask], place: Workplace, root: Path
) -> list[tuple[CheckpointRef, Genome]]:
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


def _go_through(
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
            *mutation_acts(task, start, place, trainer, made.weights),
            *units_are_chosen(start, trainer, made.weights),
        )
    if isinstance(start, Survive):
        _goes_on(trainer, replace(halt.before, genome=child.genome), place)
    remarks += _teachers_weigh(trainer, task, halt.weight_of_numbers)
    _takes_settings(trainer, task)
    _set_rates(trainer, task)
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


def _set_rates(trainer: Trainer, task: TrainTask) -> None:
    for rate in task.rates:
        trainer.rate.multiply(rate)


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
