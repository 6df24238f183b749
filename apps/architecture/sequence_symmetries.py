"""What layers for sequences do to the units that pass through them: recurrent ones and attention.

These are rules of `layer_symmetries`, see there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from apps.architecture.unit_trace import (
    Layout,
    Trace,
    blank_of,
    channel_axis,
    fixed,
    known,
    layouts_in,
    unknown,
)
from apps.genetics.atoms import AtomAxis

_GATES: Final = {"SimpleRNNCell": 1, "GRUCell": 3, "LSTMCell": 4}


def recurrent(trace: Trace, layer: Any, x: Layout, initial_state: Any = None, **_: Any) -> Any:
    """Follow the units of one cell, or of several that read each other."""
    cells = getattr(layer.cell, "cells", [layer.cell])
    if len(cells) > 1 and (layer.return_state or initial_state is not None):
        raise unknown(layer.name, f"{type(layer).__name__} of several cells with states passed on")
    trace.fix(x[:-1])
    out = known(x[-1])
    for cell in cells:
        out = _cell(trace, layer, cell, out)
    for state in layouts_in(initial_state):
        trace.merged((out,), state)
    made: Layout = (*x[:-1], out) if layer.return_sequences else (out,)
    count = 2 if type(cells[-1]).__name__ == "LSTMCell" else 1
    return [made, *[(out,)] * count] if layer.return_state else made


def one_step(trace: Trace, cell: Any, x: Layout, states: Any, **_: Any) -> list[Layout]:
    """Follow the units of a cell that is used as a layer."""
    out = _cell(trace, cell, cell, known(x[-1]))
    found = layouts_in(states)
    for state in found:
        trace.merged((out,), state)
    return [(out,)] * (1 + len(found))


def _cell(trace: Trace, layer: Any, cell: Any, read: AtomAxis) -> AtomAxis:
    gates = _GATES.get(type(cell).__name__)
    if gates is None:
        raise unknown(layer.name, f"{type(layer).__name__} of {type(cell).__name__}")
    out = trace.units(cell, cell.kernel, cell.units)
    every = np.tile(out, gates)
    trace.array(cell.kernel, read, every)
    trace.array(cell.recurrent_kernel, out, every)
    if cell.bias is not None:
        extra = [trace.atoms.fixed(2)] if len(cell.bias.shape) == 2 else []
        trace.array(cell.bias, *extra, every)
    for function in (cell.activation, getattr(cell, "recurrent_activation", None)):
        trace.activated(function, out)
    return out


def recurrent_convolution(
    trace: Trace, layer: Any, x: Layout, initial_state: Any = None, **_: Any
) -> Any:
    """Follow the filters of a recurrent layer that convolves."""
    cell = layer.cell
    channel = channel_axis(layer) % (len(x) - 1)
    out = trace.units(cell, cell.kernel, cell.filters)
    every = np.tile(out, 4)
    window = fixed(trace, cell.kernel_size)
    trace.array(cell.kernel, *window, known(x[1 + channel]), every)
    trace.array(cell.recurrent_kernel, *window, out, every)
    trace.array(cell.bias, every)
    for function in (cell.activation, cell.recurrent_activation):
        trace.activated(function, out)
    trace.fix((*x[: 1 + channel], *x[2 + channel :]))
    shape = layer.compute_output_shape((None, *(None if a is None else a.size for a in x)))
    shapes = [shape] if not isinstance(shape[0], tuple) else list(shape)
    made = []
    for each in shapes:
        axes = list(blank_of(trace, each[1:]))
        axes[len(axes) - len(x) + 1 + channel] = out
        made.append(tuple(axes))
    for state in layouts_in(initial_state):
        axes = list(blank_of(trace, [None if a is None else a.size for a in state]))
        axes[channel] = out
        trace.merged(tuple(axes), state)
    return made if layer.return_state else made[0]


def attention(
    trace: Trace,
    layer: Any,
    streams: Sequence[Layout],
    return_attention_scores: bool = False,
    **_: Any,
) -> Layout:
    """Compare a query's units with a key's; the value's pass through."""
    if return_attention_scores:
        raise unknown(layer.name, f"{type(layer).__name__} giving its scores")
    query, value, key = streams[0], streams[1], streams[-1]
    compared = trace.merged(query[-1:], key[-1:])
    trace.fix((*value[:-1], *key[:-1]))
    if layer.scale is not None:
        trace.array(layer.scale, *(known(axis) for axis in compared[: len(layer.scale.shape)]))
    trace.array(getattr(layer, "concat_score_weight", None))
    return (*trace.fix(query[:-1]), value[-1])


def attention_heads(trace: Trace, layer: Any, *arguments: Any, **keywords: Any) -> Layout:
    """Permute heads as a whole, and alike what lies in every head."""
    streams = _streams(layer, *arguments, **keywords)
    if len(streams[0]) != 2:
        raise unknown(layer.name, f"{type(layer).__name__} over several axes")
    kernel = layer._query_dense.kernel
    heads = trace.units(layer, kernel, layer.num_heads, "heads")
    # One permutation for all heads, since they share an axis of each kernel.
    inside = trace.units(layer, kernel, layer.key_dim, "key")
    carried = trace.units(layer, kernel, layer.value_dim or layer.key_dim, "value")
    return _heads(trace, layer, streams, (heads, heads), (inside, carried))


def grouped_attention(trace: Trace, layer: Any, *arguments: Any, **keywords: Any) -> Layout:
    """Keep heads in place, of which several read one; permute alike what lies in every head."""
    streams = _streams(layer, *arguments, **keywords)
    kernel = layer._query_dense.kernel
    inside = trace.units(layer, kernel, layer.head_dim, "key")
    carried = trace.units(layer, kernel, layer.head_dim, "value")
    heads, few = fixed(trace, [layer.num_query_heads, layer.num_key_value_heads])
    if layer.use_gate:
        gate = layer._gate_dense
        trace.array(gate.kernel, known(streams[0][-1]), heads, carried)
        trace.array(gate.bias, heads, carried)
    return _heads(trace, layer, streams, (heads, few), (inside, carried))


def _streams(
    layer: Any,
    query: Layout,
    value: Layout,
    key: Layout | None = None,
    return_attention_scores: bool = False,
    **_: Any,
) -> tuple[Layout, Layout, Layout]:
    """Return query, value and key of an attention.

    Raises:
        UnknownSymmetry: it gives its scores too.
    """
    if return_attention_scores:
        raise unknown(layer.name, f"{type(layer).__name__} giving its scores")
    return query, value, value if key is None else key


def _heads(
    trace: Trace,
    layer: Any,
    streams: tuple[Layout, Layout, Layout],
    heads: tuple[AtomAxis, AtomAxis],
    units: tuple[AtomAxis, AtomAxis],
) -> Layout:
    """Describe the arrays of an attention.

    Args:
        trace: of the network.
        layer: the attention.
        streams: query, value and key.
        heads: of the query, and of key and value.
        units: in every head: of query and key, and of the value.
    """
    query, value, key = streams
    inside, carried = units
    parts = {"query": query, "key": key, "value": value}
    for part, x in parts.items():
        dense = getattr(layer, f"_{part}_dense")
        axes = heads[part != "query"], carried if part == "value" else inside
        trace.fix(x[:1])
        trace.array(dense.kernel, known(x[-1]), *axes)
        trace.array(dense.bias, *axes)
    last = layer._output_dense
    out = trace.units(layer, last.kernel, last.kernel.shape[-1])
    trace.array(last.kernel, heads[0], carried, out)
    trace.array(last.bias, out)
    return (query[0], out)
