"""Weights survive a change of a Keras model's architecture: growth keeps what it computes."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from functools import cache
from typing import Any

import numpy as np
import pytest

from apps.architecture.morphable import UnknownAnatomy, anatomy
from apps.genetics.morphism import Morph, morph
from apps.networks.build import assign, named_weights, read
from tests.support.genetics import same
from tests.support.growing import (
    GROWTHS,
    attention,
    convolutional,
    flattened,
    group_normalized,
    grouped,
    layer_normalized,
    mixing,
    mlp,
    recurrent,
    residual,
    states,
    strided,
    tanh,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def inputs_of(model: Any) -> list[Any]:
    """Samples for a model; integers for a layer of embeddings."""
    generator = rng(1)
    shapes = [[3, *(length or 6 for length in tensor.shape[1:])] for tensor in model.inputs]
    return [
        generator.integers(0, 9, shape)
        if "int" in tensor.dtype
        else generator.normal(size=shape).astype(np.float32)
        for shape, tensor in zip(shapes, model.inputs, strict=True)
    ]


@cache
def built(builder: Any, *widths: int, **options: Any) -> tuple[Any, Any]:
    """A model and its anatomy; all its arrays hold random numbers."""
    import keras

    keras.utils.set_random_seed(len(widths))
    model = builder(keras.layers, keras, *widths, **options)
    generator = rng(len(widths))
    drawn = {
        name: generator.uniform(0.5, 1.5, array.shape).astype(array.dtype)
        if "variance" in name
        else generator.normal(0, 0.5, array.shape).astype(array.dtype)
        for name, array in read(named_weights(model)).items()
    }
    assign(named_weights(model), drawn)
    return model, anatomy(model)


def born(parent: tuple[Any, Any], child: tuple[Any, Any]) -> Morph:
    values = [read(named_weights(model)) for model, _ in (parent, child)]
    return morph(*values, parent[1], child[1])


def outputs(model: Any, weights: Any, x: Any) -> list[Any]:
    import keras

    kept = read(named_weights(model))
    assign(named_weights(model), weights)
    made = model(x if len(x) > 1 else x[0], training=False)
    assign(named_weights(model), kept)
    return [np.asarray(each) for each in keras.tree.flatten(made)]


def difference(parent: tuple[Any, Any], child: tuple[Any, Any], made: Morph) -> float:
    """How far the outputs of a child are from its parent's, relative to the largest of them."""
    x = inputs_of(parent[0])
    old = outputs(parent[0], read(named_weights(parent[0])), x)
    new = outputs(child[0], made.weights, x)
    largest = max(1.0, *(float(abs(each).max()) for each in old))
    return max(float(abs(a - b).max()) for a, b in zip(old, new, strict=True)) / largest


@pytest.mark.parametrize(
    ("builder", "small", "large"), GROWTHS, ids=lambda each: getattr(each, "__name__", str(each))
)
def test_growth_keeps_what_is_computed(builder, small, large):
    parent, child = built(builder, *small), built(builder, *large)
    kept = read(named_weights(parent[0]))
    made = born(parent, child)
    assert made.lost == ()
    assert difference(parent, child, made) < 2e-6
    assert same(read(named_weights(parent[0])), kept)
    fresh = read(named_weights(child[0]))
    assert list(made.weights) == list(fresh)
    assert all(made.weights[n].dtype == fresh[n].dtype for n in fresh)
    assert same(made.weights, born(parent, child).weights)


@pytest.mark.parametrize("add", [None, True], ids=["operator", "layer"])
def test_a_new_branch_adds_nothing_at_first(add):
    parent, child = built(residual, 4, 5, add=add), built(residual, 4, 5, 6, add=add)
    made = born(parent, child)
    last = [name for name in made.weights if name.startswith("conv2d_4/")]
    assert len(last) == 2
    assert not any(made.weights[name].any() for name in last)
    assert made.weights["conv2d_3/kernel"].any()


@pytest.mark.parametrize(("window", "exact"), [(3, True), (5, True), (4, True), (1, False)])
def test_a_window_grows_about_its_centre(window, exact):
    parent, child = built(convolutional, 3, 4), built(convolutional, 5, 4, window=window)
    made = born(parent, child)
    assert made.lost == ()
    assert (difference(parent, child, made) < 2e-6) == exact
    if window == 1:
        old = read(named_weights(parent[0]))["conv2d/kernel"]
        assert np.array_equal(made.weights["conv2d/kernel"][0, 0, :, :3], old[1, 1])


@pytest.mark.parametrize(
    ("builder", "widths"),
    [(builder, large) for builder, _, large in GROWTHS],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
def test_of_an_equal_architecture_the_values_are_the_parents(builder, widths):
    model, known = built(builder, *widths)
    weights = read(named_weights(model))
    fresh = {name: np.ones_like(array) for name, array in weights.items()}
    made = morph(weights, fresh, known, known)
    assert same(made.weights, weights)
    assert made.lost == ()


def test_a_model_built_again_has_the_same_anatomy():
    import keras

    for builder, widths in ((residual, (4, 5)), (recurrent, (4, 5, 4, 3, 7)), (mlp, (5,))):
        again = builder(keras.layers, keras, *widths)
        assert anatomy(again) == built(builder, *widths)[1]


@pytest.mark.parametrize(
    ("builder", "small", "large"),
    [(b, s, large) for b, s, large in GROWTHS if len(s) == len(large)],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
def test_shrinking_back_gives_the_parents_arrays(builder, small, large):
    parent, child = built(builder, *small), built(builder, *large)
    grown = born(parent, child)
    fresh = read(named_weights(parent[0]))
    noise = {name: np.ones_like(array) for name, array in fresh.items()}
    back = morph(grown.weights, noise, child[1], parent[1])
    assert same(back.weights, fresh)
    assert difference(parent, parent, back) == 0


def test_dead_units_are_dropped_without_loss():
    parent, child = built(convolutional, 5, 9), built(convolutional, 3, 4)
    weights = read(named_weights(parent[0]))
    living = {"conv2d": [0, 2, 3], "conv2d_1": [1, 2, 5, 8]}
    readers = {"conv2d": ("conv2d_1/kernel", 9), "conv2d_1": ("dense/kernel", 5)}
    for group, (name, made) in readers.items():
        kernel = weights[name].reshape(-1, parent[1].spec.groups[group], made)
        kernel[:, np.setdiff1d(np.arange(kernel.shape[1]), living[group])] = 0
    values = read(named_weights(child[0]))
    made = morph(weights, values, parent[1], child[1])
    kernel = weights["conv2d/kernel"][..., living["conv2d"]]
    assert np.array_equal(made.weights["conv2d/kernel"], kernel)
    x = inputs_of(parent[0])
    old, new = outputs(parent[0], weights, x), outputs(child[0], made.weights, x)
    np.testing.assert_allclose(new[0], old[0], atol=2e-5)


def test_shrinking_drops_the_least_important_units_and_says_so():
    parent, child = built(mlp, 5, 4), built(mlp, 2, 6)
    made = born(parent, child)
    weights = read(named_weights(parent[0]))
    into = np.append(weights["dense/kernel"], weights["dense/bias"][None], axis=0)
    worth = np.linalg.norm(into, axis=0) * np.linalg.norm(weights["dense_1/kernel"], axis=1)
    kept = np.sort(np.argsort(worth)[-2:])
    assert made.lost == ("3 of 5 units of dense are dropped",)
    assert np.array_equal(made.weights["dense/kernel"], weights["dense/kernel"][:, kept])
    assert np.array_equal(made.weights["dense_1/kernel"][:, :4], weights["dense_1/kernel"][kept])


def test_a_dropped_layer_is_folded_into_the_one_that_reads_it():
    parent, child = built(mlp, 5, 4), built(mlp, 6)
    made, weights = born(parent, child), read(named_weights(parent[0]))
    assert made.lost == ("layer dense_1 is folded into dense_2",)
    assert np.array_equal(made.weights["dense/kernel"][:, :5], weights["dense/kernel"])
    last = made.weights["dense_1/kernel"]
    kernel = weights["dense_2/kernel"].astype(np.float64) / 2  # behind a relu
    np.testing.assert_allclose(last[:5], weights["dense_1/kernel"] @ kernel, rtol=1e-5)
    assert not last[5:].any()
    np.testing.assert_allclose(
        made.weights["dense_1/bias"],
        weights["dense_1/bias"] @ kernel + weights["dense_2/bias"],
        rtol=1e-5,
    )


def linear(layers: Any, keras: Any, *widths: int, window: int = 1, read: str = "mean") -> Any:
    """Convolutions without an activation, read by a dense layer or a recurrent one."""
    shape = [layers.Input((4, 4, 2))]
    shape += [layers.Conv2D(width, window, padding="same") for width in widths]
    if read == "mean":
        shape += [layers.GlobalAveragePooling2D(), layers.Dense(3)]
    elif read == "positions":
        shape += [layers.Flatten(), layers.Dense(3)]
    elif read == "normalized":
        shape += [layers.BatchNormalization(), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    else:
        shape += [layers.Reshape((16, widths[-1])), layers.LSTM(3)]
    return keras.Sequential(shape)


@pytest.mark.parametrize("read", ["mean", "positions", "sequence"])
@pytest.mark.parametrize("widths", [(5,), (3,), (4, 6)])
def test_layers_without_an_activation_are_dropped_without_loss(read, widths):
    parent, child = built(linear, 3, 5, 4, 3, read=read), built(linear, *widths, read=read)
    made = born(parent, child)
    assert f"layer conv2d_{len(widths)} is folded into" in made.lost[0]
    assert not any("anew" in remark for remark in made.lost)
    assert difference(parent, child, made) < 2e-6


def test_a_window_is_folded_as_if_its_input_were_the_same_all_over():
    parent, child = built(linear, 3, 4, window=3), built(linear, 3, window=3)
    made, weights = born(parent, child), read(named_weights(parent[0]))
    summed = weights["conv2d_1/kernel"].astype(np.float64).sum(axis=(0, 1))
    np.testing.assert_allclose(
        made.weights["dense/kernel"], summed @ weights["dense/kernel"], rtol=1e-5, atol=1e-6
    )


def test_a_layer_that_is_normalised_is_not_folded():
    parent, child = built(linear, 3, 4, read="normalized"), built(linear, 3, read="normalized")
    made = born(parent, child)
    assert "layer conv2d_1 is dropped" in made.lost
    assert "dense/kernel starts anew" in made.lost


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        ((tanh, 5), (tanh, 5, 5)),
        ((mlp, 5), (mlp, 6, 4)),
        ((mlp,), (mlp, 5)),
        ((mixing, 5), (mixing, 7)),
        ((layer_normalized, 5), (layer_normalized, 7)),
        ((group_normalized, 4), (group_normalized, 6)),
        ((strided, 4), (strided, 4, 4)),
        ((flattened, 4), (flattened, 4, 4)),
        ((grouped, 4, 6), (grouped, 6, 6)),
        ((attention, 4, 2, 5), (residual, 4, 5)),
        ((states, 4), (recurrent, 4, 5, 4, 3, 7)),
        ((tanh, 5), (mlp, 7)),
    ],
    ids=lambda each: "-".join(getattr(part, "__name__", str(part)) for part in each),
)
def test_any_two_architectures_make_a_child(parent, child):
    made = born(built(*parent), built(*child))
    fresh = read(named_weights(built(*child)[0]))
    assert {name: array.shape for name, array in made.weights.items()} == {
        name: array.shape for name, array in fresh.items()
    }
    assert all(np.isfinite(array).all() for array in made.weights.values())


def test_a_new_layer_of_another_kind_starts_as_itself_and_the_rest_is_kept():
    parent, child = built(mlp, 5), built(tanh, 5, 5)
    made = born(parent, child)
    assert np.array_equal(made.weights["dense_1/kernel"], np.eye(5))


def unknown_layer(L, K):
    class Odd(L.Layer):
        def call(self, x):
            return x + 1

    return K.Sequential([K.Input((3,)), L.Dense(4), Odd(name="odd"), L.Dense(2)])


def test_an_unknown_layer_is_named():
    import keras

    with pytest.raises(UnknownAnatomy, match=r"layer 'odd' \(Odd\).*width or depth"):
        anatomy(unknown_layer(keras.layers, keras))


def test_an_anatomy_can_be_pickled():
    import pickle

    _, known = built(residual, 4, 5)
    assert pickle.loads(pickle.dumps(known)) == known
