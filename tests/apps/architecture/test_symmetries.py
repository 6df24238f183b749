"""A Keras model's symmetries: permuted models compute the same, and copies are recovered."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Callable
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


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def dense(L, K):
    return K.Sequential(
        [K.Input((7,)), L.Dense(11, "relu", name="a"), L.Dense(5, "tanh", name="b"), L.Dense(3)]
    )


def single_unit(L, K):
    return K.Sequential([K.Input((7,)), L.Dense(1), L.Dense(5), L.Dense(3, "softmax")])


def image_dense(L, K):
    return K.Sequential(
        [
            K.Input((4, 4)),
            L.Rescaling(1 / 255),
            L.Flatten(),
            L.Dense(11, use_bias=False, name="a"),
            L.BatchNormalization(),
            L.Activation("relu"),
            L.Dropout(0.5),
            L.Dense(3, "softmax"),
        ]
    )


def convolutional(L, K):
    return K.Sequential(
        [
            K.Input((8, 8, 2)),
            L.ZeroPadding2D(1),
            L.Conv2D(5, 3, strides=2, activation="relu", name="a"),
            L.BatchNormalization(scale=False),
            L.MaxPooling2D(2, padding="same"),
            L.SpatialDropout2D(0.1),
            L.Conv2D(7, 2, name="b"),
            L.PReLU(shared_axes=[1, 2]),
            L.Flatten(),
            L.PReLU(),
            L.Dense(11, "gelu", name="c"),
            L.LayerNormalization(),
            L.Dense(3),
        ]
    )


def signals(L, K):
    return K.Sequential(
        [
            K.Input((13, 2)),
            L.Conv1D(5, 3, name="a"),
            L.Cropping1D(1),
            L.UpSampling1D(2),
            L.AveragePooling1D(2),
            L.Conv1DTranspose(7, 3, name="b"),
            L.SeparableConv1D(4, 3, depth_multiplier=2, name="c"),
            L.DepthwiseConv1D(3, depth_multiplier=3, name="d"),
            L.RMSNormalization(),
            L.GlobalMaxPooling1D(),
            L.Dense(3),
        ]
    )


def separable(L, K):
    return K.Sequential(
        [
            K.Input((8, 8, 2)),
            L.Conv2D(4, 3, name="a"),
            L.DepthwiseConv2D(3, depth_multiplier=2, activation="relu", name="d"),
            L.BatchNormalization(),
            L.SeparableConv2D(5, 2, depth_multiplier=3, name="b"),
            L.LayerNormalization(axis=[1, 2, 3]),
            L.Reshape((9, 5)),
            L.Permute((2, 1)),
            L.Flatten(),
            L.Dense(3),
        ]
    )


def group_normalized(L, K):
    return K.Sequential(
        [
            K.Input((6, 6, 2)),
            L.Conv2D(6, 3, name="a"),
            L.GroupNormalization(2),
            L.Conv2D(5, 2, name="b"),
            L.GroupNormalization(1),
            L.Conv2D(4, 2, name="c"),
            L.GroupNormalization(-1),
            L.ReLU(),
            L.GlobalAveragePooling2D(keepdims=True),
            L.Flatten(),
            L.Dense(3),
        ]
    )


def grouped_convolution(L, K):
    return K.Sequential(
        [
            K.Input((5, 5, 2)),
            L.Conv2D(4, 2, name="a"),
            L.Conv2D(6, 2, groups=2, name="b"),
            L.Conv2D(5, 2, name="c"),
            L.GlobalAveragePooling2D(),
            L.Dense(3),
        ]
    )


def recurrent(L, K):
    return K.Sequential(
        [
            K.Input((5,), dtype="int32"),
            L.Embedding(9, 4, name="e"),
            L.LSTM(5, return_sequences=True, name="a"),
            L.GRU(4, return_sequences=True, name="b"),
            L.GRU(3, return_sequences=True, reset_after=False, use_bias=False, name="c"),
            L.TimeDistributed(L.Dense(4, name="t")),
            L.SimpleRNN(7, name="d"),
            L.Dense(3),
        ]
    )


def masked(L, K):
    return K.Sequential(
        [
            K.Input((5,), dtype="int32"),
            L.Embedding(9, 4, mask_zero=True, name="e"),
            L.RNN(L.LSTMCell(5), name="a"),
            L.Dense(3),
        ]
    )


def open_length(L, K):
    return K.Sequential(
        [
            K.Input((None, 2)),
            L.Conv1D(5, 3, name="a"),
            L.Bidirectional(L.GRU(4, return_sequences=True), name="b"),
            L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode="sum", name="c"),
            L.GlobalAveragePooling1D(),
            L.Dense(3),
        ]
    )


def flattened_sequence(L, K):
    return K.Sequential(
        [K.Input((4, 2)), L.LSTM(5, return_sequences=True, name="a"), L.Flatten(), L.Dense(3)]
    )


def states(L, K):
    x = K.Input((4, 2))
    y, hidden, cell = L.LSTM(5, return_state=True, return_sequences=True, name="a")(x)
    z = L.LSTM(5, name="b")(y, initial_state=[hidden, cell])
    return K.Model(x, L.Dense(3)(z))


def residual(L, K):
    x = K.Input((8, 8, 2))
    stem = L.Conv2D(5, 3, padding="same", name="stem")(x)
    for block in "ab":
        inside = L.Conv2D(7, 3, padding="same", activation="relu", name=f"{block}_in")(stem)
        out = L.BatchNormalization()(L.Conv2D(5, 3, padding="same", name=f"{block}_out")(inside))
        stem = L.Add()([stem, out]) if block == "a" else stem + out
    return K.Model(x, L.Dense(3)(L.GlobalAveragePooling2D()(stem)))


def squeezed(L, K):
    x = K.Input((6, 6, 2))
    y = L.Conv2D(5, 3, name="a")(x)
    gate = L.GlobalAveragePooling2D(keepdims=True)(y)
    gate = L.Conv2D(5, 1, activation="sigmoid", name="gate")(gate)
    spot = L.Conv2D(1, 1, activation="sigmoid", name="spot")(y)
    y = L.Multiply()([L.Multiply()([y, gate]), spot])
    return K.Model(x, L.Dense(3)(L.Flatten()(y)))


def concatenated(L, K):
    x = K.Input((6, 6, 2))
    a, b = (L.Conv2D(n, 3, padding="same", name=name)(x) for n, name in ((4, "a"), (5, "b")))
    joined = L.BatchNormalization()(L.Concatenate()([a, x, b]))
    one = L.Conv2D(3, 2, name="c")(joined)
    return K.Model(x, L.Dense(3)(L.Concatenate()([L.Flatten()(one), L.Flatten()(joined)])))


def concatenation_and_sum(L, K):
    x = K.Input((6,))
    a, b = (L.Dense(n, name=name)(x) for n, name in ((4, "a"), (5, "b")))
    whole = L.Dense(9, name="whole")(x)
    return K.Model(x, L.Dense(3)(L.Average()([L.Concatenate()([a, b]), whole])))


def twice_used(L, K):
    x = K.Input((6,))
    shared = L.Dense(6, "tanh", name="shared")
    return K.Model(x, L.Dense(3)(shared(L.Dense(6, name="a")(shared(L.Dense(6, name="b")(x))))))


def nested(L, K):
    x, inner_x = K.Input((6,)), K.Input((5,))
    deep = L.Dense(8, "relu", name="deep")(inner_x)
    inner = K.Model(inner_x, L.Dense(4, name="inner")(deep), name="block")
    stack = K.Sequential([K.Input((4,)), L.Dense(7, name="stack")], name="stack")
    return K.Model(x, L.Dense(3)(stack(inner(L.Dense(5, name="a")(x)))))


def several_inputs(L, K):
    x, y = K.Input((6,)), K.Input((4, 2))
    a = L.Dense(5, name="a")(x)
    b = L.SimpleRNN(5, name="b")(y)
    both = L.Maximum()([a, b])
    return K.Model([x, y], [L.Dense(3)(both), L.Dense(2)(L.RepeatVector(2)(both))])


def attention(L, K):
    x = K.Input((5, 6))
    y = L.Dense(4, name="a")(x)
    heard = L.MultiHeadAttention(2, 3, value_dim=5, name="heads")(y, y)
    y = L.LayerNormalization()(y + heard)
    y = L.Add()([y, L.Dense(4, name="out")(L.Dense(7, "gelu", name="in")(y))])
    return K.Model(x, L.Dense(3)(L.GlobalAveragePooling1D()(y)))


def mixing_activations(L, K):
    return K.Sequential(
        [
            K.Input((6,)),
            L.Dense(5, "softmax", name="a"),
            L.Dense(8, name="b"),
            L.Activation(lambda z: z * np.arange(8, dtype="float32"), name="weighs"),
            L.Dense(3),
        ]
    )


def normalized_inputs(L, K):
    return K.Sequential(
        [
            K.Input((6, 6, 2)),
            L.Normalization(mean=[0.1, 0.2], variance=[1.0, 2.0]),
            L.RandomFlip(),
            L.Conv2D(5, 2, name="a"),
            L.Flatten(),
            L.Dense(3),
        ]
    )


GROUPS: dict[Callable[[Any, Any], Any], dict[str, int]] = {
    dense: {"a": 11, "b": 5},
    single_unit: {"dense_1": 5},
    image_dense: {"a": 11},
    convolutional: {"a": 5, "b": 7, "c": 11},
    signals: {"a": 5, "b": 7, "c": 4},
    separable: {"a": 4, "b": 5},
    group_normalized: {"a": 3, "a:2": 3, "b": 5, "c": 4},
    grouped_convolution: {"b": 3, "b:2": 3, "c": 5},
    recurrent: {
        "e": 4,
        "a/lstm_cell": 5,
        "b/gru_cell": 4,
        "c/gru_cell": 3,
        "time_distributed/t": 4,
        "d/simple_rnn_cell": 7,
    },
    masked: {"e": 4, "a/lstm_cell": 5},
    open_length: {
        "a": 5,
        "b/forward_gru/gru_cell": 4,
        "b/backward_gru/gru_cell": 4,
        "c/forward_lstm/lstm_cell": 3,
    },
    flattened_sequence: {"a/lstm_cell": 5},
    states: {"a/lstm_cell": 5},
    residual: {"stem": 5, "a_in": 7, "b_in": 7},
    squeezed: {"a": 5},
    concatenated: {"a": 4, "b": 5, "c": 3},
    concatenation_and_sum: {"a": 4, "b": 5},
    twice_used: {"shared": 6, "b": 6},
    nested: {"a": 5, "deep": 8, "inner": 4, "stack/stack": 7},
    several_inputs: {"a": 5},
    attention: {"a": 4, "heads/heads": 2, "heads/key": 3, "heads/value": 5, "in": 7},
    mixing_activations: {"a": 5},
    normalized_inputs: {"a": 5},
}
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
        asked = (spec,) if name == "unit" else ()
        assign(named_weights(model), crossover(rng(), parents, *asked))
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
            seen.append(moments(found.pre_activations(layer, x, batch_size=16)))
        target = average_moments(seen[:2])
        merged = repair(merged, layer, seen[2], target)
        assign(named_weights(model), merged)
        after = moments(found.pre_activations(layer, x))
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
    np.testing.assert_allclose(found.pre_activations(found.unit_layers[0], x), z, rtol=1e-4)
    second = np.maximum(z, 0) @ weights["b/kernel"] + weights["b/bias"]
    seen = found.pre_activations(found.unit_layers[1], x)
    np.testing.assert_allclose(seen, second, rtol=1e-3, atol=1e-3)
    assert model.layers[0].activation.__name__ == "relu"


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
