"""What each layer does with its arrays and computes: the rules of `morphable`.

Nothing is imported from Keras at the top; layers are known by the name of their class.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from apps.architecture.own_layers import array_name, kind_of, own_layer
from apps.architecture.unit_trace import unknown
from apps.genetics.anatomy import Layer, Neutral, Part, Step

_RANKS: Final = (1, 2, 3)
_CONVOLUTIONS: Final = frozenset(f"Conv{rank}D" for rank in _RANKS)
_TRANSPOSED: Final = frozenset(f"Conv{rank}DTranspose" for rank in _RANKS)
_DEPTHWISE: Final = frozenset({"DepthwiseConv1D", "DepthwiseConv2D"})
_SEPARABLE: Final = frozenset({"SeparableConv1D", "SeparableConv2D"})
_WINDOWED: Final = _CONVOLUTIONS | _TRANSPOSED | _DEPTHWISE | _SEPARABLE
_CELLS: Final = frozenset({"SimpleRNNCell", "GRUCell", "LSTMCell", "ConvLSTMCell"})
_HEADS: Final = frozenset({"MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention"})
_ACTIVATED: Final = _WINDOWED | {"Dense"}
"""Layers that end with an activation, which counts as a step of its own."""

_FUNCTIONS = (
    "Activation ELU LeakyReLU ReLU Softmax Abs Elu Exp Gelu HardSwish LeakyRelu Negative Relu "
    "Relu6 Sigmoid Silu Softplus Sqrt Square Tanh"
)
_MAKES_NONE = (
    "AdditiveAttention Attention BatchNormalization DepthwiseConv1D DepthwiseConv2D "
    "GroupNormalization LayerNormalization LayerScale Normalization PReLU RMSNormalization"
)


def layer_of(layer: Any, names: Mapping[int, str]) -> Layer:
    """Describe a layer and the roles of its arrays.

    Args:
        layer: built, with arrays.
        names: `id` of a variable -> canonical name.
    """
    owners = {id(v): each for each in layer._flatten_layers() for v in each.weights}
    parts: dict[str, Part] = {}
    for variable in layer.weights:
        # Keras numbers the arrays that a layer gives no name.
        role = called = re.sub(r"^variable_\d+$", "variable", variable.name)
        copies = 1
        while role in parts:
            copies += 1
            role = f"{called}:{copies}"
        parts[role] = _part(layer, owners[id(variable)], variable, names[id(variable)])
    first = layer.weights[0]
    depth = first.path.rpartition(f"{layer.name}/")[2].count("/") + 1
    own = own_layer(layer)
    return Layer(
        name=names[id(first)].rsplit("/", depth)[0],
        kind=_kind(layer),
        parts=parts,
        makes=own.makes if own and not own.like else kind_of(layer) not in _MAKES_NONE.split(),
    )


def equation_of(layer: Any) -> tuple[str, str, str]:
    """Return the letters of an `EinsumDense`: of input, kernel and output; digits stand for dots.

    Raises:
        UnknownSymmetry: the batch is not first, a letter stands twice, or one of the output in
            neither of the others.
    """
    rank = layer.input_spec.ndim
    left, made = layer.equation.replace(" ", "").split("->")
    read, weights = left.split(",")
    dots = "".join(str(number) for number in range(rank - len(read.replace("...", ""))))
    read, weights, made = (each.replace("...", dots) for each in (read, weights, made))
    if (
        read[:1] != made[:1]
        or any(len({*each}) < len(each) for each in (read, weights, made))
        or not {*made} <= {*read, *weights}
        or len(read) != rank
    ):
        raise unknown(layer.name, f"EinsumDense by {layer.equation!r}")
    return read, weights, made


def masks(operation: Any) -> bool:
    """Whether an operation makes a mask, which later layers read without a link in the graph."""
    return kind_of(operation) == "Masking" or getattr(operation, "mask_zero", False)


def is_function(operation: Any) -> bool:
    """Whether an operation without arrays may be a function of one tensor."""
    return kind_of(operation) in _FUNCTIONS.split() or own_layer(operation) is not None


def activation_of(operation: Any) -> Any:
    """Return the activation that a layer ends with, None if it has none."""
    return operation.activation if kind_of(operation) in _ACTIVATED else None


def function_step(function: Any, inputs: tuple[int, ...], output: int) -> Step:
    """Describe what a function of one tensor computes, by its values: a name may be any plug-in's.

    Args:
        function: takes and returns arrays.
        inputs: the tensor that it reads.
        output: the tensor that it gives.
    """
    return Step(inputs, (output,), slope=_slope(function) if _is_unitwise(function) else 1.0)


def _slope(function: Any) -> float:
    """Return the slope of the line through 0 nearest to a function of standard normal numbers."""
    points, shares = np.polynomial.hermite_e.hermegauss(64)
    made = _values(function, points.astype(np.float32)[None])
    slope = math.nan if made is None else float(np.average(made[0] * points, weights=shares))
    return slope if math.isfinite(slope) else 1.0


def _is_unitwise(function: Any) -> bool:
    """Try whether a function treats every unit alike and for itself."""
    values = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    made, half = _values(function, values), _values(function, values[:, ::2])
    return made is not None and half is not None and np.allclose(made[:, ::2], half, atol=1e-6)


def _values(function: Any, values: Any) -> Any:
    try:
        made = np.asarray(function(values))
    except Exception:
        return None
    return made if made.shape == values.shape else None


def _kind(layer: Any) -> str:
    inner = getattr(layer, "layer", None) or getattr(layer, "cell", None)
    kind = type(layer).__name__
    if own_layer(layer) is not None:
        return f"{type(layer).__module__}.{type(layer).__qualname__}"
    return kind if inner is None or isinstance(inner, list) else f"{kind} of {_kind(inner)}"


def _part(layer: Any, owner: Any, variable: Any, array: str) -> Part:
    for each in (layer, owner):
        own = own_layer(each)
        if own is not None and not own.like:
            return own.part(array_name(each, variable), array)
    kind, name, rank = kind_of(owner), variable.name, len(variable.shape)
    consumed: tuple[int, ...] = ()
    windows: tuple[int, ...] = ()
    if kind_of(layer) in _HEADS:
        if name == "kernel":
            consumed = (0, 1) if owner is layer._output_dense else (0,)
    elif kind in _WINDOWED and name.endswith("kernel"):
        windows = tuple(range(rank - 2))
        if kind not in _DEPTHWISE and name != "depthwise_kernel":
            consumed = (rank - 1 if kind in _TRANSPOSED else rank - 2,)
    elif kind in _CELLS | {"Dense"} and name.endswith("kernel"):
        consumed = (rank - 2,)
        windows = tuple(range(rank - 2))
    elif kind == "EinsumDense" and name == "kernel":
        _, weights, made = equation_of(owner)
        consumed = tuple(number for number, term in enumerate(weights) if term not in made)
    # Of a layer that is like Keras's it is not known that it does no more.
    passes = owner is layer and own_layer(layer) is None
    return Part(array, consumed, windows, _neutral(owner, name, rank) if passes else None)


def _neutral(layer: Any, name: str, rank: int) -> Neutral | None:
    """Return the values of an array with which a layer passes its inputs on unchanged."""
    kind = type(layer).__name__
    if kind == "BatchNormalization":
        # Its variance is not 1, since epsilon is added to it.
        values = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0}
        return Neutral(rank - 1, values.get(name, 1.0 - layer.epsilon))
    if kind in {"PReLU", "LayerScale"}:
        return Neutral(rank - 1, 1.0)
    if name == "bias" and kind in _WINDOWED | {"Dense"}:
        return Neutral(0, 0.0)
    if kind == "Dense":
        return Neutral(1, 1.0, ())
    if kind not in _CONVOLUTIONS | _DEPTHWISE | _SEPARABLE:
        return None
    if getattr(layer, "groups", 1) > 1 or getattr(layer, "depth_multiplier", 1) > 1:
        return None
    if name == "pointwise_kernel":
        return Neutral(rank - 1, 1.0, (0,) * (rank - 2))
    causal = layer.padding == "causal"
    tap = tuple(size - 1 if causal else (size - 1) // 2 for size in layer.kernel_size)
    return (
        Neutral(rank - 2, 1.0, (*tap, 0))
        if kind in _DEPTHWISE or name == "depthwise_kernel"
        else Neutral(rank - 1, 1.0, tap)
    )
