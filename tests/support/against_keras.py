"""Networks, data and optimisers of many kinds, to be trained here and by Keras: plug-ins."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

BATCH = 16
SAMPLES = 60


def _part(seed: int, samples: int = SAMPLES) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    label = rng.integers(3, size=samples).astype(np.int32)
    x = rng.normal(size=(samples, 6, 4)) + label[:, None, None] - 1
    return x.astype(np.float32), label


def arrays() -> Any:
    """Inputs [6, 4] and labels of three classes; the last batch is a smaller one.

    All parts are of one size: one compiled evaluation serves them.
    """
    return {"train": _part(1), "validation": _part(2), "test": _part(3)}


def whole() -> Any:
    """`arrays` in whole batches."""
    return {name: _part(seed, 4 * BATCH) for seed, name in enumerate(arrays(), start=1)}


def weighted() -> Any:
    """Samples that count differently."""
    return {
        name: (x, y, np.linspace(0.1, 2, len(y)).astype(np.float32))
        for name, (x, y) in arrays().items()
    }


def one_hot() -> Any:
    """`arrays` with an output a class."""
    return {name: (x, np.eye(3, dtype=np.float32)[y]) for name, (x, y) in arrays().items()}


def named() -> Any:
    """Two inputs, two outputs."""
    return {
        name: ({"left": x[:, :3], "right": x[:, 3:]}, {"label": y, "sum": x.sum((1, 2))[:, None]})
        for name, (x, y) in arrays().items()
    }


class Indexed(keras.utils.PyDataset):
    """The training data in batches by number."""

    def __len__(self) -> int:
        return -(-SAMPLES // BATCH)

    def __getitem__(self, index: int) -> Any:
        chosen = slice(index * BATCH, (index + 1) * BATCH)
        x, y = _part(1)
        return x[chosen], y[chosen]


def indexed() -> Any:
    """`arrays`, the training data by number."""
    return {**arrays(), "train": Indexed()}


def dataset() -> Any:
    """`arrays`, the training data from TensorFlow."""
    import tensorflow as tf

    return {**arrays(), "train": tf.data.Dataset.from_tensor_slices(_part(1)).batch(BATCH)}


# ---------------------------------------------------------------------------------- networks
def dense(policy: str = "float32") -> Any:
    """Dense layers."""
    keras.config.set_dtype_policy(policy)
    return keras.Sequential(
        [
            layers.Input((6, 4)),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
            layers.Dense(3, activation="softmax", dtype="float32"),
        ]
    )


def compiled() -> Any:
    """Dense layers in mixed precision, compiled with Adam."""
    model = dense("mixed_float16")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def normalized() -> Any:
    """Dropout and batch normalisation; one is frozen, one is used twice."""
    twice = layers.BatchNormalization(momentum=0.8)
    frozen = layers.BatchNormalization()
    frozen.trainable = False
    inputs = layers.Input((6, 4))
    hidden = layers.Dropout(0.2)(layers.Dense(5)(inputs))
    first, second = twice(hidden[:, :3]), twice(hidden[:, 3:])
    hidden = frozen(layers.Flatten()(first * second))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(hidden))


def convolutional() -> Any:
    """A convolution and a pooling."""
    return keras.Sequential(
        [
            layers.Input((6, 4)),
            layers.Conv1D(4, 3, activation="relu", padding="same"),
            layers.MaxPooling1D(2),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def recurrent() -> Any:
    """A recurrent layer."""
    return keras.Sequential(
        [layers.Input((6, 4)), layers.GRU(4), layers.Dense(3, activation="softmax")]
    )


def functional() -> Any:
    """Two inputs, two outputs, by name."""
    inputs = {name: layers.Input((3, 4), name=name) for name in ("left", "right")}
    hidden = layers.Flatten()(layers.Concatenate(axis=1)(list(inputs.values())))
    hidden = layers.Dense(6, activation="relu")(hidden)
    label = layers.Dense(3, activation="softmax", name="label")(hidden)
    return keras.Model(inputs, {"label": label, "sum": layers.Dense(1, name="sum")(hidden)})


@keras.saving.register_keras_serializable("against_keras")
class Subclassed(keras.Model):
    """Fine-tuning as it is written as a class: its normalisation stays in inference mode."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.first = layers.Dense(5)
        self.norm = layers.BatchNormalization()
        self.last = layers.Dense(3, activation="softmax")

    def call(self, x: Any, training: bool = False) -> Any:
        return self.last(keras.ops.relu(self.norm(self.first(x)[:, 0], training=False)))


def subclassed() -> Any:
    """A model of a class of one's own, with statistics that no pass may change."""
    model = Subclassed()
    model(np.zeros((1, 6, 4), np.float32))
    model.norm.moving_mean.assign(np.arange(5.0))
    model.norm.moving_variance.assign(np.full(5, 4.0))
    return model


# -------------------------------------------------------------------------------- optimisers
class Lookahead(keras.optimizers.Optimizer):
    """A wrapper of one's own: every second step goes half the way back to the slow weights.

    Its variables leave out those of the optimiser that it wraps, as wrappers do.
    """

    def __init__(self, inner: Any, **settings: Any) -> None:
        super().__init__(learning_rate=0.0, **settings)
        self.inner = inner

    def build(self, variables: Any) -> None:
        super().build(variables)
        self.inner.build(variables)
        self.slow = self.add_optimizer_variables(variables, "slow")
        for slow, variable in zip(self.slow, variables, strict=True):
            slow.assign(variable)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        self.inner.apply(grads, trainable_variables)
        self.iterations.assign_add(1)
        back = keras.ops.cast(self.iterations % 2 == 0, "float32")
        for slow, variable in zip(self.slow, self._trainable_variables, strict=True):
            slow.assign(slow + back * 0.5 * (variable - slow))
            variable.assign(back * slow + (1 - back) * variable)

    @property
    def learning_rate(self) -> Any:
        return self.inner.learning_rate


def lookahead(learning_rate: float = 0.01) -> Any:
    """A wrapper of one's own."""
    return Lookahead(keras.optimizers.Adam(learning_rate))


def several(learning_rate: float = 0.01) -> Any:
    """Keras's wrapper of several: Adam for kernels, gradient descent for the rest."""
    kinds = keras.optimizers.OptimizerMap(keras.optimizers.SGD(10 * learning_rate))
    kinds[".*kernel"] = keras.optimizers.Adam(learning_rate, use_ema=True, ema_momentum=0.9)
    return keras.optimizers.MultiOptimizer(kinds)
