"""Before a run begins: is everything right that is otherwise seen on the workers only?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from apps.datasets.arrays import Samples
from apps.datasets.load import load_dataset
from apps.errors import UserError
from apps.messages.tasks import Workplace
from apps.preflight.rehearsal import NETWORKS, HaltRehearsal, HarvestRehearsal, rehearse
from workflow.driver.trial import TrialGraph, build_trial
from workflow.experiment.config import Experiment
from workflow.experiment.space import as_space

LEAST_HELD_OUT: Final = 10
"""Samples for validation, where it chooses; with fewer a choice is a lottery."""


def rehearse_experiment(source: Path | str, experiment: Experiment, place: Workplace) -> None:
    """Build an experiment's network and go through its halts with untrained networks.

    Args:
        source: the experiment's file or name, for messages.
        experiment: what is rehearsed.
        place: where plug-ins are looked for.

    Raises:
        UserError: something in the file is wrong that its own rules do not tell.
    """
    graph = build_trial(experiment, 0)
    new = [task for task in graph.training if task.first_epoch == 0]
    first = new[: 1 if experiment.space is None else NETWORKS]
    harvests = [
        HarvestRehearsal(f"arms.{arm}, harvest", harvest.task)
        for arm, harvest in graph.harvests.items()
    ]
    space = None if experiment.space is None else as_space(experiment.space)
    try:
        _check_validation(experiment, place)
        rehearse(first, list(_halts(graph)), harvests, place, space)
    except UserError as error:
        raise UserError(f"{source}: {error}", code=error.code) from error


def _check_validation(experiment: Experiment, place: Workplace) -> None:
    held_out = load_dataset(experiment.data, experiment.seed, place.search_path).validation
    if experiment.training.fitness != "val_loss" or not isinstance(held_out, Samples):
        return
    if len(held_out) < LEAST_HELD_OUT:
        raise UserError(
            f"data.validation: {len(held_out)} held-out samples are too few to choose networks by "
            f"their loss on them, at least {LEAST_HELD_OUT} are needed (and hundreds to tell "
            'networks apart); hold out more, or say training.fitness = "train_loss"',
            code="data-split",
        )


def _halts(graph: TrialGraph) -> Iterator[HaltRehearsal]:
    known: set[Any] = set()
    for arm, segments in graph.segments.items():
        for segment in segments:
            if segment.mating is None:
                continue
            mate, child = segment.mating.task, segment.members[0].task
            # One of each kind: when and by whom it was asked for changes nothing.
            kind = repr((replace(mate, epoch=0, folder=""), child.start))
            if kind not in known:
                known.add(kind)
                yield HaltRehearsal(f"arms.{arm}, halt after epoch {mate.epoch}", mate, child)
