"""The epochs of a member and its evaluation, each by the engine that can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from apps.datasets.batches import Batches
from apps.errors import first_line
from apps.training.batch_norm import RunningMeans
from apps.training.data_parts import PartName, Parts
from apps.training.fit import Fit
from apps.training.fused import Fused

_Work = Literal["training", "evaluation", "statistics"]
_BY_KERAS: Final[dict[_Work, str]] = {
    "training": "trained by keras.Model.fit",
    "evaluation": "evaluated by keras.Model.evaluate",
    "statistics": "running statistics measured batch by batch",
}

_Result = TypeVar("_Result")


class Engine(Protocol):
    """A way to go through the data with the model that it was made for."""

    def train(self, order: NDArray[np.int64]) -> dict[str, float]:
        """Train one epoch; return its metrics, running means over the batches."""
        ...

    def evaluate(self, part: PartName) -> dict[str, float]:
        """Return loss and metrics on a whole part of the data; the state stays as it is."""
        ...

    def measure_statistics(self) -> None:
        """Show the model's running statistics the training data in one pass."""
        ...


class Loop:
    """Trains and evaluates what is in a model.

    Data held in memory are gone through by compiled programs, data in batches by Keras.

    Attributes:
        remarks: what the user should know, for example why training is not fused.
    """

    def __init__(
        self,
        model: Any,
        parts: Parts,
        batch_size: int,
        snapshot: Callable[[], Callable[[], None]],
    ) -> None:
        """Compile nothing yet: that happens at the first epoch and the first evaluation.

        Args:
            model: a built and compiled Keras model.
            parts: what it learns.
            batch_size: samples a step.
            snapshot: remembers the member's state and returns what puts it back.
        """
        self.remarks: list[str] = []
        self._parts = parts
        self._snapshot = snapshot
        self._running = RunningMeans(model)
        self._fit = Fit(model, parts, batch_size, self._running)
        self._engines: dict[_Work, Engine] = dict.fromkeys(_BY_KERAS, self._fit)
        self._proven: set[_Work] = set()
        if model.run_eagerly:
            self.remarks.append(f"{_BY_KERAS['training']}: the model was compiled to run eagerly")
            return
        fused = Fused(model, parts, batch_size, self._running)
        self._engines["evaluation"] = fused
        if parts.in_batches:
            self.remarks.append(f"{_BY_KERAS['training']}: the data come in batches")
        else:
            self._engines |= {"training": fused, "statistics": fused}

    def run_epoch(self, order: NDArray[np.int64]) -> dict[str, float]:
        """Train one epoch and return its metrics, running means over the batches.

        Args:
            order: of the training data's `order`: for arrays the samples of each step, one batch
                after another [samples].
        """
        return self._by_engine("training", lambda engine: engine.train(order))

    def evaluate(self, part: PartName) -> dict[str, float]:
        """Return loss and metrics on a whole part of the data; the state stays as it is."""
        if part != "probe" and isinstance(self._parts[part], Batches):
            return self._fit.evaluate(part)
        return self._by_engine("evaluation", lambda engine: engine.evaluate(part))

    def measure_statistics(self) -> None:
        """Measure the model's running statistics anew, in one pass over the training set.

        Those of batch normalisation become means over all samples, whatever they were before. A
        layer of another kind updates its own as in an epoch of training, from where they stand.
        """
        self._running.forget()
        self._by_engine("statistics", lambda engine: engine.measure_statistics())
        self._running.conclude()

    def evaluate_other(self, model: Any) -> dict[str, float]:
        """Return loss and metrics of another compiled model on the test set, by Keras itself."""
        return self._fit.evaluate_other(model, "test")

    def _by_engine(self, work: _Work, done_by: Callable[[Engine], _Result]) -> _Result:
        import tensorflow as tf

        engine = self._engines[work]
        if engine is self._fit or work in self._proven:
            return done_by(engine)
        restore = self._snapshot()
        try:
            results = done_by(engine)
        except (MemoryError, tf.errors.ResourceExhaustedError):
            raise  # It says nothing about the model, whose numbers must not depend on the machine.
        except Exception as error:
            # Python in the model's step, or an operation that XLA lacks: fit knows both.
            self._engines[work] = self._fit
            restore()
            self.remarks.append(f"{_BY_KERAS[work]}, not fused: {first_line(error)}")
            return done_by(self._fit)
        self._proven.add(work)
        return results
