"""Keras models of any width and depth, and pairs of them of which one can grow to the other."""

from __future__ import annotations

from typing import Any


def mlp(L, K, *widths, activation="relu", last="softmax", inputs=7):
    hidden = [L.Dense(width, activation) for width in widths]
    return K.Sequential([K.Input((inputs,)), *hidden, L.Dense(3, last)])


def tanh(L, K, *widths):
    return mlp(L, K, *widths, activation="tanh")


def functional(L, K, *widths):
    x = y = K.Input((7,))
    for width in widths:
        y = L.Dropout(0.5)(L.ReLU()(L.BatchNormalization()(L.Dense(width, use_bias=False)(y))))
    return K.Model(x, L.Dense(3)(y))


def parametric(L, K, *widths):
    hidden = [layer for width in widths for layer in (L.Dense(width), L.PReLU())]
    return K.Sequential([K.Input((7,)), *hidden, L.Dense(3)])


def convolutional(L, K, *widths, window=3, dense=5):
    layers = [
        layer
        for width in widths
        for layer in (
            L.Conv2D(width, window, padding="same"),
            L.BatchNormalization(),
            L.Activation("relu"),
        )
    ]
    return K.Sequential(
        [
            K.Input((6, 6, 2)),
            *layers,
            L.MaxPooling2D(2),
            L.Flatten(),
            L.Dense(dense, "elu"),
            L.Dense(3),
        ]
    )


def depthwise(L, K, *widths):
    layers = [
        layer
        for width in widths
        for layer in (
            L.DepthwiseConv2D(3, padding="same", activation="relu"),
            L.Conv2D(width, 1, activation="relu"),
        )
    ]
    return K.Sequential(
        [
            K.Input((6, 6, 2)),
            L.Conv2D(4, 3, activation="relu", strides=2),
            *layers,
            L.GlobalAveragePooling2D(),
            L.Dense(3),
        ]
    )


def signals(L, K, a, b, c):
    return K.Sequential(
        [
            K.Input((13, 2)),
            L.Conv1D(a, 3, padding="causal"),
            L.AveragePooling1D(2),
            L.Conv1DTranspose(b, 3),
            L.SeparableConv1D(c, 3, depth_multiplier=2),
            L.DepthwiseConv1D(3, depth_multiplier=3, activation="gelu"),
            L.GlobalMaxPooling1D(),
            L.Dense(3),
        ]
    )


def separable(L, K, *widths):
    layers = [L.SeparableConv2D(width, 3, padding="same", activation="relu") for width in widths]
    return K.Sequential([K.Input((6, 6, 2)), *layers, L.GlobalMaxPooling2D(), L.Dense(3)])


def causal(L, K, *widths):
    layers = [L.Conv1D(width, 3, padding="causal", activation="relu") for width in widths]
    return K.Sequential([K.Input((6, 2)), *layers, L.GlobalMaxPooling1D(), L.Dense(3)])


def residual(L, K, stem, *inner, add=None):
    x = K.Input((6, 6, 2))
    y = L.Conv2D(stem, 3, padding="same")(x)
    for width in inner:
        z = L.Conv2D(width, 3, padding="same", activation="relu")(y)
        z = L.BatchNormalization()(L.Conv2D(stem, 3, padding="same")(z))
        y = y + z if add is None else L.Add()([y, z])
    return K.Model(x, L.Dense(3)(L.GlobalAveragePooling2D()(L.ReLU()(y))))


def concatenated(L, K, a, b, c):
    x = K.Input((6, 6, 2))
    joined = L.Concatenate()([L.Conv2D(n, 3, padding="same")(x) for n in (a, b)] + [x])
    joined = L.BatchNormalization()(joined)
    one = L.Conv2D(c, 2, activation="tanh")(joined)
    return K.Model(x, L.Dense(3)(L.Concatenate()([L.Flatten()(one), L.Flatten()(joined)])))


def recurrent(L, K, e, a, b, c, d):
    return K.Sequential(
        [
            K.Input((5,), dtype="int32"),
            L.Embedding(9, e, mask_zero=True),
            L.LSTM(a, return_sequences=True),
            L.GRU(b, return_sequences=True),
            L.GRU(c, return_sequences=True, reset_after=False, use_bias=False),
            L.TimeDistributed(L.Dense(4, "relu")),
            L.SimpleRNN(d),
            L.Dense(3),
        ]
    )


def both_ways(L, K, a, b):
    return K.Sequential(
        [
            K.Input((None, 2)),
            L.Bidirectional(L.GRU(a, return_sequences=True)),
            L.Bidirectional(L.RNN(L.LSTMCell(b)), merge_mode="sum"),
            L.Dense(3),
        ]
    )


def states(L, K, units):
    x = K.Input((4, 2))
    y, hidden, cell = L.LSTM(units, return_state=True, return_sequences=True)(x)
    return K.Model(x, L.Dense(3)(L.LSTM(units)(y, initial_state=[hidden, cell])))


def attention(L, K, width, heads, value):
    x = K.Input((5, 6))
    y = L.Dense(width)(x)
    y = y + L.MultiHeadAttention(heads, 3, value_dim=value)(y, y)
    return K.Model(x, L.Dense(3)(L.GlobalAveragePooling1D()(y)))


def twice_used(L, K, a, b):
    x = K.Input((6,))
    shared = L.Dense(a, "tanh")
    return K.Model(x, L.Dense(3)(shared(L.Dense(b)(shared(L.Dense(b)(x))))))


def nested(L, K, a, b, c):
    x, inner_x = K.Input((6,)), K.Input((a,))
    inner = K.Model(inner_x, L.Dense(c, "relu")(L.Dense(b, "relu")(inner_x)))
    return K.Model(x, L.Dense(3)(inner(L.Dense(a)(x))))


def several(L, K, a, b):
    x, y = K.Input((6,)), K.Input((4, 2))
    both = L.Maximum()([L.Dense(a)(x), L.SimpleRNN(a)(y)])
    deep = L.Dense(b, "relu")(both)
    return K.Model([x, y], [L.Dense(3)(deep), L.Dense(2)(L.RepeatVector(2)(both))])


def layer_normalized(L, K, width, activation="relu"):
    return K.Sequential(
        [K.Input((7,)), L.Dense(width, activation), L.LayerNormalization(), L.Dense(3)]
    )


def group_normalized(L, K, width):
    return K.Sequential(
        [K.Input((5, 5, 2)), L.Conv2D(width, 3), L.GroupNormalization(2), L.Flatten(), L.Dense(3)]
    )


def mixing(L, K, *widths):
    return mlp(L, K, *widths, activation="softmax")


def strided(L, K, *widths):
    layers = [L.Conv2D(width, 3, 2, padding="same", activation="relu") for width in widths]
    return K.Sequential([K.Input((6, 6, 2)), *layers, L.GlobalAveragePooling2D(), L.Dense(3)])


def flattened(L, K, *widths):
    layers = [L.Conv2D(width, 3, activation="relu") for width in widths]
    return K.Sequential([K.Input((6, 6, 2)), *layers, L.Flatten(), L.Dense(3)])


def grouped(L, K, a, b):
    return K.Sequential(
        [
            K.Input((5, 5, 2)),
            L.Conv2D(a, 2),
            L.Conv2D(b, 2, groups=2),
            L.GlobalAveragePooling2D(),
            L.Dense(3),
        ]
    )


def activated(L, K, width, activation="relu"):
    return mlp(L, K, width, activation=activation)


def simple(L, K, units, activation="tanh"):
    return K.Sequential([K.Input((4, 2)), L.SimpleRNN(units, activation), L.Dense(3)])


def masked(L, K, *widths):
    layers = [L.Conv1D(width, 3, padding="causal") for width in widths]
    return K.Sequential(
        [
            K.Input((5,), dtype="int32"),
            L.Embedding(9, 4, mask_zero=True),
            *layers,
            L.LSTM(3),
            L.Dense(3),
        ]
    )


GROWTHS: list[tuple[Any, tuple[int, ...], tuple[int, ...]]] = [
    (mlp, (5,), (5,)),
    (mlp, (5,), (11,)),
    (mlp, (5, 4), (7, 13)),
    (mlp, (5,), (8, 6)),
    (mlp, (5,), (6, 5, 9)),
    (tanh, (5, 4), (7, 13)),
    (functional, (5, 4), (7, 13)),
    (functional, (5,), (5, 5)),
    (functional, (5, 4), (9, 8, 7, 4)),
    (parametric, (5, 4), (7, 13)),
    (parametric, (5,), (6, 7)),
    (convolutional, (3, 4), (5, 9)),
    (convolutional, (3,), (4, 5, 7)),
    (depthwise, (3, 4), (5, 9)),
    (depthwise, (3,), (4, 5)),
    (signals, (3, 4, 5), (4, 7, 9)),
    (separable, (3, 4), (5, 9)),
    (separable, (3,), (4, 5)),
    (causal, (3,), (4, 5)),
    (residual, (4, 5), (7, 6)),
    (residual, (4, 5), (4, 5, 3)),
    (residual, (4, 5), (7, 6, 3, 8)),
    (concatenated, (3, 4, 5), (5, 9, 7)),
    (recurrent, (4, 5, 4, 3, 7), (5, 9, 6, 8, 11)),
    (both_ways, (4, 3), (5, 7)),
    (states, (4,), (7,)),
    (attention, (4, 2, 5), (6, 3, 7)),
    (twice_used, (5, 4), (7, 9)),
    (nested, (5, 8, 4), (6, 9, 7)),
    (several, (5, 4), (6, 9)),
]
