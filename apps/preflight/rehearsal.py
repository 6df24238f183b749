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
from typing import Any

from apps.errors import HeterosisError, UserError, did_you_mean
from apps.genetics.domains import Choice
from apps.genetics.genes import Space
from apps.messages.objective import HELD_OUT, WHOLE, Objective
from apps.messages.specs import phenotype
from apps.messages.tasks import (
    HarvestTask,
    TrainTask,
    Workplace,
)
from apps.plugins.load import is_plugin, told
from apps.preflight.own_settings import set_rates, takes_settings
from apps.preflight.rehearsed_halts import NETWORKS, HaltRehearsal, go_through, stored_networks
from apps.preflight.search_space import check_choices, check_extremes
from apps.preflight.variation import first_weights
from apps.records.run_dir import CHAMPION
from apps.tasks.export import saved_and_opened
from apps.tasks.train import trainer_of
from apps.training.callbacks import Callbacks, check_monitors
from apps.training.graph import metrics_of
from apps.training.measures import standard_names
from apps.training.outer_momentum import check_optimizer
from apps.training.trainer import Trainer


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
        set_rates(trainer_of(task, place), task)
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
            takes_settings(trainer_of(task, place), task)
    with TemporaryDirectory(prefix="heterosis-") as root:
        # What a function of the user's own makes of an arm's settings may be another class.
        own = [task for _, task in of_arms if is_plugin(task.training.optimizer or "")]
        for task in [*first, *own]:
            _can_be_exported(trainer_of(task, place), task, place, Path(root))
        here = replace(place, root=root)
        networks = stored_networks(first, place, Path(root)) if halts else []
        for halt in halts:
            with _named(halt.where):
                told_of = go_through(halt, networks, here, None if space is None else first[0])
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
