"""The epochs of a member and its evaluation, each by the engine that can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from apps.datasets.batches import Batches
from apps.errors import UserError, first_line
from apps.messages.specs import EngineName, TrainingSpec
from apps.training.batch_graph import BatchGraph
from apps.training.batch_norm import RunningMeans
from apps.training.data_parts import PartName, Parts
from apps.training.engine_choice import EngineChoice, choose, loop_of_its_own, profile_of
from apps.training.fit import Fit
from apps.training.graph import Graph, Xla

_Work = Literal["training", "evaluation", "reading", "statistics"]
_BY_KERAS: Final[dict[_Work, str]] = {
    "training": f"trained by {Fit.told}",
    "evaluation": "evaluated by keras.Model.evaluate",
    "reading": "evaluated in batches by keras.Model.evaluate",
    "statistics": "running statistics measured batch by batch",
}

_Result = TypeVar("_Result")


class Engine(Protocol):
    """A way to go through the data with the model that it was made for: a training strategy.

    Attributes:
        name: by which an experiment asks for it.
        told: what it is, in a remark on what it did in place of another.
    """

    name: ClassVar[EngineName]
    told: ClassVar[str]

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
    """Trains and evaluates the member that a model holds.

    Data held in memory are gone through by XLA or graphs, data in batches by graphs. What the
    chosen engine cannot do, found out at its first use, the next one does: XLA, a graph, Keras.

    Attributes:
        choice: what trains, and why.
        remarks: what the user should know, for example why training is not fused.
    """

    def __init__(
        self,
        model: Any,
        parts: Parts,
        training: TrainingSpec,
        few_steps: bool,
        snapshot: Callable[[], Callable[[], None]],
    ) -> None:
        """Compile nothing yet: that happens at the first epoch and the first evaluation.

        Args:
            model: a built and compiled Keras model.
            parts: what it learns.
            training: batch size, and which engine is asked for.
            few_steps: whether the architecture is one of many, each trained for few steps.
            snapshot: saves the member's state and returns a function that restores it.
        """
        self.remarks: list[str] = []
        self._parts = parts
        self._snapshot = snapshot
        self._running = RunningMeans(model)
        given = (model, parts, training.batch_size, self._running)
        self._fit = Fit(*given)
        self._engines: dict[_Work, list[Engine]] = {work: [self._fit] for work in _BY_KERAS}
        self._proven: set[_Work] = set()
        self.choice = _choice(model, parts, training, few_steps)
        by_keras = model.run_eagerly or loop_of_its_own(model)
        if by_keras:
            self.remarks.append(f"{_BY_KERAS['training']}: {self.choice.reason}")
        if by_keras or training.engine == "fit":
            return
        graph = Graph(*given)
        streamed = BatchGraph(*given)
        self._engines["evaluation"].insert(0, graph)
        self._engines["reading"].insert(0, streamed)
        if parts.in_batches:
            self._engines["training"].insert(0, streamed)
        else:
            self._engines["statistics"].insert(0, graph)
            self._engines["training"].insert(0, graph)
            if self.choice.engine == "xla":
                self._engines["training"].insert(0, Xla(*given))

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
            return self._by_engine("reading", lambda engine: engine.evaluate(part))
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

        engine, *others = self._engines[work]
        if not others or work in self._proven:
            return done_by(engine)
        restore = self._snapshot()
        try:
            results = done_by(engine)
        except (MemoryError, tf.errors.ResourceExhaustedError):
            raise  # It says nothing about the model, whose numbers must not depend on the machine.
        except Exception as error:
            if isinstance(engine, BatchGraph) and isinstance(error, tf.errors.OpError | UserError):
                raise  # Nor does a batch that could not be read.
            # Python in the model's step, or an operation that XLA lacks: the next one may know it.
            self._engines[work] = others
            restore()
            self._remember(work, others[0], first_line(error))
            return self._by_engine(work, done_by)
        self._proven.add(work)
        return results

    def _remember(self, work: _Work, then: Engine, why: str) -> None:
        if then is self._fit:
            self.remarks.append(f"{_BY_KERAS[work]}, not fused: {why}")
        else:
            self.remarks.append(f"trained by {then.told}: {why}")
        if work == "training":
            self.choice = EngineChoice(then.name, f"the first choice failed: {why}")


def _choice(model: Any, parts: Parts, training: TrainingSpec, few_steps: bool) -> EngineChoice:
    import tensorflow as tf

    if model.run_eagerly:
        return EngineChoice("fit", "the model was compiled to run eagerly")
    if own := loop_of_its_own(model):
        return EngineChoice("fit", own)
    no_xla = "the data come in batches" if parts.in_batches else "inputs are text"
    if training.engine != "fit" and (parts.in_batches or parts.has_text):
        return EngineChoice("graph", no_xla)
    if training.engine != "auto":
        return EngineChoice(training.engine, f'training.engine = "{training.engine}"')
    if few_steps:
        return EngineChoice("graph", "a search trains an architecture for few steps")
    try:
        profile = profile_of(model, parts.samples("probe", slice(1)).x, training.batch_size)
    except Exception as error:
        return EngineChoice("graph", f"its operations are not known: {first_line(error)}")
    return choose(profile, gpu=bool(tf.config.list_physical_devices("GPU")))
