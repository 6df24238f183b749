"""What a network costs on this machine: two epochs of it, before a run is estimated."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from apps.datasets.load import load_dataset
from apps.messages.tasks import TrainTask, Workplace
from apps.records.checkpoints import Checkpoint
from apps.tasks.train import final_metrics, one_epoch, trainer_of
from apps.training.outer_momentum import Outer
from apps.training.trainer import forget_trainers

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Sample:
    """The cost of a network on this machine.

    Attributes:
        made_s: seconds to build and compile one of a new architecture.
        epoch_s: seconds an epoch.
        task_s: seconds that a task takes beside.
        checkpoint_bytes: size of its checkpoint.
        engine: what trains it, and why.
    """

    made_s: float
    epoch_s: float
    task_s: float
    checkpoint_bytes: int
    engine: str


def sample_training(task: TrainTask, place: Workplace) -> Sample:
    """Train a fresh network for two epochs and measure it; nothing is stored.

    What the first epoch and the first evaluation take longer than the second ones is compilation.

    Raises:
        UserError: network and data do not fit together.
    """
    forget_trainers()  # what a rehearsal has built would not be built again
    load_dataset(task.data, task.seed, place.search_path)
    built_s, trainer = _timed(lambda: trainer_of(task, place))
    begun_s, begun = _timed(lambda: trainer.blueprint.initial_weights(0))
    trainer.member.load(Checkpoint(begun), np.random.default_rng(0))
    trainer.rate.multiply(1.0)
    outer = Outer(task.outer, {})
    first, second = (one_epoch(trainer, task, epoch, outer, place) for epoch in (0, 1))
    ends_s = [_timed(lambda: final_metrics(trainer, second.metrics))[0] for _ in range(2)]
    state = trainer.member.state()
    arrays = [*state.weights.values(), *state.optimizer.values(), *state.random.values()]
    compiled_s = first.wall_s - second.wall_s + ends_s[0] - ends_s[1]
    return Sample(
        made_s=built_s + max(0.0, compiled_s),
        epoch_s=second.wall_s,
        task_s=begun_s + ends_s[1],
        checkpoint_bytes=sum(array.nbytes for array in arrays),
        engine=f"{trainer.engine.engine} ({trainer.engine.reason})",
    )


def _timed(work: Callable[[], _Made]) -> tuple[float, _Made]:
    began = time.perf_counter()
    made = work()
    return time.perf_counter() - began, made
