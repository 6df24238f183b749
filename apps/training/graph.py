"""Epochs and evaluation as one graph each: a loop over the batches that calls the model's steps.

`keras.Model.fit` spends most of its time between the steps when networks are small. Here one
epoch is one `tf.function`: a loop over the batches that gathers from the data held in memory and
calls the model's own `train_step`. XLA makes a faster program of it for networks without
convolutions, and takes seconds to make it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from apps.datasets.arrays import listed, mapped
from apps.errors import UserError
from apps.messages.specs import EngineName
from apps.training.batch_norm import RunningMeans
from apps.training.data_parts import EVALUATION_BATCH, PartName, Parts, each
from apps.training.kernel_updates import one_kernel_updates, undistributed
from apps.training.threefry import threefry

if TYPE_CHECKING:
    import tensorflow as tf

_BLOCK: Final = 10 * EVALUATION_BATCH


class Graph:
    """An engine: TensorFlow graphs, each traced at its first use. Training data must be arrays."""

    name: ClassVar[EngineName] = "graph"
    told: ClassVar[str] = "a graph without XLA"
    _by_xla = False

    def __init__(self, model: Any, parts: Parts, batch_size: int, running: RunningMeans) -> None:
        """Take what is trained, and on what."""
        self._model = model
        self._parts = parts
        self._batch_size = batch_size
        self._running = running
        self._evaluate_block = self._evaluation_program()
        if not parts.in_batches:
            samples = parts.size("train")
            self._train_epochs = {samples: self._training_program(samples)}
            self._measure_all = self._statistics_program(samples)

    def train(self, order: NDArray[np.int64]) -> dict[str, float]:
        """Train one epoch, or a part of one: a program for each number of samples."""
        import tensorflow as tf

        self._model.reset_metrics()
        if len(order) not in self._train_epochs:
            self._train_epochs[len(order)] = self._training_program(len(order))
        train_epoch = self._train_epochs[len(order)]
        with threefry() if self._by_xla else nullcontext():
            train_epoch(self._parts.lessons(), tf.constant(order, tf.int32))
        return metrics_of(self._model)

    def evaluate(self, part: PartName) -> dict[str, float]:
        """Return loss and metrics on a whole part."""
        fields = self._parts.tensors(part)
        samples = self._parts.size(part)
        self._model.reset_metrics()
        for start in range(0, samples, _BLOCK):
            end = min(start + _BLOCK, samples)
            self._evaluate_block(each(itemgetter(slice(start, end)), fields))
        results = metrics_of(self._model)
        self._model.reset_metrics()
        return results

    def measure_statistics(self) -> None:
        """Show the running statistics the training data, batch after batch."""
        self._measure_all(self._parts.tensors("train")[0])

    def _training_program(self, samples: int) -> Any:
        import tensorflow as tf

        size = self._batch_size
        full, rest = divmod(samples, size)
        optimizer = self._model.optimizer
        updates = nullcontext if self._by_xla else one_kernel_updates

        def step(batch: Any) -> None:
            with undistributed(optimizer), updates(optimizer), self._parts.steps():
                self._model.train_step(batch)

        @tf.function(jit_compile=self._by_xla)
        def train_epoch(fields: Any, order: tf.Tensor) -> None:
            if full:  # A loop that never runs is compiled all the same.
                for index in tf.range(full):
                    chosen = tf.slice(order, [index * size], [size])
                    step(self._gathered(fields, chosen))
            if rest:
                step(self._gathered(fields, order[full * size :]))

        return train_epoch

    def _evaluation_program(self) -> Any:
        import tensorflow as tf

        step = self._model.test_step

        @tf.function
        def evaluate_block(fields: Any) -> None:
            full, rest = divmod(listed(fields[0])[0].shape[0], EVALUATION_BATCH)
            if full:
                for index in tf.range(full):
                    chosen = index * EVALUATION_BATCH + tf.range(EVALUATION_BATCH)
                    step(self._gathered(fields, chosen))
            if rest:
                x, *others = each(lambda tensor: tensor[-rest:], fields)
                step((self._parts.inputs(x), *others))

        return evaluate_block

    def _statistics_program(self, samples: int) -> Any:
        import tensorflow as tf

        size = self._batch_size
        full, rest = divmod(samples, size)
        include = self._running.include

        @tf.function
        def measure_all(x: Any) -> None:
            if full:
                for index in tf.range(full):
                    chosen = index * size + tf.range(size)
                    (taken,) = self._gathered((x,), chosen)
                    include(taken)
            if rest:
                last = mapped(lambda tensor: tensor[-rest:], x)
                include(self._parts.inputs(last))

        return measure_all

    def _gathered(self, fields: Any, chosen: tf.Tensor) -> Any:
        import tensorflow as tf

        x, *others = each(lambda tensor: tf.gather(tensor, chosen), fields)
        return (self._parts.inputs(x), *others)


class Xla(Graph):
    """An engine: an epoch of training as one XLA program, all else as `Graph` does it."""

    name: ClassVar[EngineName] = "xla"
    told: ClassVar[str] = "XLA"
    _by_xla = True


def metrics_of(model: Any) -> dict[str, float]:
    """Return a model's metrics as they stand; of one that is several by name, each of these.

    Raises:
        UserError: one of them is of several numbers, or two have one name.
    """
    found: dict[str, Any] = {}
    for name, value in model.get_metrics_result().items():
        # As Keras does it when it hands them to callbacks.
        each = value if isinstance(value, Mapping) else {name: value}
        if twice := found.keys() & each.keys():
            raise UserError(
                f"training.metrics: {name!r} has a value {min(twice)!r}, which another metric is "
                "called: give it another name",
                code="training-setting",
            )
        found |= {key: np.asarray(number) for key, number in each.items()}
    for name, value in found.items():
        if value.size != 1:
            raise UserError(
                f"training.metrics: {name!r} is of {value.size} numbers, and a table takes one: "
                'say its mean, as a function of yours does with keras.metrics.F1Score("macro")',
                code="training-setting",
            )
    return {name: float(value.reshape(())) for name, value in found.items()}
