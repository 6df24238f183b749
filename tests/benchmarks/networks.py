"""Networks of many kinds, as users bring them, and how much faster than `fit` they must train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

LEAST: Final[Mapping[str, float]] = {
    "dropout": 7.0,
    "wide": 3.0,
    "one_lstm": 3.8,
    "two_grus": 4.5,
    "transformer": 2.3,
    "separable": 1.6,
    "two_convolutions": 2.4,
    "residual": 1.2,
}
"""By builder: how many times as many epochs a second as `fit`, of 1,200 images in batches of 64."""

CONVOLVE: Final = ("separable", "two_convolutions", "residual")
"""Networks for which XLA on a CPU takes ten to thirty times as long."""

Shape = tuple[int, ...]


def dropout(input_shape: Shape, classes: int) -> Any:
    """Three dense layers with dropout between them."""
    from keras import Sequential, layers

    return Sequential(
        [
            layers.Input(input_shape),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def wide(input_shape: Shape, classes: int) -> Any:
    """Two wide dense layers: 1.9 million weights."""
    from keras import Sequential, layers

    return Sequential(
        [
            layers.Input(input_shape),
            layers.Flatten(),
            layers.Dense(1024, activation="relu"),
            layers.Dense(1024, activation="relu"),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def one_lstm(input_shape: Shape, classes: int) -> Any:
    """An LSTM that reads an image row by row."""
    from keras import Sequential, layers

    return Sequential(
        [layers.Input(input_shape), layers.LSTM(64), layers.Dense(classes, activation="softmax")]
    )


def two_grus(input_shape: Shape, classes: int) -> Any:
    """Two GRUs, one upon the other."""
    from keras import Sequential, layers

    return Sequential(
        [
            layers.Input(input_shape),
            layers.GRU(64, return_sequences=True),
            layers.GRU(32),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def transformer(input_shape: Shape, classes: int) -> Any:
    """Two blocks of attention over an image's rows."""
    from keras import Model, layers

    inputs = layers.Input(input_shape)
    rows = layers.Dense(64)(inputs)
    for _ in range(2):
        seen = layers.LayerNormalization()(rows)
        rows = layers.Add()([rows, layers.MultiHeadAttention(4, 16, dropout=0.1)(seen, seen)])
        hidden = layers.Dense(128, activation="gelu")(layers.LayerNormalization()(rows))
        rows = layers.Add()([rows, layers.Dense(64)(layers.Dropout(0.1)(hidden))])
    pooled = layers.GlobalAveragePooling1D()(rows)
    return Model(inputs, layers.Dense(classes, activation="softmax")(pooled))


def separable(input_shape: Shape, classes: int) -> Any:
    """Separable convolutions."""
    from keras import Sequential, layers

    return Sequential(
        [
            layers.Input(input_shape),
            layers.Reshape((*input_shape, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.SeparableConv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.SeparableConv2D(64, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def two_convolutions(input_shape: Shape, classes: int) -> Any:
    """Two convolutions with pooling, and dropout."""
    from keras import Sequential, layers

    return Sequential(
        [
            layers.Input(input_shape),
            layers.Reshape((*input_shape, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def residual(input_shape: Shape, classes: int) -> Any:
    """A small residual network with batch normalisation before each convolution."""
    from keras import Model, layers

    def convolved(image: Any, filters: int, size: int = 3, strides: int = 1) -> Any:
        return layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(image)

    inputs = layers.Input(input_shape)
    image = convolved(layers.Reshape((*input_shape, 1))(inputs), 16)
    for strides, filters in ((1, 16), (2, 32), (2, 32)):
        branch = layers.ReLU()(layers.BatchNormalization()(image))
        branch = convolved(branch, filters, strides=strides)
        branch = convolved(layers.ReLU()(layers.BatchNormalization()(branch)), filters)
        if strides > 1:
            image = convolved(image, filters, size=1, strides=strides)
        image = layers.Add()([branch, image])
    pooled = layers.GlobalAveragePooling2D()(image)
    return Model(inputs, layers.Dense(classes, activation="softmax")(pooled))
