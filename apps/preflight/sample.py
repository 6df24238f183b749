"""What a network costs on this machine: two epochs of it, before a run is estimated."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from apps.datasets.arrays import Array, Samples, mapped
from apps.datasets.load import load_dataset
from apps.genetics import averaging
from apps.messages.tasks import TrainTask, Workplace
from apps.records.checkpoints import Checkpoint
from apps.tasks.train import final_metrics, one_epoch, trainer_of
from apps.training.outer_momentum import Outer
from apps.training.trainer import Trainer, forget_trainers

_Made = TypeVar("_Made")

_AN_ARRAY: Final = 128
"""Bytes that an array takes in a file beside its values and, twice, its name; never fewer."""


@dataclass(frozen=True)
class Sizes:
    """Upper bounds of the bytes that files of a network take.

    Attributes:
        weights: of a file of its weights alone.
        training: what a checkpoint has beside: states of optimiser and random layers, and weights
            that training ends with where they are not those of its last step.
        average: what a running average adds.
        outer: what the momentum of an optimiser over the epochs adds.
        predictions: of a file of what teachers predict; 0 where none teach.
    """

    weights: int
    training: int = 0
    average: int = 0
    outer: int = 0
    predictions: int = 0

    def checkpoint(self, task: TrainTask) -> int:
        """Return the size of a task's checkpoint."""
        average = self.average if task.average is not None else 0
        outer = self.outer if task.outer is not None else 0
        return self.weights + self.training + average + outer


@dataclass(frozen=True)
class Sample:
    """The cost of a network on this machine.

    Attributes:
        made_s: seconds to build and compile one of a new architecture.
        epoch_s: seconds an epoch.
        task_s: seconds that a task takes beside.
        engine: what trains it, and why.
        sizes: of what is stored of it.
    """

    made_s: float
    epoch_s: float
    task_s: float
    engine: str
    sizes: Sizes


def sample_training(task: TrainTask, place: Workplace, teaches: bool = False) -> Sample:
    """Train a fresh network for two epochs and measure it; nothing is stored.

    What the first epoch and the first evaluation take longer than the second ones is compilation.

    Args:
        task: what trains it.
        place: where plug-ins are looked for.
        teaches: whether its predictions are measured too.

    Raises:
        UserError: network and data do not fit together.
    """
    forget_trainers()  # what a rehearsal has built would not be built again
    data = load_dataset(task.data, task.seed, place.search_path)
    built_s, trainer = _timed(lambda: trainer_of(task, place))
    begun_s, begun = _timed(lambda: trainer.blueprint.initial_weights(0))
    trainer.member.load(Checkpoint(begun), np.random.default_rng(0))
    trainer.rate.multiply(1.0)
    outer = Outer(task.outer, {})
    first, second = (one_epoch(trainer, task, epoch, outer, place) for epoch in (0, 1))
    ends_s = [_timed(lambda: final_metrics(trainer, second.metrics))[0] for _ in range(2)]
    compiled_s = first.wall_s - second.wall_s + ends_s[0] - ends_s[1]
    return Sample(
        made_s=built_s + max(0.0, compiled_s),
        epoch_s=second.wall_s / task.relatives,
        task_s=begun_s + ends_s[1],
        engine=f"{trainer.engine.engine} ({trainer.engine.reason})",
        sizes=_sizes(trainer, data.train if teaches else None),
    )


def _sizes(trainer: Trainer, taught: object) -> Sizes:
    state, ended = trainer.member.state(), trainer.member.end_training(lambda: None)
    return Sizes(
        weights=_AN_ARRAY + _bytes_of(state.weights),
        training=sum(map(_bytes_of, (state.optimizer, state.random, ended))),
        average=_bytes_of(averaging.start(state.weights)),
        outer=_bytes_of(state.weights),
        predictions=_prediction_bytes(trainer, taught) if isinstance(taught, Samples) else 0,
    )


def _bytes_of(arrays: Mapping[str, Array]) -> int:
    return sum(_AN_ARRAY + 2 * len(name) + array.nbytes for name, array in arrays.items())


def _prediction_bytes(trainer: Trainer, taught: Samples) -> int:
    import keras

    one = trainer.model.predict_on_batch(mapped(lambda array: array[:1], taught.x))
    outputs = keras.tree.flatten(one)
    values = len(taught) * sum(np.size(output) for output in outputs)
    return _AN_ARRAY * (1 + len(outputs)) + np.dtype(np.float32).itemsize * values


def _timed(work: Callable[[], _Made]) -> tuple[float, _Made]:
    began = time.perf_counter()
    made = work()
    return time.perf_counter() - began, made
