"""What each Keras layer does to the units that pass through it: the rules of `symmetries`.

A rule is `f(trace, layer, *arguments, **keywords)`: it gets *layouts* where Keras gets tensors,
tells the trace along which axes of its arrays which units lie, and returns the layouts of its
outputs. Nothing here imports Keras; layers are looked up by the name of their class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from apps.architecture.layer_check import LayerCheck
from apps.architecture.layer_functions import equation_of
from apps.architecture.moving_symmetries import (
    concatenated,
    elementwise,
    flattened,
    repeated,
    reshaped,
    transposed,
)
from apps.architecture.own_layers import IN, OUT, array_name, kind_of, own_layer, units_of
from apps.architecture.sequence_symmetries import (
    attention,
    attention_heads,
    grouped_attention,
    one_step,
    recurrent,
    recurrent_convolution,
)
from apps.architecture.tried_units import tried
from apps.architecture.unit_trace import (
    Layout,
    OpenLength,
    Trace,
    blank_of,
    channel_axis,
    failed,
    fixed,
    known,
    layouts_in,
    mapped,
    output_shape,
    unknown,
)
from apps.genetics.atoms import AtomAxis

Rule = Callable[..., Any]


def _same(trace: Trace, layer: Any, x: Layout, *_: Any, **__: Any) -> Layout:
    """Treat every unit alike and for itself."""
    return x


def _activation(trace: Trace, layer: Any, x: Layout) -> Layout:
    if x[-1] is None:
        return trace.fix(x)
    return (*x[:-1], trace.activated(layer.activation, x[-1]))


def _dense(trace: Trace, layer: Any, x: Layout) -> Layout:
    out = trace.units(layer, layer.kernel, layer.units)
    trace.array(layer.kernel, known(x[-1]), out)
    trace.array(layer.bias, out)
    return (*x[:-1], trace.activated(layer.activation, out))


def _convolution(trace: Trace, layer: Any, x: Layout) -> Layout:
    channels = known(x[channel_axis(layer)])
    out = trace.units(layer, layer.kernel, layer.filters)
    if layer.groups > 1:
        # One axis of the kernel serves the channels of all groups.
        trace.atoms.fix(channels)
        trace.atoms.colour(out, np.arange(out.size) // (out.size // layer.groups))
        channels = trace.atoms.fixed(channels.size // layer.groups)
    trace.array(layer.kernel, *fixed(trace, layer.kernel_size), channels, out)
    trace.array(layer.bias, out)
    return _windows(trace, layer, x, trace.activated(layer.activation, out))


def _transposed_convolution(trace: Trace, layer: Any, x: Layout) -> Layout:
    channels = known(x[channel_axis(layer)])
    out = trace.units(layer, layer.kernel, layer.filters)
    trace.array(layer.kernel, *fixed(trace, layer.kernel_size), out, channels)
    trace.array(layer.bias, out)
    return _windows(trace, layer, x, trace.activated(layer.activation, out))


def _depthwise_convolution(trace: Trace, layer: Any, x: Layout) -> Layout:
    channels = known(x[channel_axis(layer)])
    out = np.repeat(channels, layer.depth_multiplier)
    each = trace.atoms.fixed(layer.depth_multiplier)
    trace.array(layer.kernel, *fixed(trace, layer.kernel_size), channels, each)
    trace.array(layer.bias, out)
    return _windows(trace, layer, x, trace.activated(layer.activation, out))


def _separable_convolution(trace: Trace, layer: Any, x: Layout) -> Layout:
    channels = known(x[channel_axis(layer)])
    each = trace.atoms.fixed(layer.depth_multiplier)
    inner = np.repeat(channels, layer.depth_multiplier)
    out = trace.units(layer, layer.pointwise_kernel, layer.filters)
    trace.array(layer.depthwise_kernel, *fixed(trace, layer.kernel_size), channels, each)
    trace.array(layer.pointwise_kernel, *fixed(trace, [1] * (len(x) - 1)), inner, out)
    trace.array(layer.bias, out)
    return _windows(trace, layer, x, trace.activated(layer.activation, out))


def windows(trace: Trace, layer: Any, x: Layout) -> Layout:
    """Work on the positions, channel by channel: pooling, padding, cropping, upsampling."""
    return _windows(trace, layer, x, x[channel_axis(layer)])


def _global_pooling(trace: Trace, layer: Any, x: Layout, mask: Any = None) -> Layout:
    channel = channel_axis(layer)
    trace.fix((*x[:channel], *x[channel:][1:]))
    if not layer.keepdims:
        return (x[channel],)
    kept: list[AtomAxis | None] = [trace.atoms.fixed(1) for _ in x]
    kept[channel] = x[channel]
    return tuple(kept)


def _batch_normalization(trace: Trace, layer: Any, x: Layout, **_: Any) -> Layout:
    channels = known(x[layer.axis if layer.axis < 0 else layer.axis - 1])
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        variable = getattr(layer, name, None)
        trace.array(variable, channels)
        if name.startswith("moving") and variable is not None:
            trace.statistics.add(trace.names[id(variable)])
    return x


def _layer_normalization(trace: Trace, layer: Any, x: Layout, **_: Any) -> Layout:
    numbers = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    axes = [x[number if number < 0 else number - 1] for number in numbers]
    for name in ("gamma", "beta", "scale"):
        # `scale` is an array of RMSNormalization and a flag of LayerNormalization.
        variable = getattr(layer, name, None)
        if id(variable) in trace.names:
            trace.array(variable, *(known(axis) for axis in axes))
    return x


def _group_normalization(trace: Trace, layer: Any, x: Layout) -> Layout:
    channels = known(x[layer.axis if layer.axis < 0 else layer.axis - 1])
    trace.array(layer.gamma if layer.scale else None, channels)
    trace.array(layer.beta if layer.center else None, channels)
    if 1 < layer.groups < channels.size:
        blocks = np.arange(channels.size) // (channels.size // layer.groups)
        trace.atoms.colour(channels, blocks)
    return x


def _prelu(trace: Trace, layer: Any, x: Layout) -> Layout:
    lengths = tuple(layer.alpha.shape)
    trace.array(
        layer.alpha,
        *(
            trace.atoms.fixed(1) if length == 1 else known(axis)
            for length, axis in zip(lengths, x, strict=True)
        ),
    )
    return x


def _scaled(trace: Trace, layer: Any, x: Layout) -> Layout:
    trace.array(layer.gamma, known(x[-1]))
    return x


def _einsum(trace: Trace, layer: Any, x: Layout) -> Layout:
    read, weights, made = equation_of(layer)
    axes: dict[str, AtomAxis | None] = dict(zip(read[1:], x, strict=True))
    for term, length in zip(weights, layer.kernel.shape, strict=True):
        if term not in axes:
            axes[term] = (
                trace.units(layer, layer.kernel, length, f"units {term}" if len(made) > 2 else "")
                if term in made
                else trace.atoms.fixed(length)
            )
    trace.array(layer.kernel, *(known(axes[term]) for term in weights))
    out = [axes[term] for term in made[1:]]
    if layer.bias is not None:
        lengths = layer.bias.shape
        trace.array(
            layer.bias,
            *(
                trace.atoms.fixed(1) if length == 1 else known(axis)
                for length, axis in zip(lengths, out[len(out) - len(lengths) :], strict=True)
            ),
        )
    last = out[-1] if out else None
    if last is not None:
        trace.activated(layer.activation, last)
    return tuple(out)


def _spectral(trace: Trace, layer: Any, x: Layout, **_: Any) -> Any:
    made = apply(trace, layer.layer, x)
    trace.array(layer.vector_u, trace.atoms.fixed(1), trace.axes_of(layer.kernel)[-1])
    return made


def _embedding(trace: Trace, layer: Any, x: Layout) -> Layout:
    out = trace.units(layer, layer.embeddings, layer.output_dim)
    trace.array(layer.embeddings, trace.atoms.fixed(layer.input_dim), out)
    return (*trace.fix(x), out)


def _bidirectional(trace: Trace, layer: Any, x: Layout, **keywords: Any) -> Any:
    if layer.return_state or keywords.get("initial_state") is not None:
        raise unknown(layer.name, "Bidirectional with states passed on")
    forward = recurrent(trace, layer.forward_layer, x)
    backward = recurrent(trace, layer.backward_layer, x)
    if layer.merge_mode is None:
        return [forward, backward]
    join = concatenated if layer.merge_mode == "concat" else elementwise
    return join(trace, layer, [forward, backward])


def _time_distributed(trace: Trace, layer: Any, x: Layout, **_: Any) -> Layout:
    trace.fix(x[:1])
    return (x[0], *apply(trace, layer.layer, x[1:]))


def _rescaled(trace: Trace, layer: Any, x: Layout) -> Layout:
    return trace.fix(x) if np.ndim(layer.scale) or np.ndim(layer.offset) else x


def _untouched(trace: Trace, layer: Any, x: Layout) -> Layout:
    """Keep all units in place, those of the layer's arrays too."""
    for variable in layer.weights:
        trace.array(variable, *fixed(trace, variable.shape))
    return trace.fix(x)


def _as_described(trace: Trace, layer: Any, *inputs: Any, **_: Any) -> Layout:
    """Follow what a user says of the arrays of a layer."""
    own = own_layer(layer)
    assert own is not None
    x = elementwise(trace, layer, layouts_in([*inputs]))
    axes_of: dict[str, AtomAxis] = {}
    for variable in layer.weights:
        axes: list[AtomAxis] = []
        described = own.arrays.get(array_name(layer, variable), ())
        for axis, length in zip(described, variable.shape, strict=False):
            name, times = units_of(axis)
            if name == IN:
                axes_of[IN] = known(x[-1])
            elif name and name not in axes_of:
                role = "" if name == OUT else name
                axes_of[name] = trace.units(layer, variable, length // times, role)
            axes.append(np.tile(axes_of[name], times) if name else trace.atoms.fixed(length))
        if len(axes) == len(variable.shape):
            trace.array(variable, *axes)
    return (*x[:-1], axes_of.get(OUT, x[-1]))


def _as_tried(trace: Trace, layer: Any, *arguments: Any, **keywords: Any) -> Any:
    """Try a layer without arrays on float32 numbers."""
    import keras

    layouts = layouts_in([[*arguments], keywords])
    if any(axis is None for layout in layouts for axis in layout):
        raise OpenLength

    def call(values: list[Any]) -> list[Any]:
        numbers = iter(values)
        given, named = mapped([[*arguments], keywords], lambda _: next(numbers))
        with keras.StatelessScope():
            return [np.asarray(each) for each in keras.tree.flatten(layer(*given, **named))]

    try:
        return tried(trace, call, layouts, ["float32"] * len(layouts))
    except Exception as error:
        raise failed(layer, error) from error


def apply(trace: Trace, layer: Any, *arguments: Any, **keywords: Any) -> Any:
    """Apply the rule of a layer.

    Raises:
        UnknownSymmetry: there is none, or the layer has an array that its rule does not know.
        UserError: what the user says of a layer of their own does not hold.
    """
    rule = rule_of(layer)
    try:
        if own_layer(layer) is not None:
            LayerCheck(rule, layer, [*arguments], keywords, trace.moves).check_symmetry()
        made = rule(trace, layer, *arguments, **keywords)
    except OpenLength:
        kind = f"{type(layer).__name__}, whose weights meet an axis of no fixed length"
        raise unknown(layer.name, kind) from None
    for variable in layer.weights:
        if not trace.atoms.knows(trace.names.get(id(variable), "")):
            raise unknown(layer.name, f"{type(layer).__name__} with an array {variable.name!r}")
    return made


def rule_of(layer: Any) -> Rule:
    """Return the rule of a layer.

    Raises:
        UnknownSymmetry: there is none.
    """
    own = own_layer(layer)
    rule = _as_described if own is not None and not own.like else RULES.get(kind_of(layer))
    if rule is None and kind_of(layer) and not layer.weights:
        return _as_tried
    if rule is None:
        raise unknown(layer.name, type(layer).__name__)
    return rule


_SAME = (
    "ActivityRegularization AlphaDropout Dropout ELU GaussianDropout GaussianNoise Identity "
    "LeakyReLU Masking ReLU Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D "
    "UnitNormalization"
)
_MERGES = "Add Average Maximum Minimum Multiply Subtract"
_WINDOWS = "AveragePooling Cropping MaxPooling UpSampling ZeroPadding"

RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(_SAME.split(), _same),
    **{f"{name}{rank}D": windows for name in _WINDOWS.split() for rank in (1, 2, 3)},
    **{
        f"Global{name}Pooling{r}D": _global_pooling
        for name in ("Max", "Average")
        for r in (1, 2, 3)
    },
    **{f"Conv{rank}D": _convolution for rank in (1, 2, 3)},
    **{f"Conv{rank}DTranspose": _transposed_convolution for rank in (1, 2, 3)},
    **{f"DepthwiseConv{rank}D": _depthwise_convolution for rank in (1, 2)},
    **{f"SeparableConv{rank}D": _separable_convolution for rank in (1, 2)},
    **dict.fromkeys(("RNN", "SimpleRNN", "GRU", "LSTM"), recurrent),
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), _layer_normalization),
    **dict.fromkeys(_MERGES.split(), elementwise),
    **dict.fromkeys(("Attention", "AdditiveAttention"), attention),
    **{f"ConvLSTM{rank}D": recurrent_convolution for rank in (1, 2, 3)},
    **dict.fromkeys(("SimpleRNNCell", "GRUCell", "LSTMCell"), one_step),
    "Activation": _activation,
    "BatchNormalization": _batch_normalization,
    "Bidirectional": _bidirectional,
    "Concatenate": concatenated,
    "Dense": _dense,
    "EinsumDense": _einsum,
    "Embedding": _embedding,
    "Flatten": flattened,
    "GroupNormalization": _group_normalization,
    "GroupedQueryAttention": grouped_attention,
    "LayerScale": _scaled,
    "MultiHeadAttention": attention_heads,
    "Normalization": _untouched,
    "PReLU": _prelu,
    "Permute": transposed,
    "RepeatVector": repeated,
    "Rescaling": _rescaled,
    "Reshape": reshaped,
    "SpectralNormalization": _spectral,
    "TimeDistributed": _time_distributed,
}
"""Class name of a Keras layer -> its rule."""


def _windows(trace: Trace, layer: Any, x: Layout, out: AtomAxis | None) -> Layout:
    channel = channel_axis(layer) % len(x)
    trace.fix((*x[:channel], *x[channel + 1 :]))
    made = list(blank_of(trace, output_shape(layer, x)))
    made[channel] = out
    return tuple(made)
