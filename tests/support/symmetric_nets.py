"""Networks of every kind whose symmetries are known, each with its groups of units and their sizes.

Each takes Keras's `layers` and Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


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
