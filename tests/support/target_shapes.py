"""Targets and outputs of several shapes, and what compares them: plug-ins of the tests."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops


def _part(shape: Any, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, 5)).astype(np.float32)
    return x, rng.normal(size=(40, *shape)).astype(np.float32)


def arrays(shape: Any) -> Any:
    """Inputs [n, 5], targets [n, *shape]."""
    return {name: _part(shape, n) for n, name in enumerate(("train", "validation", "test"))}


def streamed(shape: Any) -> Any:
    """The same, the training data in batches."""
    import tensorflow as tf

    parts = arrays(shape)
    return {**parts, "train": tf.data.Dataset.from_tensor_slices(parts["train"]).batch(16)}


def by_name() -> Any:
    """Two targets, [n] and [n, 2]."""
    return {name: (x, {"one": y[:, 0], "two": y}) for name, (x, y) in arrays((2,)).items()}


def net(shape: Any) -> Any:
    """Outputs [n, *shape]."""
    width = int(np.prod(shape))
    return keras.Sequential([layers.Input((5,)), layers.Dense(width), layers.Reshape(tuple(shape))])


def listed() -> Any:
    """Two outputs, [n, 1] and [n, 2], in a list."""
    inputs = layers.Input((5,))
    return keras.Model(
        inputs, [layers.Dense(1, name="one")(inputs), layers.Dense(2, name="two")(inputs)]
    )


def named() -> Any:
    """The same by name, of layers that have other names."""
    inputs = layers.Input((5,))
    return keras.Model(inputs, {"one": layers.Dense(1)(inputs), "two": layers.Dense(2)(inputs)})


def squared(target: Any, output: Any) -> Any:
    """For targets of the outputs' shape."""
    return (target - output) ** 2


def mean_squared(target: Any, output: Any) -> Any:
    """The same, already averaged."""
    return ops.mean(ops.square(target - output))


def strict(target: Any, output: Any) -> Any:
    """For targets of the outputs' shape, and no others."""
    if target.shape != output.shape:
        raise ValueError(f"{target.shape} is not {output.shape}")
    return (target - output) ** 2


def knows_its_shapes(target: Any, output: Any) -> Any:
    """For targets [n] and outputs [n, 1]."""
    return (target - output[:, 0]) ** 2


@keras.saving.register_keras_serializable("tests")
class Squared(keras.losses.Loss):
    """A loss as a class, whose call gets what there is."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.square(y_true - y_pred)


def ranking(target: Any, output: Any) -> Any:
    """A loss that is of all pairs, as meant."""
    target, output = (ops.reshape(each, (-1,)) for each in (target, output))
    order = ops.sign(target[:, None] - target[None])
    return ops.mean(ops.relu(1 - order * (output[:, None] - output[None])))


def quantiles(target: Any, output: Any) -> Any:
    """A pinball loss: one number against several quantiles."""
    error = target - output
    return ops.mean(ops.maximum(0.1 * error, -0.9 * error), axis=-1)
