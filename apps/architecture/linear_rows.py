"""Layers that are a linear map of what they read: dense ones, and convolutions of patches."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from apps.architecture.own_layers import kind_of
from apps.datasets.arrays import Array

_POSITIONS: Final = 8
"""Positions of a sample that are rows: more would say little more, and take memory."""


def is_linear(layer: Any) -> bool:
    """Whether `rows_of` a layer's input times its kernel is what it computes before its bias."""
    kind = kind_of(layer)
    if kind == "Dense":
        return True
    whole = kind in ("Conv1D", "Conv2D") and layer.groups == 1
    return whole and layer.data_format == "channels_last" and layer.padding in ("valid", "same")


def rows_of(layer: Any, values: Array) -> Array:
    """Return what a linear layer reads, a row for every position that it is taken at.

    Args:
        layer: one that `is_linear`.
        values: its input [samples, ..., inputs].

    Returns:
        [samples * positions, inputs of the kernel], up to `_POSITIONS` of each sample, spread
        evenly.
    """
    import tensorflow as tf

    if kind_of(layer) != "Dense":
        images = values if values.ndim == 4 else values[:, None]
        # Of one dimension: a picture that is one pixel high.
        sizes, strides, rates = (
            [1, *[1, *each][-2:], 1]
            for each in (layer.kernel_size, layer.strides, layer.dilation_rate)
        )
        patches = tf.image.extract_patches(
            images, sizes, strides, rates, padding=layer.padding.upper()
        )
        values = patches.numpy()
    rows = values.reshape(len(values), -1, values.shape[-1])
    count = min(rows.shape[1], _POSITIONS)
    taken = np.linspace(0, rows.shape[1] - 1, count).round().astype(np.intp)
    return np.asarray(rows[:, taken].reshape(-1, rows.shape[-1]))
