"""The training loop: a whole epoch as one XLA program, or Keras's `fit` where that cannot be.

`keras.Model.fit` spends most of its time between the steps when networks are small. Here one
epoch is one `tf.function(jit_compile=True)`: a loop over the batches that gathers from the data
held in memory and calls the model's own `train_step`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from apps.datasets import Dataset
from apps.errors import first_line
from apps.networks import Array
from apps.refreshing import RunningMeans

if TYPE_CHECKING:
    import tensorflow as tf

Part = Literal["train", "validation", "test", "probe"]
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
_WHOLE: Final = slice(None)

_tensor_lock = threading.Lock()
_tensor_cache: OrderedDict[bytes, dict[str, tuple[Any, Any]]] = OrderedDict()


class Loop:
    """Trains and evaluates what is in a model, on data held in memory.

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
        if self._fused:
            self._train_epoch = self._compile_training()
            self._evaluate_block = self._compile_evaluation()
            self._measure_all = self._compile_statistics()
        else:
            self.remarks.append(f"{_BY_KERAS['training']}: the model was compiled to run eagerly")

    def run_epoch(self, order: NDArray[np.int64]) -> dict[str, float]:
        """Train one epoch and return its metrics, running means over the batches.

        Args:
            order: the samples of each step, one batch after another [samples].
        """
        return self._fused_or_fit(
            "training", lambda: self._fused_epoch(order), lambda: self._fit_epoch(order)
        )

    def evaluate(self, part: Part) -> dict[str, float]:
        """Return loss and metrics on a whole part of the data; the state stays as it is."""
        return self._fused_or_fit(
            "evaluation", lambda: self._fused_evaluation(part), lambda: self._fit_evaluation(part)
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
        return _evaluate(model, *self.arrays("test"))

    def arrays(self, part: Part, chosen: slice = _WHOLE) -> tuple[Array, Array]:
        """Return inputs, as they are batched, and targets of a part, or of a slice of it."""
        if part == "probe":
            part, chosen = "train", slice(_BLOCK)
        x = getattr(self._data, f"x_{part}")[chosen]
        y = getattr(self._data, f"y_{part}")[chosen]
        scale = self._data.input_scale
        return (x if scale == 1.0 else x.astype(np.float32) * np.float32(scale)), y

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
        self._train_epoch(*self._tensors["train"], tf.constant(order, tf.int32))
        return self.metrics()

    def _fused_evaluation(self, part: Part) -> dict[str, float]:
        x, y = self._tensors["train" if part == "probe" else part]
        if part == "probe":
            x, y = x[:_BLOCK], y[:_BLOCK]
        self._model.reset_metrics()
        for start in range(0, len(x), _BLOCK):
            self._evaluate_block(x[start : start + _BLOCK], y[start : start + _BLOCK])
        results = self.metrics()
        self._model.reset_metrics()
        return results

    def _fused_statistics(self) -> None:
        self._measure_all(self._tensors["train"][0])

    def _plain_statistics(self) -> None:
        samples = len(self._data.x_train)
        for seen in range(0, samples, self._batch_size):
            end = min(seen + self._batch_size, samples)
            self._running.include(self.arrays("train", slice(seen, end))[0], seen / end)

    def _fit_epoch(self, order: NDArray[np.int64]) -> dict[str, float]:
        x, y = self.arrays("train")
        history = self._model.fit(
            x[order], y[order], batch_size=self._batch_size, shuffle=False, verbose=0
        )
        return {name: float(values[-1]) for name, values in history.history.items()}

    def _fit_evaluation(self, part: Part) -> dict[str, float]:
        return _evaluate(self._model, *self.arrays(part))

    def _compile_training(self) -> Any:
        import tensorflow as tf

        size = self._batch_size
        full, rest = divmod(len(self._data.x_train), size)
        step = self._model.train_step

        @tf.function(jit_compile=True)
        def train_epoch(x: tf.Tensor, y: tf.Tensor, order: tf.Tensor) -> None:
            if full:  # A loop that never runs is compiled all the same.
                for index in tf.range(full):
                    chosen = tf.slice(order, [index * size], [size])
                    step((self._inputs(tf.gather(x, chosen)), tf.gather(y, chosen)))
            if rest:
                chosen = order[full * size :]
                step((self._inputs(tf.gather(x, chosen)), tf.gather(y, chosen)))

        return train_epoch

    def _compile_evaluation(self) -> Any:
        import tensorflow as tf

        step = self._model.test_step

        @tf.function(jit_compile=True)
        def evaluate_block(x: tf.Tensor, y: tf.Tensor) -> None:
            full, rest = divmod(x.shape[0], EVALUATION_BATCH)
            if full:
                for index in tf.range(full):
                    chosen = index * EVALUATION_BATCH + tf.range(EVALUATION_BATCH)
                    step((self._inputs(tf.gather(x, chosen)), tf.gather(y, chosen)))
            if rest:
                step((self._inputs(x[-rest:]), y[-rest:]))

        return evaluate_block

    def _compile_statistics(self) -> Any:
        import tensorflow as tf

        size, samples = self._batch_size, len(self._data.x_train)
        full, rest = divmod(samples, size)
        include = self._running.include

        @tf.function(jit_compile=True)
        def measure_all(x: tf.Tensor) -> None:
            if full:
                for index in tf.range(full):
                    chosen = index * size + tf.range(size)
                    include(self._inputs(tf.gather(x, chosen)), index / (index + 1))
            if rest:
                include(self._inputs(x[-rest:]), full * size / samples)

        return measure_all

    def _inputs(self, x: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        if self._data.input_scale == 1.0:
            return x
        return tf.cast(x, tf.float32) * np.float32(self._data.input_scale)


def _tensors(data: Dataset, key: bytes) -> dict[str, tuple[Any, Any]]:
    import tensorflow as tf

    parts = ("train", "validation", "test")
    with _tensor_lock:
        if key not in _tensor_cache:
            _tensor_cache[key] = {
                part: (
                    tf.constant(getattr(data, f"x_{part}")),
                    tf.constant(getattr(data, f"y_{part}")),
                )
                for part in parts
            }
            while len(_tensor_cache) > 2:
                _tensor_cache.popitem(last=False)
        return _tensor_cache[key]


def _evaluate(model: Any, x: Array, y: Array) -> dict[str, float]:
    results = model.evaluate(x, y, batch_size=EVALUATION_BATCH, verbose=0, return_dict=True)
    return {name: float(value) for name, value in results.items()}
