"""Networks as users bring them, good and bad: plug-ins `"tests.support.nets:NAME"`."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def uncompiled(input_shape: tuple[int, ...], classes: int) -> Any:
    """A regularised network; `_layers` says which."""
    import keras

    return keras.Sequential(_layers(input_shape, classes))


def compiled(input_shape: tuple[int, ...], classes: int) -> Any:
    """The same, with an optimiser, a loss and a metric of its own."""
    import keras

    model = keras.Sequential(_layers(input_shape, classes))
    model.compile(
        optimizer=keras.optimizers.SGD(0.02, momentum=0.9, nesterov=True, clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["acc"],
    )
    return model


def dropout_before_normalization(input_shape: tuple[int, ...], classes: int) -> Any:
    """What the normalisation sees depends on what the dropout draws."""
    import keras

    return keras.Sequential(
        [
            keras.layers.Input(input_shape),
            keras.layers.Flatten(),
            keras.layers.Dense(6, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )


def normalized(input_shape: tuple[int, ...], classes: int, frozen: bool = False) -> Any:
    """Batch normalisation, and again within a nested model."""
    import keras

    layers = keras.layers
    nested = [layers.Dense(5), layers.BatchNormalization(), layers.Activation("tanh")]
    return keras.Sequential(
        [
            layers.Input(input_shape),
            layers.Flatten(),
            layers.Dense(6, name="dense"),
            layers.BatchNormalization(name="first", trainable=not frozen),
            keras.Sequential([layers.Input((6,)), *nested], name="nested"),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def renormalized(input_shape: tuple[int, ...], classes: int) -> Any:
    """Batch renormalisation, which corrects each batch by the statistics so far."""
    import keras

    layers = keras.layers
    normalize = [layers.Dense(6), layers.BatchNormalization(renorm=True)]
    return keras.Sequential(
        [
            layers.Input(input_shape),
            layers.Flatten(),
            *normalize,
            layers.BatchNormalization(),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def spectral(input_shape: tuple[int, ...], classes: int) -> Any:
    """A layer that approaches a statistic of its weights in every step of training."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input(input_shape),
            layers.Flatten(),
            layers.SpectralNormalization(layers.Dense(classes, activation="softmax")),
        ]
    )


_depth = 0
_made: Any = None


# ------------------------------------------------------------------- what XLA does not compile
def python_in_training(input_shape: tuple[int, ...], classes: int) -> Any:
    """`uncompiled`, with Python in its step."""
    import keras

    @keras.saving.register_keras_serializable()
    class PythonInTraining(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            return super().train_step(_through_python(data))

    return PythonInTraining(_layers(input_shape, classes))


def unregistered(input_shape: tuple[int, ...], classes: int) -> Any:
    """A class of one's own that Keras does not know when it opens a file."""
    import keras

    class Unregistered(keras.Sequential):
        pass

    return Unregistered(_layers(input_shape, classes))


def python_in_evaluation(input_shape: tuple[int, ...], classes: int) -> Any:
    """`uncompiled`, with Python in its test step alone."""
    import keras

    @keras.saving.register_keras_serializable()
    class PythonInEvaluation(keras.Sequential):
        def test_step(self, data: Any) -> Any:
            return super().test_step(_through_python(data))

    return PythonInEvaluation(_layers(input_shape, classes))


def eager(input_shape: tuple[int, ...], classes: int) -> Any:
    """`uncompiled`, compiled to run eagerly."""
    import keras

    model = keras.Sequential(_layers(input_shape, classes))
    model.compile(
        optimizer=keras.optimizers.SGD(0.05, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=True,
    )
    return model


def mixed_precision(input_shape: tuple[int, ...], classes: int) -> Any:
    """Computes in bfloat16, by a setting that Keras keeps for the thread."""
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    return uncompiled(input_shape, classes)


# -------------------------------------------------------------------------- names of the arrays
def many_layers() -> Any:
    """Nested, wrapped, and named by Keras, by the user, or by the user as Keras would."""
    import keras

    layers = keras.layers
    x = inputs = keras.Input((4, 3))
    x = layers.Bidirectional(layers.LSTM(2, return_sequences=True))(x)
    x = layers.MultiHeadAttention(2, 3, dropout=0.1)(x, x)
    x = layers.TimeDistributed(keras.Sequential([layers.Dense(4), layers.Dropout(0.3)]))(x)
    x = layers.Flatten()(x)
    x = layers.SpectralNormalization(layers.Dense(5))(x)
    x = layers.Dense(5, name="mine")(x)
    x = layers.Dense(5, name="mine_2")(x)
    x = keras.Sequential([layers.Dense(5), layers.BatchNormalization()])(x)
    shared = layers.Dense(5)
    x = layers.Add()([shared(x), shared(layers.LayerNormalization()(x))])
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(x))


# --------------------------------------------------------------------------------- bad builders
def raises() -> Any:
    raise ValueError("no such luck")


def exits() -> Any:
    sys.exit("no more")


def exits_in_training(input_shape: tuple[int, ...], classes: int) -> Any:
    """`uncompiled`, with a step that ends the process."""
    import keras

    @keras.saving.register_keras_serializable()
    class Exits(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            sys.exit("no more")

    return Exits(_layers(input_shape, classes))


def graph_in_training(input_shape: tuple[int, ...], classes: int) -> Any:
    """`uncompiled`, with a step that works within a `tf.function` only."""
    import keras
    import tensorflow as tf

    @keras.saving.register_keras_serializable()
    class Graph(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            if tf.executing_eagerly():
                raise RuntimeError("no graph")
            return super().train_step(data)

    return Graph(_layers(input_shape, classes))


def with_hidden_state(input_shape: tuple[int, ...], classes: int, what: str) -> Any:
    """A model whose steps use state of their own: an `optimizer`, a `variable`; or `unused`."""
    import keras
    import tensorflow as tf

    class Counting(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            metrics = super().train_step(data)
            if what == "optimizer":
                bias = self.trainable_variables[-1]
                self.second.apply([tf.ones_like(bias)], [bias])
            elif what == "variable":
                self.steps.assign_add(1.0)
            return metrics

    layers = [keras.layers.Flatten(), keras.layers.Dense(classes, activation="softmax")]
    model = Counting([keras.layers.Input(input_shape), *layers])
    model.second = keras.optimizers.Adam(0.1)
    model.steps = tf.Variable(0.0)
    return model


def unopened(input_shape: tuple[int, ...], classes: int, what: str) -> Any:
    """A network that Keras writes to a file and does not open again as it was, in one way each."""
    import keras

    layers = keras.layers

    def bent(x: Any) -> Any:
        return keras.ops.relu(x) ** 2

    class Unregistered(layers.Dense):
        pass

    @keras.saving.register_keras_serializable()
    class Forgetful(layers.Layer):
        def __init__(self, factor: float = 1.0, **settings: Any) -> None:
            super().__init__(**settings)
            self.factor = factor

        def call(self, x: Any) -> Any:
            return self.factor * x

        def get_config(self) -> dict[str, Any]:
            return dict(super().get_config())

    odd = {
        "lambda": lambda: layers.Lambda(lambda x: x / 3.0),
        "function": lambda: layers.Dense(5, activation=bent),
        "class": lambda: Unregistered(5),
        "forgetful": lambda: Forgetful(factor=7.0),
    }
    first, *rest = _layers(input_shape, classes)
    return keras.Sequential([first, layers.Flatten(), odd[what](), *rest])


def strange_layer(input_shape: tuple[int, ...], classes: int) -> Any:
    """A layer of the user's own, whose symmetries nobody knows."""
    import keras

    @keras.saving.register_keras_serializable()
    class Strange(keras.layers.Dense):
        pass

    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input(input_shape),
            layers.Flatten(),
            Strange(5, name="strange"),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def returns_a_number() -> Any:
    return 3


def unbuilt(classes: int) -> Any:
    import keras

    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(classes)])


def random_each_time(input_shape: tuple[int, ...]) -> Any:
    """Draws from a generator that no seed reaches."""
    import keras

    fresh = keras.initializers.Constant(np.random.default_rng().random())
    layers = keras.layers
    return keras.Sequential(
        [layers.Input(input_shape), layers.Flatten(), layers.Dense(10, kernel_initializer=fresh)]
    )


def random_depth(input_shape: tuple[int, ...]) -> Any:
    """As `random_each_time`, in the number of its layers."""
    import keras

    global _depth
    _depth += 1
    layers = keras.layers
    hidden = [layers.Dense(10) for _ in range(_depth)]
    return keras.Sequential([layers.Input(input_shape), layers.Flatten(), *hidden])


def same_again(input_shape: tuple[int, ...]) -> Any:
    """Makes its model once, as a module may at its top level."""
    global _made
    _made = _made or uncompiled(input_shape, 10)
    return _made


def bfloat16(input_shape: tuple[int, ...]) -> Any:
    import keras

    layers = keras.layers
    return keras.Sequential(
        [layers.Input(input_shape), layers.Flatten(), layers.Dense(10, dtype="bfloat16")]
    )


def takes_weights(input_shape: tuple[int, ...], weights: str | None = "imagenet") -> Any:
    """The argument's name is that of `keras.applications`."""
    if weights is not None:
        raise ValueError("weights were to be None")
    return uncompiled(input_shape, 10)


def outputs(input_shape: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """Outputs of any shape, right or wrong."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input(input_shape),
            layers.Flatten(),
            layers.Dense(int(np.prod(shape)), activation="softmax"),
            layers.Reshape(shape),
        ]
    )


def unseeded(input_shape: tuple[int, ...], library: str) -> Any:
    """Noise whose random numbers belong to no layer."""
    import keras
    import tensorflow as tf

    draw = {"keras": keras.random.normal, "tensorflow": tf.random.normal}[library]

    @keras.saving.register_keras_serializable()
    class Noise(keras.layers.Layer):
        def call(self, x: Any, training: bool = False) -> Any:
            return x + draw(tf.shape(x)) if training else x

    layers = keras.layers
    return keras.Sequential(
        [layers.Input(input_shape), layers.Flatten(), Noise(), layers.Dense(10, "softmax")]
    )


def _layers(input_shape: tuple[int, ...], classes: int) -> list[Any]:
    import keras

    layers = keras.layers
    return [
        layers.Input(input_shape),
        layers.Flatten(),
        layers.Dense(6, activation="relu", kernel_regularizer="l2"),
        layers.Dense(classes, activation="softmax"),
    ]


def _through_python(data: Any) -> Any:
    import tensorflow as tf

    x, y = data
    same = tf.numpy_function(lambda array: array, [x], x.dtype)
    same.set_shape(x.shape)
    return same, y
