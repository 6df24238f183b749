"""A Keras model's symmetries: permuted models compute the same, and copies are recovered."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
import pytest

from apps.architecture.symmetries import UnknownSymmetry, permutation_spec, symmetries
from apps.errors import HeterosisError
from apps.genetics.alignment import align, match_activations
from apps.genetics.crossover import CROSSOVERS, Parents
from apps.genetics.permutation import identity, permute, random_permutations
from apps.genetics.repair import average_moments, moments, repair
from apps.networks.build import assign, named_weights, read
from tests.support.genetics import inverse, same
from tests.support.symmetric_nets import (
    GROUPS,
    convolutional,
    dense,
    image_dense,
    residual,
    twice_used,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


CASES = pytest.mark.parametrize("builder", GROUPS, ids=lambda builder: builder.__name__)


class Models(dict[Callable[[Any, Any], Any], Any]):
    """The models of the cases, built when first asked for, random numbers in all their arrays."""

    def __missing__(self, builder):
        import keras

        keras.utils.set_random_seed(0)
        self[builder] = model = builder(keras.layers, keras)
        assign(named_weights(model), random_weights(model, 1))
        return model


@pytest.fixture(scope="module")
def models():
    return Models()


def random_weights(model, seed):
    generator = rng(seed)
    return {
        # Variances are positive.
        name: np.abs(generator.normal(size=values.shape)).astype(values.dtype)
        if "variance" in name
        else generator.normal(size=values.shape).astype(values.dtype)
        for name, values in read(named_weights(model)).items()
    }


def samples(model, count=3):
    generator = rng(2)
    inputs = []
    for tensor in model.inputs:
        shape = (count, *(5 if length is None else length for length in tensor.shape[1:]))
        whole = tensor.dtype == "int32"
        inputs.append(generator.integers(0, 9, shape) if whole else generator.normal(size=shape))
    return inputs if len(inputs) > 1 else inputs[0]


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


@CASES
def test_matching_activations_recovers_what_can_be_watched(models, builder):
    model = models[builder]
    if len(model.inputs) > 1:
        pytest.skip("activations are recorded of one input")
    found, weights = symmetries(model), read(named_weights(model))
    permutations = random_permutations(rng(3), found.spec)
    x = samples(model, 40)
    seen = found.activations(x, batch_size=16)
    assign(named_weights(model), permute(weights, found.spec, permutations))
    other = found.activations(x, batch_size=40)
    assign(named_weights(model), weights)
    hidden = {"heads/heads", "heads/key", "heads/value", "deep"}
    assert set(seen) == set(found.spec.groups) - hidden
    undone = identity(found.spec) | match_activations(seen, other)
    for group, values in seen.items():
        scale = np.abs(values).max()
        np.testing.assert_allclose(other[group][..., undone[group]], values, 1e-3, 1e-4 * scale)


@pytest.mark.parametrize("builder", [dense, convolutional, residual, image_dense])
def test_repaired_layers_have_the_moments_wanted(models, builder):
    model = models[builder]
    found, x = symmetries(model), samples(model, 40)
    parents = [random_weights(model, seed) for seed in (4, 5)]
    merged = {name: (parents[0][name] + parents[1][name]) / 2 for name in parents[0]}
    for layer in found.unit_layers:
        seen = []
        for network in (*parents, merged):
            assign(named_weights(model), network)
            seen += map(moments, found.pre_activations([layer], x, batch_size=16))
        target = average_moments(seen[:2])
        merged = repair(merged, layer, seen[2], target)
        assign(named_weights(model), merged)
        (after,) = map(moments, found.pre_activations([layer], x))
        np.testing.assert_allclose(after.mean, target.mean, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(after.std, target.std, rtol=1e-3, atol=1e-3)
    assign(named_weights(model), random_weights(model, 1))


def test_layers_that_can_be_repaired_are_listed_from_the_inputs_on(models):
    names = {b: [unit.kernel for unit in symmetries(models[b]).unit_layers] for b in GROUPS}
    assert names[dense] == ["a/kernel", "b/kernel"]
    assert names[image_dense] == []  # its hidden layer has no bias
    assert names[convolutional] == ["a/kernel", "b/kernel", "c/kernel"]
    assert names[residual][:2] == ["stem/kernel", "a_in/kernel"]
    assert names[twice_used] == ["b/kernel", "a/kernel"]


def test_pre_activations_are_those_before_the_activation(models):
    model, found = models[dense], symmetries(models[dense])
    x, weights = samples(model), read(named_weights(model))
    z = x @ weights["a/kernel"] + weights["a/bias"]
    second = np.maximum(z, 0) @ weights["b/kernel"] + weights["b/bias"]
    first_seen, second_seen = found.pre_activations(found.unit_layers, x)
    np.testing.assert_allclose(first_seen, z, rtol=1e-4)
    np.testing.assert_allclose(second_seen, second, rtol=1e-3, atol=1e-3)
    assert model.layers[0].activation.__name__ == "relu"


@pytest.fixture
def passes(monkeypatch):
    """The numbers of samples that models are called with, one call after another."""
    import keras

    sizes = []
    made = keras.Model.__call__
    monkeypatch.setattr(
        keras.Model, "__call__", lambda self, x, **b: sizes.append(len(x)) or made(self, x, **b)
    )
    return sizes


SEVERAL_LAYERS = pytest.mark.parametrize(
    "builder", [dense, convolutional, residual], ids=lambda b: b.__name__
)


@SEVERAL_LAYERS
def test_what_linear_layers_read_is_seen_in_one_pass(models, builder, passes):
    found, x = symmetries(models[builder]), samples(models[builder])
    layers = [layer for layer, _, _ in found.linear]
    assert len(layers) > 1
    alone = [found.rows([layer], x)[0] for layer in layers]
    passes.clear()
    together = found.rows(layers, x)
    assert passes == [len(x)]
    assert all(np.array_equal(one, other) for one, other in zip(together, alone, strict=True))


def passes_for(sizes, held):
    """Return how many passes layers of these sizes need, in order, `held` numbers at a time."""
    count, together = 1, 0
    for size in sizes:
        if together and together + size > held:
            count, together = count + 1, 0
        together += size
    return count


@SEVERAL_LAYERS
def test_pre_activations_are_seen_in_one_pass_unless_they_are_too_many(
    models, builder, passes, monkeypatch
):
    found, x = symmetries(models[builder]), samples(models[builder], 7)
    layers = found.unit_layers
    assert len(layers) > 1
    alone = [next(found.pre_activations([layer], x)) for layer in layers]
    one, two = (sum(array.size for array in alone[:some]) for some in (1, 2))
    # One sample says how many they are; then all are seen, each alone, the first two together.
    for held, expected in ((2**25, [1, 7]), (one, None), (two, None), (1, [1, *[7] * len(layers)])):
        grouped = expected or [1, *[7] * passes_for([array.size for array in alone], held)]
        monkeypatch.setattr("apps.architecture.symmetries._HELD", held)
        passes.clear()
        together = list(found.pre_activations(layers, x))
        assert passes == grouped
        assert all(np.array_equal(one, other) for one, other in zip(together, alone, strict=True))


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
