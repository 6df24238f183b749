"""What a linear layer reads, times its kernel, is what it computes before its activation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apps.architecture.linear_rows import is_linear, rows_of

LAYERS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "dense": ("Dense", {"units": 3}, (5,)),
    "dense over steps": ("Dense", {"units": 3}, (4, 5)),
    "picture": ("Conv2D", {"filters": 3, "kernel_size": (2, 3)}, (5, 6, 2)),
    "same padding": ("Conv2D", {"filters": 3, "kernel_size": 3, "padding": "same"}, (4, 5, 2)),
    "an even kernel": (
        "Conv2D",
        {"filters": 3, "kernel_size": (2, 4), "padding": "same"},
        (4, 5, 2),
    ),
    "same padding and strides": (
        "Conv2D",
        {"filters": 3, "kernel_size": (3, 2), "strides": (2, 3), "padding": "same"},
        (6, 8, 2),
    ),
    "same padding and holes": (
        "Conv2D",
        {"filters": 3, "kernel_size": 3, "dilation_rate": (2, 3), "padding": "same"},
        (5, 6, 2),
    ),
    "smaller than its kernel": (
        "Conv2D",
        {"filters": 3, "kernel_size": 5, "padding": "same"},
        (2, 3, 2),
    ),
    "a sequence by strides": ("Conv1D", {"filters": 3, "kernel_size": 3, "strides": 2}, (9, 2)),
    "strides": ("Conv2D", {"filters": 3, "kernel_size": 2, "strides": 2}, (6, 6, 1)),
    "holes": ("Conv2D", {"filters": 3, "kernel_size": 2, "dilation_rate": 2}, (6, 6, 1)),
    "sequence": ("Conv1D", {"filters": 3, "kernel_size": 3, "padding": "same"}, (7, 2)),
}


@pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS.keys())
def test_rows_times_kernel_are_what_the_layer_computes(case: Any) -> None:
    import keras

    kind, settings, shape = case
    layer = getattr(keras.layers, kind)(**settings, bias_initializer="normal")
    values = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    expected = np.asarray(layer(values)).reshape(3, -1, 3)
    assert is_linear(layer)
    kernel = layer.kernel.numpy()
    found = rows_of(layer, values) @ kernel.reshape(-1, kernel.shape[-1]) + layer.bias.numpy()
    positions = expected.shape[1]
    taken = np.linspace(0, positions - 1, min(positions, 8)).round().astype(int)
    np.testing.assert_allclose(found.reshape(3, -1, 3), expected[:, taken], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("Conv2D", {"filters": 4, "kernel_size": 2, "groups": 2}),
        ("Conv1D", {"filters": 4, "kernel_size": 2, "padding": "causal"}),
        ("DepthwiseConv2D", {"kernel_size": 2}),
        ("LSTM", {"units": 3}),
    ],
)
def test_other_layers_are_not_linear(kind: str, settings: dict[str, Any]) -> None:
    import keras

    assert not is_linear(getattr(keras.layers, kind)(**settings))
