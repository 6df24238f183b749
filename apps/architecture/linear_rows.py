"""Layers that are a linear map of what they read: dense ones, and convolutions of patches."""

from __future__ import annotations

from math import prod
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

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
    if kind_of(layer) == "Dense":
        rows = values.reshape(len(values), -1, values.shape[-1])
        return np.asarray(rows[:, _spread(rows.shape[1])].reshape(-1, rows.shape[-1]))
    # Of one dimension: a picture that is one pixel high.
    images = values if values.ndim == 4 else values[:, None]
    sizes, strides, rates = (
        [1, *each][-2:] for each in (layer.kernel_size, layer.strides, layer.dilation_rate)
    )
    spans = [(size - 1) * rate + 1 for size, rate in zip(sizes, rates, strict=True)]
    if layer.padding == "same":
        zeros = map(_zeros, images.shape[1:3], spans, strides)
        images = np.pad(images, [(0, 0), *zeros, (0, 0)])
    windows = sliding_window_view(images, spans, axis=(1, 2))
    windows = windows[:, :: strides[0], :: strides[1], :, :: rates[0], :: rates[1]]
    high, wide = np.unravel_index(_spread(prod(windows.shape[1:3])), windows.shape[1:3])
    taken = np.moveaxis(windows[:, high, wide], 2, -1)
    return taken.reshape(-1, prod(taken.shape[2:]))


def _spread(positions: int) -> NDArray[np.intp]:
    """Return up to `_POSITIONS` of a sample's positions, spread evenly."""
    count = min(positions, _POSITIONS)
    return np.linspace(0, positions - 1, count).round().astype(np.intp)


def _zeros(length: int, span: int, stride: int) -> tuple[int, int]:
    """Return how many zeros TensorFlow's "same" padding puts before and after a side of an image.

    https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    added = max((-(-length // stride) - 1) * stride + span - length, 0)
    return added // 2, added - added // 2
