"""What layers without arrays do that join streams of units or bring them to other places.

These are rules of `layer_symmetries`, see there.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from apps.architecture.unit_trace import Layout, Trace, blank_of, known, output_shape
from apps.genetics.atoms import AtomAxis


def elementwise(trace: Trace, layer: Any, *inputs: Any, **_: Any) -> Layout:
    """Join streams element by element: what meets permutes together."""
    alone = len(inputs) == 1 and isinstance(inputs[0], list)
    streams: Sequence[Any] = inputs[0] if alone else inputs
    met, *others = [stream for stream in streams if isinstance(stream, tuple)]
    for other in others:
        met = trace.merged(met, other)
    if any(np.ndim(stream) for stream in streams if not isinstance(stream, tuple)):
        return trace.fix(met)
    return met


def concatenated(trace: Trace, layer: Any, streams: Sequence[Layout]) -> Layout:
    """Join streams along an axis: units lie one after another."""
    axis = getattr(layer, "axis", -1)
    number = axis if axis < 0 else axis - 1
    joined = [stream[number] for stream in streams]
    rest = [list(stream) for stream in streams]
    for each in rest:
        each[number] = trace.atoms.fixed(1)
    made = list(rest[0])
    for each in rest[1:]:
        made = list(trace.merged(tuple(made), tuple(each)))
    if any(axis is None for axis in joined):
        trace.fix(tuple(joined))
        made[number] = None
    else:
        made[number] = np.concatenate([known(axis) for axis in joined])
    return tuple(made)


def flattened(trace: Trace, layer: Any, x: Layout) -> Layout:
    """Make one axis of all, the channels last."""
    if layer.data_format == "channels_first" and len(x) > 1:
        x = (*x[1:], x[0])
    return reshaped(trace, layer, x)


def reshaped(trace: Trace, layer: Any, x: Layout) -> Layout:
    """Follow the units of the one axis that moves, where they stay on one."""
    shape = output_shape(layer, x)
    moving = [number for number, axis in enumerate(x) if axis is not None and trace.moves((axis,))]
    if None in shape or any(axis is None for axis in x) or len(moving) > 1:
        trace.fix(x)
        return blank_of(trace, shape)
    axes: list[AtomAxis | None] = list(blank_of(trace, shape))
    if moving:
        number = moving[0]
        labels = _along(known(x[number]), number, [known(axis).size for axis in x])
        found = _only_axis(labels.reshape([int(length) for length in shape if length is not None]))
        if found is None:
            trace.fix(x)
        else:
            axes[found[0]] = found[1]
    return tuple(axes)


def transposed(trace: Trace, layer: Any, x: Layout) -> Layout:
    """Exchange axes."""
    return tuple(x[number - 1] for number in layer.dims)


def repeated(trace: Trace, layer: Any, x: Layout) -> Layout:
    """Add an axis whose places are all the same."""
    return (trace.atoms.fixed(layer.n), *x)


def _along(axis: AtomAxis, number: int, lengths: Sequence[int]) -> AtomAxis:
    """Label every place of a tensor with its atom on one axis."""
    shape = [1] * len(lengths)
    shape[number] = -1
    return np.broadcast_to(axis.reshape(shape), lengths)


def _only_axis(labels: AtomAxis) -> tuple[int, AtomAxis] | None:
    """Find the axis along which alone the labels change."""
    for number in range(labels.ndim):
        axis = np.moveaxis(labels, number, 0).reshape(labels.shape[number], -1)[:, 0]
        if prod(labels.shape) and (labels == _along(axis, number, labels.shape)).all():
            return number, axis
    return None
