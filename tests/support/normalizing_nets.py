"""Normalisation that a pass updates otherwise: plug-ins `"tests.support.normalizing_nets:NAME"`."""

from __future__ import annotations

from typing import Any

import numpy as np


def frozen_by_its_call(input_shape: tuple[int, ...], classes: int) -> Any:
    """Two batch normalisations, the first called in inference mode, as in fine-tuning.

    In a functional model Keras would give it the mode of the model all the same.
    """
    import keras

    layers = keras.layers

    @keras.saving.register_keras_serializable("tests")
    class FrozenByItsCall(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(6, name="dense")
            self.fixed = layers.BatchNormalization(name="fixed")
            self.usual = layers.BatchNormalization(name="usual")
            self.last = layers.Dense(classes, activation="softmax", name="last")

        def call(self, x: Any, training: bool = False) -> Any:
            hidden = self.dense(keras.ops.reshape(x, (-1, 784)))
            return self.last(self.usual(self.fixed(hidden, training=False), training=training))

    model = FrozenByItsCall()
    model(np.zeros((1, *input_shape), np.float32))
    return model


def used_twice(input_shape: tuple[int, ...], classes: int) -> Any:
    """One batch normalisation for both halves of a picture; one of momentum 1, never updated."""
    import keras

    layers = keras.layers
    inputs = layers.Input(input_shape)
    twice = layers.BatchNormalization(name="twice")
    top, bottom = (twice(layers.Flatten()(half)) for half in (inputs[:, :14], inputs[:, 14:]))
    never = layers.BatchNormalization(momentum=1.0, name="never")(layers.Add()([top, bottom]))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(never))


def normalized_its_own_way(input_shape: tuple[int, ...], classes: int) -> Any:
    """A subclass of batch normalisation that forgets half of its mean in every pass."""
    import keras

    layers = keras.layers

    @keras.saving.register_keras_serializable("tests")
    class Centred(layers.BatchNormalization):
        def call(self, x: Any, training: bool = False, mask: Any = None) -> Any:
            if training:
                self.moving_mean.assign((self.moving_mean + keras.ops.mean(x, axis=0)) / 2)
            return x - self.moving_mean

    return keras.Sequential(
        [
            layers.Input(input_shape),
            layers.Flatten(),
            Centred(name="centred"),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def counting(input_shape: tuple[int, ...], classes: int) -> Any:
    """A layer that counts its passes in training."""
    import keras

    @keras.saving.register_keras_serializable("tests")
    class Counting(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.passes = self.add_weight(
                shape=(), dtype="int32", initializer="zeros", trainable=False, name="passes"
            )

        def call(self, x: Any, training: bool = False) -> Any:
            if training:
                self.passes.assign_add(1)
            return x

    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input(input_shape),
            layers.Flatten(),
            Counting(),
            layers.Dense(4),
            layers.BatchNormalization(),
            layers.Dense(classes, activation="softmax"),
        ]
    )
