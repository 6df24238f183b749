"""Epochs and evaluation by Keras itself: what no fused program can do."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from apps.datasets.arrays import Samples, mapped
from apps.datasets.batches import Batches
from apps.messages.specs import EngineName
from apps.networks.optimizers import unfinished
from apps.training.batch_norm import RunningMeans
from apps.training.data_parts import EVALUATION_BATCH, PartName, Parts
from apps.training.teaching import Teaching


class Fit:
    """An engine: `keras.Model.fit` and `evaluate`, step after step."""

    name: ClassVar[EngineName] = "fit"
    told: ClassVar[str] = "keras.Model.fit"

    def __init__(self, model: Any, parts: Parts, batch_size: int, running: RunningMeans) -> None:
        """Take what is trained, and on what."""
        self._model = model
        self._parts = parts
        self._batch_size = batch_size
        self._running = running

    def train(self, order: NDArray[np.int64]) -> dict[str, float]:
        """Train one epoch; what `fit` does when training ends is left for then."""
        with unfinished(self._model.optimizer):
            return self._fitted(order)

    def _fitted(self, order: NDArray[np.int64]) -> dict[str, float]:
        import keras

        train = self._parts["train"]
        if isinstance(train, Batches):
            steps: list[int] = []
            counting = keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs: steps.append(batch)
            )
            with train.reading(order) as batches:
                history = self._model.fit(batches, shuffle=False, verbose=0, callbacks=[counting])
            train.counted(len(steps))
        elif self._parts.teaching is not None:
            history = self._taught(train[order], self._parts.teaching, order)
        else:
            x, y, *weights = self._parts.scaled(train[order]).fields
            history = self._model.fit(
                x,
                y,
                sample_weight=weights[0] if weights else None,
                batch_size=self._batch_size,
                shuffle=False,
                verbose=0,
            )
        return {name: float(values[-1]) for name, values in history.history.items()}

    def _taught(self, samples: Samples, teaching: Teaching, order: NDArray[np.int64]) -> Any:
        import tensorflow as tf

        fields = self._parts.scaled(samples).fields
        # Keras's own batches know one target a sample, not what is beside it.
        lessons = mapped(lambda tensor: tf.gather(tensor, order), teaching.lessons)
        x, y, *weights = fields
        batches = tf.data.Dataset.from_tensor_slices((x, (y, lessons), *weights))
        with self._parts.steps():
            return self._model.fit(batches.batch(self._batch_size), shuffle=False, verbose=0)

    def evaluate(self, part: PartName) -> dict[str, float]:
        """Return loss and metrics on a whole part."""
        return self.evaluate_other(self._model, part)

    def evaluate_other(self, model: Any, part: PartName) -> dict[str, float]:
        """Return loss and metrics of another compiled model on a whole part."""
        found = self._parts[part]
        if isinstance(found, Batches):
            with found.reading() as batches:
                results = model.evaluate(batches, verbose=0, return_dict=True)
        else:
            x, y, *weights = self._parts.scaled(found).fields
            results = model.evaluate(
                x,
                y,
                sample_weight=weights[0] if weights else None,
                batch_size=EVALUATION_BATCH,
                verbose=0,
                return_dict=True,
            )
        return {name: float(value) for name, value in results.items()}

    def measure_statistics(self) -> None:
        """Show the running statistics the training data, batch after batch."""
        train = self._parts["train"]
        if isinstance(train, Samples):
            size = self._batch_size
            for start in range(0, len(train), size):
                batch = self._parts.samples("train", slice(start, start + size))
                self._running.include(batch.x)
            return
        for batch in train:
            self._running.include(batch.x)
