"""What is wrongly said of a user's own layer is caught by trying it."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from collections.abc import Callable
from typing import Any

import pytest

from apps.architecture import register_layer
from apps.architecture.morphable import anatomy
from apps.architecture.symmetries import UnknownSymmetry, permutation_spec
from apps.errors import UserError


def between(layer: Any) -> Any:
    """A network with a layer between two dense ones."""
    import keras

    dense = keras.layers.Dense
    return keras.Sequential([keras.Input((4,)), dense(5), layer, dense(6), dense(3)])


def summed(x: Any) -> Any:
    import keras

    return keras.ops.cumsum(x, axis=-1)


def swapped(x: Any) -> Any:
    import keras

    return keras.ops.flip(x, axis=-1)


@pytest.mark.parametrize("function", [summed, swapped])
def test_a_layer_that_is_not_for_each_unit_is_caught(function: Callable[[Any], Any]) -> None:
    import keras

    @register_layer()
    class Wrong(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return function(x)

    with pytest.raises(
        UserError, match=r"'wrong' \(Wrong\): when its units are permuted"
    ) as caught:
        permutation_spec(between(Wrong(name="wrong")))
    assert not isinstance(caught.value, UnknownSymmetry)
    assert caught.value.code == "alignment"


def matrix(axes: tuple[str | None, ...], call: Callable[[Any, Any], Any]) -> Any:
    """A layer of 5 units with a kernel [5, 5], and what is said of it."""
    import keras

    @register_layer(arrays={"kernel": axes})
    class Square(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(5, 5), name="kernel")

        def call(self, x: Any) -> Any:
            return call(x, self.kernel)

    return Square(name="square")


@pytest.mark.parametrize(
    "axes", [("out", "in"), ("in", None), (None, "out"), ("in",), ("5*out", "out"), ("out", "out")]
)
def test_axes_that_are_not_as_said_are_caught(axes: tuple[str | None, ...]) -> None:
    with pytest.raises(UserError, match=r"'square' \(Square"):
        permutation_spec(between(matrix(axes, lambda x, kernel: x @ kernel)))
    assert permutation_spec(between(matrix(("in", "out"), lambda x, kernel: x @ kernel))).groups


def test_arrays_that_are_not_named_are_told() -> None:
    import keras

    @register_layer(like="ReLU")
    class Forgotten(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.odd = self.add_weight(shape=(2,), name="odd")

        def call(self, x: Any) -> Any:
            return x + self.odd[0]

    with pytest.raises(UserError, match=r"\(Forgotten\): nothing is said of its array 'odd'"):
        permutation_spec(between(Forgotten()))


def test_a_layer_without_what_the_other_has_is_told() -> None:
    import keras

    @register_layer(like="Dense")
    class Empty(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(UserError, match="Empty"):
        permutation_spec(between(Empty()))


def test_a_layer_that_new_units_would_change_is_not_grown() -> None:
    import keras

    def normed(x: Any, kernel: Any) -> Any:
        return x @ keras.ops.softmax(kernel, axis=0)

    model = between(matrix(("in", "out"), normed))
    assert len(permutation_spec(model).groups) == 3
    with pytest.raises(UserError, match="whose weights to those that read it are 0") as caught:
        anatomy(model)
    assert caught.value.code == "growth"
