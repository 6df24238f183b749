"""What units and layers give on samples: whole, in few passes, enough to align and repair by."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from apps.architecture.symmetries import symmetries
from apps.genetics.alignment import match_activations
from apps.genetics.permutation import identity, permute, random_permutations
from apps.genetics.repair import average_moments, moments, repair
from apps.networks.build import assign, named_weights, read
from tests.support.symmetric_models import CASES, Models, random_weights, rng, samples
from tests.support.symmetric_nets import convolutional, dense, image_dense, residual


@pytest.fixture(scope="module")
def models():
    return Models()


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
        monkeypatch.setattr("apps.architecture.watched_units._HELD", held)
        passes.clear()
        together = list(found.pre_activations(layers, x))
        assert passes == grouped
        assert all(np.array_equal(one, other) for one, other in zip(together, alone, strict=True))
