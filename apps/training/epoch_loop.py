"""The training loop: a whole epoch as one XLA program, or Keras's `fit` where that cannot be.

`keras.Model.fit` spends most of its time between the steps when networks are small. Here one
epoch is one `tf.function(jit_compile=True)`: a loop over the batches that gathers from the data
held in memory and calls the model's own `train_step`.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from apps.datasets.arrays import Samples, listed, mapped
from apps.datasets.batches import Batches
from apps.datasets.load import Dataset
from apps.errors import first_line
from apps.recent import Recent
from apps.training.batch_norm import RunningMeans
from apps.training.threefry import threefry

if TYPE_CHECKING:
    import tensorflow as tf

PartName = Literal["train", "validation", "test", "probe"]
"""Parts of the data; the probe is the beginning of the training set."""

_Work = Literal["training", "evaluation", "statistics"]
_BY_KERAS: Final[dict[_Work, str]] = {
    "training": "trained by keras.Model.fit",
    "evaluation": "evaluated by keras.Model.evaluate",
    "statistics": "running statistics measured batch by batch",
}

_Result = TypeVar("_Result")

EVALUATION_BATCH: Final = 500
_BLOCK: Final = 10 * EVALUATION_BATCH

_tensors_kept: Final[Recent[dict[str, tuple[Any, ...]]]] = Recent(most=2)


class Loop:
    """Trains and evaluates what is in a model.

    Data held in memory are gone through by compiled programs, data in batches by Keras.

    Attributes:
        remarks: what the user should know, for example why training is not fused.
    """

    def __init__(
        self,
        model: Any,
        data: Dataset,
        key: bytes,
        batch_size: int,
        snapshot: Callable[[], Callable[[], None]],
    ) -> None:
        """Compile nothing yet: that happens at the first epoch and the first evaluation.

        Args:
            model: a built and compiled Keras model.
            data: what it learns.
            key: names the data; threads share the tensors of equal keys.
            batch_size: samples a step.
            snapshot: remembers the member's state and returns what puts it back.
        """
        self.remarks: list[str] = []
        self._model = model
        self._data = data
        self._batch_size = batch_size
        self._snapshot = snapshot
        self._tensors = _tensors(data, key)
        self._running = RunningMeans(model)
        self._fused: set[_Work] = set() if model.run_eagerly else set(_BY_KERAS)
        self._proven: set[_Work] = set()
        if isinstance(data.train, Batches):
            self._fused -= {"training", "statistics"}
            self.remarks.append(f"{_BY_KERAS['training']}: the data come in batches")
        elif self._fused:
            self._train_epoch = self._compile_training(data.train)
            self._measure_all = self._compile_statistics(data.train)
        else:
            self.remarks.append(f"{_BY_KERAS['training']}: the model was compiled to run eagerly")
        if self._fused:
            self._evaluate_block = self._compile_evaluation()

    def run_epoch(self, order: NDArray[np.int64]) -> dict[str, float]:
        """Train one epoch and return its metrics, running means over the batches.

        Args:
            order: of the training data's `order`: for arrays the samples of each step, one batch
                after another [samples].
        """
        return self._fused_or_fit(
            "training", lambda: self._fused_epoch(order), lambda: self._fit_epoch(order)
        )

    def evaluate(self, part: PartName) -> dict[str, float]:
        """Return loss and metrics on a whole part of the data; the state stays as it is."""
        if part != "probe" and isinstance(self._part(part), Batches):
            return self._by_keras(self._model, part)
        return self._fused_or_fit(
            "evaluation",
            lambda: self._fused_evaluation(part),
            lambda: self._by_keras(self._model, part),
        )

    def measure_statistics(self) -> None:
        """Measure the model's running statistics anew, in one pass over the training set.

        Those of batch normalisation become means over all samples, whatever they were before. A
        layer of another kind updates its own as in an epoch of training, from where they stand.
        """
        self._running.forget()
        self._fused_or_fit("statistics", self._fused_statistics, self._plain_statistics)
        self._running.conclude()

    def evaluate_other(self, model: Any) -> dict[str, float]:
        """Return loss and metrics of another compiled model on the test set, by Keras itself."""
        return self._by_keras(model, "test")

    def samples(self, part: PartName, chosen: slice | None = None) -> Samples:
        """Return a part of the data, inputs as they are batched, or a slice of it.

        Of data in batches only the beginning can be had.
        """
        found = self._part(part)
        if isinstance(found, Batches):
            found = found.probe()
        return self._scaled(found if chosen is None else found[chosen])

    def metrics(self) -> dict[str, float]:
        """Return the model's metrics as they stand."""
        return {name: float(value) for name, value in self._model.get_metrics_result().items()}

    def _fused_or_fit(
        self, work: _Work, fused: Callable[[], _Result], fit: Callable[[], _Result]
    ) -> _Result:
        import tensorflow as tf

        if work not in self._fused:
            return fit()
        if work in self._proven:
            return fused()
        restore = self._snapshot()
        try:
            results = fused()
        except (MemoryError, tf.errors.ResourceExhaustedError):
            raise  # It says nothing about the model, whose numbers must not depend on the machine.
        except Exception as error:
            # Python in the model's step, or an operation that XLA lacks: fit knows both.
            self._fused.remove(work)
            restore()
            self.remarks.append(f"{_BY_KERAS[work]}, not fused: {first_line(error)}")
            return fit()
        self._proven.add(work)
        return results

    def _fused_epoch(self, order: NDArray[np.int64]) -> dict[str, float]:
        import tensorflow as tf

        self._model.reset_metrics()
        with threefry():
            self._train_epoch(self._tensors["train"], tf.constant(order, tf.int32))
        return self.metrics()

    def _fused_evaluation(self, part: PartName) -> dict[str, float]:
        fields = self._tensors[part if part in self._tensors else "train"]
        samples = len(self._part(part))
        self._model.reset_metrics()
        for start in range(0, samples, _BLOCK):
            end = min(start + _BLOCK, samples)
            self._evaluate_block(_each(itemgetter(slice(start, end)), fields))
        results = self.metrics()
        self._model.reset_metrics()
        return results

    def _fused_statistics(self) -> None:
        with threefry():
            self._measure_all(self._tensors["train"][0])

    def _plain_statistics(self) -> None:
        train = self._data.train
        if isinstance(train, Batches):
            seen = 0
            for batch in train:
                end = seen + len(batch)
                self._running.include(batch.x, seen / end)
                seen = end
            return
        samples = len(train)
        for seen in range(0, samples, self._batch_size):
            end = min(seen + self._batch_size, samples)
            self._running.include(self.samples("train", slice(seen, end)).x, seen / end)

    def _fit_epoch(self, order: NDArray[np.int64]) -> dict[str, float]:
        import keras

        train = self._data.train
        if isinstance(train, Batches):
            steps: list[int] = []
            counting = keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs: steps.append(batch)
            )
            history = self._model.fit(
                train.epoch(order), shuffle=False, verbose=0, callbacks=[counting]
            )
            train.counted(len(steps))
        else:
            x, y, *weights = self._scaled(train[order]).fields
            history = self._model.fit(
                x,
                y,
                sample_weight=weights[0] if weights else None,
                batch_size=self._batch_size,
                shuffle=False,
                verbose=0,
            )
        return {name: float(values[-1]) for name, values in history.history.items()}

    def _by_keras(self, model: Any, part: PartName) -> dict[str, float]:
        found = self._part(part)
        if isinstance(found, Batches):
            results = model.evaluate(found.whole(), verbose=0, return_dict=True)
        else:
            x, y, *weights = self._scaled(found).fields
            results = model.evaluate(
                x,
                y,
                sample_weight=weights[0] if weights else None,
                batch_size=EVALUATION_BATCH,
                verbose=0,
                return_dict=True,
            )
        return {name: float(value) for name, value in results.items()}

    def _part(self, part: PartName) -> Any:
        return getattr(self._data, part)

    def _scaled(self, samples: Samples) -> Samples:
        scale = self._data.input_scale
        if scale == 1.0:
            return samples
        x = mapped(lambda array: array.astype(np.float32) * np.float32(scale), samples.x)
        return Samples(x, samples.y, samples.weights)

    def _compile_training(self, train: Samples) -> Any:
        import tensorflow as tf

        size = self._batch_size
        full, rest = divmod(len(train), size)
        step = self._model.train_step

        @tf.function(jit_compile=True)
        def train_epoch(fields: Any, order: tf.Tensor) -> None:
            if full:  # A loop that never runs is compiled all the same.
                for index in tf.range(full):
                    chosen = tf.slice(order, [index * size], [size])
                    step(self._gathered(fields, chosen))
            if rest:
                step(self._gathered(fields, order[full * size :]))

        return train_epoch

    def _compile_evaluation(self) -> Any:
        import tensorflow as tf

        step = self._model.test_step

        @tf.function(jit_compile=True)
        def evaluate_block(fields: Any) -> None:
            full, rest = divmod(listed(fields[0])[0].shape[0], EVALUATION_BATCH)
            if full:
                for index in tf.range(full):
                    chosen = index * EVALUATION_BATCH + tf.range(EVALUATION_BATCH)
                    step(self._gathered(fields, chosen))
            if rest:
                x, *others = _each(lambda tensor: tensor[-rest:], fields)
                step((self._inputs(x), *others))

        return evaluate_block

    def _compile_statistics(self, train: Samples) -> Any:
        import tensorflow as tf

        size, samples = self._batch_size, len(train)
        full, rest = divmod(samples, size)
        include = self._running.include

        @tf.function(jit_compile=True)
        def measure_all(x: Any) -> None:
            if full:
                for index in tf.range(full):
                    chosen = index * size + tf.range(size)
                    (taken,) = self._gathered((x,), chosen)
                    include(taken, index / (index + 1))
            if rest:
                include(
                    self._inputs(mapped(lambda tensor: tensor[-rest:], x)), full * size / samples
                )

        return measure_all

    def _gathered(self, fields: Any, chosen: tf.Tensor) -> Any:
        import tensorflow as tf

        x, *others = _each(lambda tensor: tf.gather(tensor, chosen), fields)
        return (self._inputs(x), *others)

    def _inputs(self, x: Any) -> Any:
        import tensorflow as tf

        scale = self._data.input_scale
        if scale == 1.0:
            return x
        return mapped(lambda tensor: tf.cast(tensor, tf.float32) * np.float32(scale), x)


def _each(function: Callable[[Any], Any], fields: Any) -> tuple[Any, ...]:
    """Return `function` of every array of inputs, targets and weights."""
    return tuple(mapped(function, field) for field in fields)


def _tensors(data: Dataset, key: bytes) -> dict[str, tuple[Any, ...]]:
    import tensorflow as tf

    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    if isinstance(data.train, Batches):
        parts["probe"] = data.probe
    return _tensors_kept.get(
        key,
        lambda: {
            name: _each(tf.constant, part.fields)
            for name, part in parts.items()
            if isinstance(part, Samples)
        },
    )
