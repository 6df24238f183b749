"""A Keras model's symmetries: permuted models compute the same, and copies are recovered."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from inspect import signature

import numpy as np
import pytest

from apps.architecture.symmetries import UnknownSymmetry, permutation_spec, symmetries
from apps.errors import HeterosisError
from apps.genetics.alignment import align
from apps.genetics.crossover import CROSSOVERS, Parents
from apps.genetics.permutation import permute, random_permutations
from apps.networks.build import assign, named_weights, read
from tests.support.genetics import inverse, same
from tests.support.symmetric_models import CASES, Models, random_weights, rng, samples
from tests.support.symmetric_nets import (
    GROUPS,
    convolutional,
    dense,
    image_dense,
    residual,
    twice_used,
)


@pytest.fixture(scope="module")
def models():
    return Models()


def outputs(model, weights):
    kept = read(named_weights(model))
    assign(named_weights(model), weights)
    made = model(samples(model), training=False)
    assign(named_weights(model), kept)
    return [np.asarray(each) for each in (made if isinstance(made, (list, tuple)) else [made])]


@CASES
def test_groups_are_those_expected(models, builder):
    spec = permutation_spec(models[builder])
    assert sorted(spec.groups.items()) == sorted(GROUPS[builder].items())
    assert list(spec.axes) == list(named_weights(models[builder]))


@CASES
@pytest.mark.parametrize("seed", range(2))
def test_valid_permutation_leaves_the_outputs_unchanged(models, builder, seed):
    model = models[builder]
    weights, spec = read(named_weights(model)), permutation_spec(model)
    permutations = random_permutations(rng(seed), spec)
    moved = permute(weights, spec, permutations)
    assert not spec.groups or not same(moved, weights)
    for before, after in zip(outputs(model, weights), outputs(model, moved), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-4 * np.abs(before).max())
    assert same(permute(moved, spec, inverse(permutations)), weights)


@CASES
def test_aligning_a_permuted_copy_recovers_the_original(models, builder):
    model = models[builder]
    weights, spec = read(named_weights(model)), permutation_spec(model)
    copy = permute(weights, spec, random_permutations(rng(3), spec))
    assert same(align(rng(), weights, copy, spec), weights)


@CASES
def test_every_operator_takes_the_model(models, builder):
    model = models[builder]
    spec = permutation_spec(model)
    parents = Parents((random_weights(model, 4), random_weights(model, 5)), (0.1, 0.2))
    for name, crossover in CROSSOVERS.items():
        asked = {"spec": spec} if "spec" in signature(crossover).parameters else {}
        child = crossover(rng(), parents, **asked)
        assign(named_weights(model), child)
        assert all(np.isfinite(array).all() for array in child.values()), name
    assign(named_weights(model), random_weights(model, 1))


def test_layers_that_can_be_repaired_are_listed_from_the_inputs_on(models):
    names = {b: [unit.kernel for unit in symmetries(models[b]).unit_layers] for b in GROUPS}
    assert names[dense] == ["a/kernel", "b/kernel"]
    assert names[image_dense] == []  # its hidden layer has no bias
    assert names[convolutional] == ["a/kernel", "b/kernel", "c/kernel"]
    assert names[residual][:2] == ["stem/kernel", "a_in/kernel"]
    assert names[twice_used] == ["b/kernel", "a/kernel"]


def test_running_statistics_are_named(models):
    assert permutation_spec(models[image_dense]).statistics == {
        "batch_normalization/moving_mean",
        "batch_normalization/moving_variance",
    }


def unknown_models(L, K):
    class Custom(L.Layer):
        def call(self, x):
            return x[..., ::-1]

    class Dense(L.Dense):
        """A subclass by a known name may do anything."""

    class Python(K.Model):
        def __init__(self):
            super().__init__(name="python")
            self.only = L.Dense(3)

        def call(self, x):
            return self.only(x)

    python = Python()
    python(np.zeros((1, 4)))
    tuned = K.Sequential([K.Input((4,)), L.Dense(5, name="tuned"), L.Dense(3)])
    tuned.layers[0].enable_lora(2)
    x = K.Input((4, 4))

    def stack(layer):
        return K.Sequential([K.Input((4,)), L.Dense(5), layer, L.Dense(3)])

    return {
        "odd": stack(Custom(name="odd")),
        "mine": stack(Dense(5, name="mine")),
        "tied": K.Sequential([K.Input((4,)), L.ReversibleEmbedding(5, 3, name="tied")]),
        "python": python,
        "tuned": tuned,
        "inside": K.Sequential(
            [
                K.Input((4,)),
                L.Dense(5),
                K.Sequential([K.Input((5,)), Custom(name="inside")], name="block"),
            ]
        ),
        "scores": K.Model(
            x, L.MultiHeadAttention(2, 3, name="scores")(x, x, return_attention_scores=True)[0]
        ),
    }


def test_unknown_layer_is_named_with_what_still_works():
    import keras

    for name, model in unknown_models(keras.layers, keras).items():
        with pytest.raises(UnknownSymmetry, match=f"'{name}'") as caught:
            permutation_spec(model)
        assert isinstance(caught.value, HeterosisError)
        text = str(caught.value)
        assert all(crossover in text for crossover in set(CROSSOVERS) - {"unit"})


def test_layer_without_weights_before_any_units_needs_no_rule():
    import keras

    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Lambda(lambda z: z * 2),
            keras.layers.Dense(5, name="a"),
            keras.layers.Dense(3),
        ]
    )
    assert dict(permutation_spec(model).groups) == {"a": 5}


def test_layer_beside_the_outputs_stays_in_place():
    import keras

    x = keras.Input((4,))
    hidden = keras.layers.Dense(5, name="a")(x)
    model = keras.Model(x, [keras.layers.Dense(3)(hidden), hidden])
    assert dict(permutation_spec(model).groups) == {}
