"""The networks that come with heterosis, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import keras


def two_layer_dense(
    units: int = 128,
    activation: str = "relu",
    dropout: float = 0.0,
    batch_normalization: bool = False,
    output: str = "softmax",
    input_shape: tuple[int, ...] = (28, 28),
    classes: int = 10,
) -> keras.Model:
    """Return the poster's network: one hidden dense layer and the outputs, not compiled.

    Args:
        units: width of the hidden layer.
        activation: of the hidden layer, a Keras name.
        dropout: rate after the hidden layer, in [0, 1).
        batch_normalization: whether to normalise the hidden layer.
        output: activation of the last layer: `softmax` for classes, `linear` for numbers.
        input_shape: of one sample; it is flattened.
        classes: number of outputs.
    """
    import keras

    layers = [keras.layers.Input(input_shape), keras.layers.Flatten(name="flatten")]
    names = "hidden", "normalization", "dropout"
    layers += _dense(units, activation, batch_normalization, dropout, names)
    layers.append(keras.layers.Dense(classes, activation=output, name="output"))
    return keras.Sequential(layers, name="two_layer_dense")


def mlp(
    units: int | Sequence[int] = 128,
    depth: int | None = None,
    activation: str = "relu",
    dropout: float = 0.0,
    batch_normalization: bool = False,
    output: str = "softmax",
    input_shape: tuple[int, ...] = (28, 28),
    classes: int = 10,
) -> keras.Model:
    """Return hidden dense layers and the outputs, not compiled.

    Args:
        units: width of each hidden layer, or one width for all.
        depth: number of hidden layers; by default as many as `units` says.
        activation: of the hidden layers, a Keras name.
        dropout: rate after each hidden layer, in [0, 1).
        batch_normalization: whether to normalise each hidden layer.
        output: activation of the last layer: `softmax` for classes, `linear` for numbers.
        input_shape: of one sample; it is flattened.
        classes: number of outputs.

    Raises:
        ValueError: `units` and `depth` name different numbers of layers.
    """
    import keras

    layers = [keras.layers.Input(input_shape), keras.layers.Flatten()]
    for width in _each(units, depth, "units"):
        layers += _dense(width, activation, batch_normalization, dropout)
    layers.append(keras.layers.Dense(classes, activation=output))
    return keras.Sequential(layers, name="mlp")


def cnn(
    filters: int | Sequence[int] = 16,
    depth: int | None = None,
    kernel: int = 3,
    units: int = 64,
    activation: str = "relu",
    dropout: float = 0.0,
    batch_normalization: bool = False,
    flatten: bool = False,
    output: str = "softmax",
    input_shape: tuple[int, ...] = (28, 28),
    classes: int = 10,
) -> keras.Model:
    """Return a small convolutional network, not compiled.

    Two convolutions, each followed by pooling over 2 x 2; further ones keep the size; then the
    mean over all positions, one dense layer, the outputs. So depth and width may change while the
    rest keeps its shape. The mean forgets where in an image something is: on Fashion-MNIST two
    convolutions learn more in an epoch with `flatten` than in four without.

    Args:
        filters: of each convolution, or one number for all.
        depth: number of convolutions; by default as many as `filters` says.
        kernel: side of the kernels.
        units: width of the dense layer.
        activation: of convolutions and dense layer, a Keras name.
        dropout: rate before the last layer, in [0, 1).
        batch_normalization: whether to normalise each convolution.
        flatten: whether the dense layer reads all positions in place of their mean.
        output: activation of the last layer: `softmax` for classes, `linear` for numbers.
        input_shape: of one sample; without channels it has one.
        classes: number of outputs.

    Raises:
        ValueError: `filters` and `depth` name different numbers of layers.
    """
    import keras

    layers = [keras.layers.Input(input_shape)]
    if len(input_shape) == 2:
        layers.append(keras.layers.Reshape((*input_shape, 1)))
    for number, width in enumerate(_each(filters, depth, "filters")):
        layers.append(keras.layers.Conv2D(width, kernel, padding="same", activation=activation))
        if batch_normalization:
            layers.append(keras.layers.BatchNormalization())
        if number < 2:
            layers.append(keras.layers.MaxPooling2D(2))
    read = keras.layers.Flatten() if flatten else keras.layers.GlobalAveragePooling2D()
    layers += [read, keras.layers.Dense(units, activation)]
    if dropout:
        layers.append(keras.layers.Dropout(dropout))
    layers.append(keras.layers.Dense(classes, activation=output))
    return keras.Sequential(layers, name="cnn")


def lstm(
    units: int | Sequence[int] = 32,
    depth: int | None = None,
    dropout: float = 0.0,
    output: str = "softmax",
    input_shape: tuple[int, ...] = (28, 28),
    classes: int = 10,
) -> keras.Model:
    """Return LSTM layers over a sequence and the outputs at its end, not compiled.

    Args:
        units: width of each recurrent layer, or one width for all.
        depth: number of recurrent layers; by default as many as `units` says.
        dropout: rate after each recurrent layer, in [0, 1).
        output: activation of the last layer: `softmax` for classes, `linear` for numbers.
        input_shape: of one sample, [steps, features].
        classes: number of outputs.

    Raises:
        ValueError: `units` and `depth` name different numbers of layers.
    """
    import keras

    layers = [keras.layers.Input(input_shape)]
    widths = _each(units, depth, "units")
    for number, width in enumerate(widths, 1):
        layers.append(keras.layers.LSTM(width, return_sequences=number < len(widths)))
        if dropout:
            layers.append(keras.layers.Dropout(dropout))
    layers.append(keras.layers.Dense(classes, activation=output))
    # Keras calls a process's first such layer "lstm": a model of that name would hide it.
    return keras.Sequential(layers, name="lstm_network")


def _dense(
    units: int,
    activation: str,
    batch_normalization: bool,
    dropout: float,
    names: Sequence[str | None] = (None, None, None),
) -> list[keras.layers.Layer]:
    """Return a hidden dense layer and what follows it; Keras finds names that are not given."""
    import keras

    layers = [keras.layers.Dense(units, activation=activation, name=names[0])]
    if batch_normalization:
        layers.append(keras.layers.BatchNormalization(name=names[1]))
    if dropout:
        layers.append(keras.layers.Dropout(dropout, name=names[2]))
    return layers


def _each(sizes: int | Sequence[int], depth: int | None, what: str) -> list[int]:
    """Return the size of each layer."""
    if isinstance(sizes, int):
        return [sizes] * (1 if depth is None else depth)
    if depth is not None and len(sizes) != depth:
        raise ValueError(f"{what} has {len(sizes)} values for a depth of {depth}")
    return list(sizes)


BUILDERS: Final[dict[str, Callable[..., keras.Model]]] = {
    "two_layer_dense": two_layer_dense,
    "mlp": mlp,
    "cnn": cnn,
    "lstm": lstm,
}
"""Built-in networks by name."""
