"""Epochs and evaluation over data in batches, as one graph each: a loop over their iterator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from apps.datasets.batches import Batches
from apps.messages.specs import EngineName
from apps.training.batch_norm import RunningMeans
from apps.training.data_parts import PartName, Parts
from apps.training.fit import Fit
from apps.training.graph import Graph, metrics_of
from apps.training.kernel_updates import one_kernel_updates, undistributed

if TYPE_CHECKING:
    import tensorflow as tf


class BatchGraph(Fit):
    """An engine: as `Graph`, but the batches are read while they are gone through.

    Running statistics are measured batch by batch, as `Fit` does it.
    """

    name: ClassVar[EngineName] = Graph.name
    told: ClassVar[str] = Graph.told

    def __init__(self, model: Any, parts: Parts, batch_size: int, running: RunningMeans) -> None:
        """Take what is trained, and on what."""
        super().__init__(model, parts, batch_size, running)
        self._train_all = self._training_program()
        self._evaluate_all = self._evaluation_program()

    def train(self, order: NDArray[np.int64]) -> dict[str, float]:
        """Train one epoch."""
        train = self._parts["train"]
        assert isinstance(train, Batches)
        self._model.reset_metrics()
        with train.reading(order) as batches:
            steps = int(self._train_all(iter(batches)))
        train.counted(steps)
        return metrics_of(self._model)

    def evaluate(self, part: PartName) -> dict[str, float]:
        """Return loss and metrics on a whole part that comes in batches."""
        found = self._parts[part]
        assert isinstance(found, Batches)
        self._model.reset_metrics()
        with found.reading() as batches:
            self._evaluate_all(iter(batches))
        results = metrics_of(self._model)
        self._model.reset_metrics()
        return results

    def _training_program(self) -> Any:
        import tensorflow as tf

        optimizer = self._model.optimizer

        @tf.function(reduce_retracing=True)
        def train_all(batches: Any) -> tf.Tensor:
            steps = tf.constant(0)
            for batch in batches:
                with undistributed(optimizer), one_kernel_updates(optimizer):
                    self._model.train_step(batch)
                steps += 1
            return steps

        return train_all

    def _evaluation_program(self) -> Any:
        import tensorflow as tf

        step = self._model.test_step

        @tf.function(reduce_retracing=True)
        def evaluate_all(batches: Any) -> None:
            for batch in batches:
                step(batch)

        return evaluate_all
