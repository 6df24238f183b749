"""A project's module with layers of its own, as a user writes it."""

from __future__ import annotations

from pathlib import Path

GATED = '''
import keras
import numpy as np

from heterosis import register_layer
from apps.genetics.permutation import spread, unit_axes


@keras.saving.register_keras_serializable()
@register_layer(
    arrays={"kernel": ("in", "out"), "gate": ("in", "out"), "bias": ("out",)},
)
class GatedDense(keras.layers.Layer):
    """Units that a gate of their own opens."""

    def __init__(self, units, **keywords):
        super().__init__(**keywords)
        self.units = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
        self.gate = self.add_weight(shape=(shape[-1], self.units), name="gate")
        self.bias = self.add_weight(shape=(self.units,), name="bias")

    def call(self, x):
        return keras.ops.sigmoid(x @ self.gate) * (x @ self.kernel + self.bias)


@keras.saving.register_keras_serializable()
@register_layer(arrays={"scale": ("in",)}, identity={"scale": 1.0})
class Scale(keras.layers.Layer):
    """A factor for each unit."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), name="scale", initializer="ones")

    def call(self, x):
        return x * self.scale


@keras.saving.register_keras_serializable()
@register_layer()
class Bent(keras.layers.Layer):
    """A function of each unit."""

    def call(self, x):
        return keras.ops.log(1 + x * x)


@keras.saving.register_keras_serializable()
@register_layer(like="Dense")
class OwnDense(keras.layers.Dense):
    """A dense layer with a name of one's own."""


@keras.saving.register_keras_serializable()
@register_layer(
    arrays={
        "first/kernel": ("in", "inside"),
        "first/bias": ("inside",),
        "second/kernel": ("inside", "out"),
        "halves": ("2*out",),
    }
)
class Block(keras.layers.Layer):
    """Two dense layers, the units within them, and one array with all units twice."""

    def __init__(self, inside, units, **keywords):
        super().__init__(**keywords)
        self.first = keras.layers.Dense(inside, "relu", name="first")
        self.second = keras.layers.Dense(units, use_bias=False, name="second")
        self.units = units

    def build(self, shape):
        self.first.build(shape)
        self.second.build((*shape[:-1], self.first.units))
        self.halves = self.add_weight(shape=(2 * self.units,), name="halves")

    def call(self, x):
        made = self.second(self.first(x))
        return made * self.halves[: self.units] + self.halves[self.units :]


def network(units=8, scaled=True, input_shape=(28, 28), classes=10):
    layers = [keras.layers.Input(input_shape), keras.layers.Flatten(), GatedDense(units), Bent()]
    layers += [Scale()] if scaled else []
    layers += [OwnDense(units, "relu"), Block(2 * units, units)]
    layers.append(keras.layers.Dense(classes, "softmax"))
    return keras.Sequential(layers)


def by_turns(rng, parents, spec):
    """Take the units of each group by turns from the parents; the rest is the first one's."""
    child = {name: array.copy() for name, array in parents.weights[0].items()}
    for name, axis in unit_axes(spec).items():
        taken = spread(spec.axes[name][axis], {g: np.arange(n) for g, n in spec.groups.items()}, 0)
        for k, weights in enumerate(parents.weights):
            here = [slice(None)] * axis + [taken % len(parents.weights) == k]
            child[name][tuple(here)] = weights[name][tuple(here)]
    return child
'''
"""The module: `network` is its builder, `by_turns` a crossover."""


def write_module(folder: Path, name: str = "own_net") -> None:
    """Write the module into a project's folder."""
    (folder / f"{name}.py").write_text(GATED)
