"""A user's own layers are aligned, crossed and grown; what is wrongly said of one is caught."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from apps.architecture import register_layer
from apps.architecture.morphable import anatomy
from apps.architecture.symmetries import UnknownSymmetry, permutation_spec
from apps.errors import UserError
from apps.genetics.alignment import align
from apps.genetics.crossover import Parents, unit
from apps.genetics.morphism import morph
from apps.genetics.permutation import permute, random_permutations
from apps.networks.build import assign, named_weights, read
from apps.plugins.load import forget_plugins, load_plugin
from tests.support.genetics import same
from tests.support.own_layers import write_module

X = np.random.default_rng(7).normal(size=(5, 3, 4)).astype(np.float32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """The builder of a project of the user's own, loaded as a worker loads it."""
    folder = tmp_path_factory.mktemp("project")
    write_module(folder, "own_net_here")
    builder = load_plugin("own_net_here:network", str(folder))

    def build(units: int = 6, **options: Any) -> Any:
        return builder(units, input_shape=(3, 4), classes=3, **options)

    yield build
    forget_plugins()


def drawn(model: Any, seed: int) -> dict[str, Any]:
    generator = rng(seed)
    return {
        name: generator.normal(0, 0.5, array.shape).astype(array.dtype)
        for name, array in read(named_weights(model)).items()
    }


def outputs(model: Any, weights: Any, x: Any = X) -> Any:
    assign(named_weights(model), weights)
    return np.asarray(model(x, training=False))


def close(one: Any, other: Any) -> bool:
    return np.allclose(one, other, rtol=1e-4, atol=1e-5)


# -------------------------------------------------------------------- aligned, crossed and grown
def test_units_of_own_layers_permute(network: Callable[..., Any]) -> None:
    model = network()
    weights, spec = drawn(model, 0), permutation_spec(model)
    assert sorted(spec.groups.values()) == [6, 6, 6, 12]
    moved = permute(weights, spec, random_permutations(rng(), spec))
    assert not same(moved, weights)
    assert close(outputs(model, moved), outputs(model, weights))
    assert same(align(rng(), weights, moved, spec), weights)


def test_units_of_own_layers_are_inherited_whole(network: Callable[..., Any]) -> None:
    model = network()
    parents = tuple({n: np.full_like(a, k) for n, a in drawn(model, 0).items()} for k in (0, 1))
    child = unit(rng(), Parents(parents, (0.1, 0.2)), permutation_spec(model))
    for name in ("gated_dense/kernel", "gated_dense/gate", "scale/scale"):
        assert (child[name] == child["gated_dense/bias"]).all()
    assert 0 < child["gated_dense/bias"].sum() < 6


@pytest.mark.parametrize(
    ("small", "large"), [({"units": 6}, {"units": 9}), ({"scaled": False}, {})]
)
def test_networks_of_own_layers_grow_and_keep_what_they_compute(
    network: Callable[..., Any], small: dict[str, Any], large: dict[str, Any]
) -> None:
    before, after = network(**small), network(**large)
    parent = drawn(before, 0)
    made = morph(parent, drawn(after, 1), anatomy(before), anatomy(after))
    assert made.lost == ()
    assert close(outputs(after, made.weights), outputs(before, parent))


def test_a_new_layer_of_ones_own_that_may_do_more_than_it_is_like_starts_anew() -> None:
    import keras

    @register_layer(like="Dense")
    class Gated(keras.layers.Dense):
        def call(self, x: Any) -> Any:
            made = super().call(x)
            return made * keras.ops.sigmoid(made)

    def stack(*own: int) -> Any:
        layers = [keras.layers.Dense(5), *(Gated(width) for width in own), keras.layers.Dense(3)]
        return keras.Sequential([keras.Input((4,)), *layers])

    made = morph(drawn(stack(), 0), drawn(stack(5), 1), anatomy(stack()), anatomy(stack(5)))
    assert "gated/kernel starts anew" in made.lost


# -------------------------------------------------------------------------------- wrong and unknown
def between(layer: Any) -> Any:
    """A network with a layer between two dense ones."""
    import keras

    dense = keras.layers.Dense
    return keras.Sequential([keras.Input((4,)), dense(5), layer, dense(6), dense(3)])


def test_an_unknown_layer_is_told_the_door() -> None:
    import keras

    class Odd(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x + 1

    with pytest.raises(UnknownSymmetry, match=r"'odd' \(Odd\).*heterosis\.register_layer"):
        permutation_spec(between(Odd(name="odd")))


def test_a_subclass_is_not_known_by_what_it_comes_from() -> None:
    import keras

    class Dense(keras.layers.Dense):
        pass

    with pytest.raises(UnknownSymmetry, match="Dense"):
        permutation_spec(between(Dense(5)))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"like": "Dens"}, "did you mean 'Dense'"),
        ({"like": "Dense", "arrays": {"kernel": ("in", "out")}}, "leave arrays and identity out"),
        ({"arrays": {"kernel": "in"}}, "are a tuple"),
        ({"arrays": {"kernel": ("in", "out 2")}}, "'out 2'"),
        ({"arrays": {"kernel": (0,)}}, "got 0"),
        ({"arrays": {"kernel": ("in", "out")}, "identity": {"kernel": 1.0}}, "without 'out'"),
        ({"arrays": {"a": ("in",), "b": ("in",)}, "identity": {"a": 1.0}}, "for every array"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(said: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        register_layer(**said)


def test_only_a_class_can_be_registered() -> None:
    with pytest.raises(UserError, match="decorates a class"):
        register_layer()(len)
