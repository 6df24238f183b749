"""What each Keras layer does with its arrays and computes: the rules of `morphable`.

Nothing is imported from Keras at the top; layers are told by the name of their class.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import numpy as np

from apps.genetics.anatomy import Identity, Layer, Neutral, Part, Sign, Step

_RANKS: Final = (1, 2, 3)
_CONVOLUTIONS: Final = frozenset(f"Conv{rank}D" for rank in _RANKS)
_TRANSPOSED: Final = frozenset(f"Conv{rank}DTranspose" for rank in _RANKS)
_DEPTHWISE: Final = frozenset({"DepthwiseConv1D", "DepthwiseConv2D"})
_SEPARABLE: Final = frozenset({"SeparableConv1D", "SeparableConv2D"})
_WINDOWED: Final = _CONVOLUTIONS | _TRANSPOSED | _DEPTHWISE | _SEPARABLE
_CELLS: Final = frozenset({"SimpleRNNCell", "GRUCell", "LSTMCell"})
_ACTIVATED: Final = _WINDOWED | {"Dense"}
"""Layers that end with an activation, which is taken for a step of its own."""

_BY_POSITION: Final = (
    *(f"{name}Pooling{rank}D" for name in ("Average", "Max") for rank in _RANKS),
    *(f"Global{name}Pooling{rank}D" for name in ("Average", "Max") for rank in _RANKS),
    *(f"{name}{rank}D" for name in ("Cropping", "UpSampling", "ZeroPadding") for rank in _RANKS),
)
_REARRANGING = "Add Average Concatenate Flatten Maximum Minimum Multiply Permute RepeatVector"
_FOR_EACH_UNIT = (
    "BatchNormalization Bidirectional Divide Embedding GRU LSTM Masking MultiHeadAttention PReLU "
    "RNN SimpleRNN Subtract TimeDistributed TrueDivide"
)
_KEEPS_SIGN: Final = frozenset([*_BY_POSITION, *_REARRANGING.split(), "Reshape"])
# They treat every unit for itself, so that their widths do not matter.
_OF_ANY_WIDTH: Final = _KEEPS_SIGN.union(_ACTIVATED, _FOR_EACH_UNIT.split()) - {"Reshape"}

_OFF = (
    "ActivityRegularization AlphaDropout Dropout GaussianDropout GaussianNoise Identity "
    "SpatialDropout1D SpatialDropout2D SpatialDropout3D"
)
_FUNCTIONS = (
    "Activation ELU LeakyReLU ReLU Softmax Abs Elu Exp Gelu HardSwish LeakyRelu Negative Relu "
    "Relu6 Sigmoid Silu Softplus Sqrt Square Tanh"
)
_MAKES_NONE = (
    "BatchNormalization DepthwiseConv1D DepthwiseConv2D GroupNormalization LayerNormalization "
    "Normalization PReLU RMSNormalization"
)
OFF: Final = frozenset(_OFF.split())
"""Layers that do nothing unless the model is trained."""
FUNCTIONS: Final = frozenset(_FUNCTIONS.split())
"""Layers and operations that are a function of one tensor."""

# What a configuration says of widths, of training and of how a run begins.
_NO_MATTER_KEYS = (
    "activity_regularizer build_config dropout implementation momentum name num_heads output_dim "
    "rate recurrent_dropout seed filters trainable units unroll value_dim"
)
_NO_MATTER: Final = frozenset(_NO_MATTER_KEYS.split())
_NO_MATTER_ENDS: Final = ("_initializer", "_regularizer", "_constraint")

# Where activations are compared: densely near 0, and far out.
_LINE: Final = np.append(np.linspace(-9, 9, 181), [-1e4, -99, 99, 1e4]).astype(np.float32)


def layer_of(layer: Any, names: Mapping[int, str]) -> Layer:
    """Say what the arrays of a layer do.

    Args:
        layer: built, with arrays.
        names: `id` of a variable -> canonical name.
    """
    owners = {id(v): each for each in layer._flatten_layers() for v in each.weights}
    parts: dict[str, Part] = {}
    for variable in layer.weights:
        role, copies = variable.name, 1
        while role in parts:
            copies += 1
            role = f"{variable.name}:{copies}"
        parts[role] = _part(layer, owners[id(variable)], variable, names[id(variable)])
    first = layer.weights[0]
    depth = first.path.rpartition(f"{layer.name}/")[2].count("/") + 1
    kind = type(layer).__name__
    return Layer(
        name=names[id(first)].rsplit("/", depth)[0],
        kind=_kind(layer),
        parts=parts,
        makes=kind not in _MAKES_NONE.split(),
        exact=kind not in _WINDOWED or _gives_every_position(layer),
    )


def masks(operation: Any) -> bool:
    """Whether an operation makes a mask, which others read unseen."""
    return type(operation).__name__ == "Masking" or getattr(operation, "mask_zero", False)


def step_of(node: Any, inputs: tuple[int, ...], outputs: tuple[int, ...], layer: str) -> Step:
    """Say what an operation computes, without the activation that it may end with.

    Args:
        node: of a model's graph.
        inputs: the tensors that it reads.
        outputs: the tensors that it gives.
        layer: whose arrays it uses, '' without arrays.
    """
    kind = type(node.operation).__name__
    alone = len(inputs) == len(outputs) == 1
    identity: Identity = "always" if kind in OFF and alone else "never"
    sign: Sign = "kept" if kind in _KEEPS_SIGN else "unknown"
    adds = kind == "Add" and len(inputs) > 1
    return Step(inputs, outputs, _told(node), layer, identity, sign, adds)


def activation_of(operation: Any) -> Any:
    """Return the activation that a layer ends with, None if it has none."""
    return operation.activation if type(operation).__name__ in _ACTIVATED else None


def function_step(function: Any, shape: Any, inputs: tuple[int, ...], output: int) -> Step:
    """Say what a function of one tensor computes: its values tell, a name may be any plug-in's.

    Args:
        function: takes and returns arrays.
        shape: of the tensor, without the batch.
        inputs: the tensor that it reads.
        output: the tensor that it gives.
    """
    identity: Identity = "never"
    sign: Sign = "unknown"
    slope = 1.0
    if is_unitwise(function):
        made, right = _values(function, _LINE[None])[0], _LINE >= 0
        does, same = f"function {made.tobytes().hex()}", made == _LINE
        identity = "always" if same.all() else "not_negative" if same[right].all() else "never"
        kept = bool((made[right] >= 0).all())
        sign = "not_negative" if (made >= 0).all() else "kept" if kept else "unknown"
        slope = 1.0 if identity == "always" else _slope(function)
    else:
        lengths = [length or 2 for length in shape]
        sample = np.random.default_rng(0).normal(size=(3, *lengths)).astype(np.float32)
        values = _values(function, sample)
        # One that cannot be tried is like no other.
        told = uuid4().hex if values is None else values.tobytes().hex()
        does = f"function of {lengths}: {told}"
    return Step(inputs, (output,), does, "", identity, sign, slope=slope)


def _slope(function: Any) -> float:
    """Return the slope of the line through 0 nearest to a function of standard normal numbers."""
    points, shares = np.polynomial.hermite_e.hermegauss(64)
    made = _values(function, points.astype(np.float32)[None])
    slope = math.nan if made is None else float(np.average(made[0] * points, weights=shares))
    return slope if math.isfinite(slope) else 1.0


def is_unitwise(function: Any) -> bool:
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


def _told(node: Any) -> str:
    """Tell what a step computes, but for its arrays and the widths that do not matter."""
    import keras

    operation, kind = node.operation, type(node.operation).__name__
    told: list[Any] = [kind]
    if isinstance(operation, keras.Layer):
        config = _without_widths(operation.get_config())
        if kind in _ACTIVATED:
            config.pop("activation", None)
        if kind in _WINDOWED and _keeps_positions(operation):
            config.pop("kernel_size")
        told += [config, str(operation.compute_dtype)]
        told += [_values(each, _LINE[None]) for each in _inner_functions(operation)]
    tensors = {id(tensor) for tensor in node.input_tensors}
    given = keras.tree.flatten([node.arguments.args, node.arguments.kwargs])
    told.append([_constant(each) for each in given if id(each) not in tensors])
    if not _is_of_any_width(operation):
        told.append([list(each.shape) for each in (*node.input_tensors, *node.outputs)])
    return json.dumps(told, sort_keys=True, default=_constant)


def _without_widths(config: Any) -> Any:
    if isinstance(config, dict):
        return {
            key: _without_widths(each)
            for key, each in config.items()
            if key not in _NO_MATTER and not key.endswith(_NO_MATTER_ENDS)
        }
    return [_without_widths(each) for each in config] if isinstance(config, list) else config


def _constant(value: Any) -> Any:
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    array = np.asarray(value)
    # Of an object the bytes would be its address.
    told = str(value) if array.dtype == object else array.tobytes().hex()
    return [str(array.dtype), array.shape, told]


def _inner_functions(operation: Any) -> list[Any]:
    """List the activations inside a layer; one that it ends with is a step of its own."""
    if type(operation).__name__ in _ACTIVATED:
        return []
    functions = [
        getattr(layer, name, None)
        for layer in getattr(operation, "_flatten_layers", list)()
        for name in ("activation", "recurrent_activation")
    ]
    return [each for each in functions if each is not None]


def _is_of_any_width(operation: Any) -> bool:
    kind = type(operation).__name__
    if kind == "TimeDistributed":
        return _is_of_any_width(operation.layer)
    return kind in _OF_ANY_WIDTH and all(map(is_unitwise, _inner_functions(operation)))


def _keeps_positions(layer: Any) -> bool:
    """Whether a window may grow about its centre without a change of the outputs."""
    kept = layer.padding == "same" and {*np.ravel(layer.strides)} == {1}
    return kept and type(layer).__name__ not in _TRANSPOSED


def _kind(layer: Any) -> str:
    inner = getattr(layer, "layer", None) or getattr(layer, "cell", None)
    kind = type(layer).__name__
    return kind if inner is None or isinstance(inner, list) else f"{kind} of {_kind(inner)}"


def _part(layer: Any, owner: Any, variable: Any, array: str) -> Part:
    kind, name, rank = type(owner).__name__, variable.name, len(variable.shape)
    consumed: tuple[int, ...] = ()
    windows: tuple[int, ...] = ()
    if type(layer).__name__ == "MultiHeadAttention":
        if name == "kernel":
            consumed = (0, 1) if owner is layer._output_dense else (0,)
    elif kind in _WINDOWED and name.endswith("kernel"):
        windows = tuple(range(rank - 2))
        if kind not in _DEPTHWISE and name != "depthwise_kernel":
            consumed = (rank - 1 if kind in _TRANSPOSED else rank - 2,)
    elif kind in _CELLS | {"Dense"} and name.endswith("kernel"):
        consumed = (rank - 2,)
    neutral = _neutral(owner, name, rank) if owner is layer else None
    return Part(array, consumed, windows, neutral)


def _neutral(layer: Any, name: str, rank: int) -> Neutral | None:
    """Give the values of an array with which a layer passes its inputs on."""
    kind = type(layer).__name__
    if kind == "BatchNormalization":
        # Its variance is not 1, since epsilon is added to it.
        values = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0}
        return Neutral(rank - 1, values.get(name, 1.0 - layer.epsilon))
    if kind == "PReLU":
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


def _gives_every_position(layer: Any) -> bool:
    """Whether outputs lie where the inputs do."""
    pointwise = {*np.ravel(layer.kernel_size)} == {1}
    return {*np.ravel(layer.strides)} == {1} and (layer.padding != "valid" or pointwise)
