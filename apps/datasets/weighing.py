"""Samples that count by their classes, as in `keras.Model.fit(class_weight=...)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.datasets.arrays import Array, Samples, listed

ClassWeights = Mapping[int, float]
"""Weights of classes by their numbers; a class that is not named counts 1."""

_UNNAMED: Final = np.float32(1)


def classes_of(y: Array) -> NDArray[np.int32]:
    """Return the class of each target [n]: its number, or the largest of its outputs.

    Args:
        y: labels [n] or [n, 1], or an output a class [n, classes].

    >>> classes_of(np.array([[0, 1], [1, 0]])).tolist(), classes_of(np.array([[1.0]])).tolist()
    ([1, 0], [1])
    """
    if y.ndim > 1:
        y = y.argmax(-1) if y.shape[-1] != 1 else y[..., 0]
    return np.round(y).astype(np.int32)


def weighted(samples: Samples, by: ClassWeights) -> Samples:
    """Return samples whose weights are multiplied by those of their classes.

    Args:
        samples: of one target.
        by: weights of classes.
    """
    (y,) = listed(samples.y)
    classes = classes_of(np.asarray(y))
    weights = np.full(classes.shape, _UNNAMED)
    for number, weight in by.items():
        weights[classes == number] = weight
    own = _UNNAMED if samples.weights is None else samples.weights
    return Samples(samples.x, samples.y, np.asarray(weights * own, np.float32))


def weighing(by: ClassWeights) -> Callable[..., tuple[Any, Any, Any]]:
    """Return `weighted` for the batches of a `tf.data.Dataset`, as its `map` takes it."""
    import tensorflow as tf

    last = max(by)
    table = np.array([by.get(number, 1.0) for number in range(last + 1)], np.float32)

    def weigh(x: Any, y: Any, own: Any = None) -> tuple[Any, Any, Any]:
        (target,) = listed(y)
        if target.shape.rank > 1:
            width = target.shape[-1]
            target = tf.argmax(target, axis=-1) if width != 1 else target[..., 0]
        classes = target if target.dtype.is_integer else tf.round(target)
        classes = tf.cast(classes, tf.int32)
        named = (classes >= 0) & (classes <= last)
        weights = tf.where(named, tf.gather(table, tf.clip_by_value(classes, 0, last)), _UNNAMED)
        return x, y, weights if own is None else weights * tf.cast(own, tf.float32)

    return weigh
