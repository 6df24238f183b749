"""The parts of a data set as training takes them: scaled, and as tensors that threads share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from apps.datasets.arrays import Samples, is_text, listed, mapped
from apps.datasets.batches import Batches
from apps.datasets.dataset import Dataset
from apps.recent import Recent

if TYPE_CHECKING:
    from apps.training.teaching import Teaching

PartName = Literal["train", "validation", "test", "probe"]
"""Parts of the data; the probe is the beginning of the training set."""

EVALUATION_BATCH: Final = 500
"""Samples a step of evaluation."""

_tensors_kept: Final[Recent[dict[str, tuple[Any, ...]]]] = Recent(most=2)


class Parts:
    """What is learnt and what is held out.

    Attributes:
        in_batches: whether the training data come in batches, and not as arrays.
        teaching: what is learnt beside the labels.
        has_text: whether inputs are texts.
    """

    teaching: Teaching | None = None

    def __init__(self, data: Dataset, key: bytes) -> None:
        """Make tensors of the parts that are arrays.

        Args:
            data: all parts.
            key: identifies the data: threads share the tensors of equal keys.
        """
        self.data = data
        self.in_batches = isinstance(data.train, Batches)
        self.has_text = any(map(is_text, listed(data.probe.x)))
        self._tensors = _tensors(data, key)

    def __getitem__(self, part: PartName) -> Samples | Batches:
        """Return a part as it was loaded."""
        found: Samples | Batches = getattr(self.data, part)
        return found

    def size(self, part: PartName) -> int:
        """Return the number of samples of a part that is arrays."""
        found = self[part]
        if isinstance(found, Batches):
            raise TypeError(f"{part} comes in batches, which are not counted")
        return len(found)

    def samples(self, part: PartName, chosen: slice | None = None) -> Samples:
        """Return a part, inputs as they are batched, or a slice of it.

        Of data in batches only the first samples are available.
        """
        found = self[part]
        if isinstance(found, Batches):
            found = found.probe()
        return self.scaled(found if chosen is None else found[chosen])

    def scaled(self, samples: Samples) -> Samples:
        """Return samples with their inputs as the network takes them."""
        scale = self.data.input_scale
        if scale == 1.0:
            return samples
        x = mapped(lambda array: array.astype(np.float32) * np.float32(scale), samples.x)
        return Samples(x, samples.y, samples.weights)

    def order(
        self, rng: np.random.Generator, earlier: Iterable[np.random.Generator] = ()
    ) -> NDArray[np.int64]:
        """Return an order of the training data for one epoch; `earlier` are those before it."""
        return self.data.train.order(rng, earlier)

    def tensors(self, part: PartName) -> tuple[Any, ...]:
        """Return inputs, targets and weights of a part that is arrays, as tensors, not scaled.

        Those of a probe may be the whole training set: its beginning is the probe.
        """
        return self._tensors[part if part in self._tensors else "train"]

    def lessons(self) -> tuple[Any, ...]:
        """Return the training set as `tensors`, with what is taught beside the targets."""
        fields = self.tensors("train")
        return fields if self.teaching is None else self.teaching.fields(fields)

    def steps(self) -> AbstractContextManager[None]:
        """Return the context in which steps that take `lessons` must be traced."""
        return nullcontext() if self.teaching is None else self.teaching.steps()

    def inputs(self, x: Any) -> Any:
        """Return tensors of inputs as the network takes them."""
        import tensorflow as tf

        scale = self.data.input_scale
        if scale == 1.0:
            return x
        return mapped(lambda tensor: tf.cast(tensor, tf.float32) * np.float32(scale), x)


def each(function: Callable[[Any], Any], fields: Any) -> tuple[Any, ...]:
    """Return `function` of every array of inputs, targets and weights, and of what is beside."""
    return tuple(
        each(function, field) if isinstance(field, tuple) else mapped(function, field)
        for field in fields
    )


def _tensors(data: Dataset, key: bytes) -> dict[str, tuple[Any, ...]]:
    import tensorflow as tf

    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    if isinstance(data.train, Batches):
        parts["probe"] = data.probe
    return _tensors_kept.get(
        key,
        lambda: {
            name: each(tf.constant, part.fields)
            for name, part in parts.items()
            if isinstance(part, Samples)
        },
    )
