"""Every layer and function that Keras exports is aligned and grown, or refused by name.

A new one of a new version of Keras fails here by its name, until it is put into a table.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import inspect
from collections.abc import Callable
from typing import Any, Final

import keras
import numpy as np
import pytest

from apps.architecture.morphable import anatomy
from apps.architecture.symmetries import UnknownSymmetry, permutation_spec
from apps.genetics.morphism import morph
from apps.genetics.permutation import permute, random_permutations
from apps.networks.build import assign, named_weights, read
from tests.support.genetics import same

UNITS: Final = 6
MORE: Final = 12
SIDE: Final = 4

# ------------------------------------------------------------------------------------ the tables
LAYERS: Final[dict[str, tuple[int, dict[str, Any]]]] = {
    # Name -> rank of the hidden tensor without the batch, arguments.
    "Activation": (1, {"activation": "mish"}),
    "ActivityRegularization": (1, {}),
    **{
        f"Adaptive{n}Pooling{r}D": (r + 1, {"output_size": 2})
        for n in ("Average", "Max")
        for r in (1, 2, 3)
    },
    "AlphaDropout": (1, {"rate": 0.5}),
    **{f"{n}Pooling{r}D": (r + 1, {"pool_size": 2}) for n in ("Average", "Max") for r in (1, 2, 3)},
    **{f"Global{n}Pooling{r}D": (r + 1, {}) for n in ("Average", "Max") for r in (1, 2, 3)},
    "BatchNormalization": (1, {}),
    "CenterCrop": (3, {"height": 2, "width": 2}),
    **{f"Conv{r}D": (r + 1, {"filters": 5, "kernel_size": 2}) for r in (1, 2, 3)},
    **{f"Conv{r}DTranspose": (r + 1, {"filters": 5, "kernel_size": 2}) for r in (1, 2, 3)},
    **{f"ConvLSTM{r}D": (r + 2, {"filters": 5, "kernel_size": 2}) for r in (1, 2, 3)},
    **{f"Cropping{r}D": (r + 1, {}) for r in (1, 2, 3)},
    "Dense": (1, {"units": 5}),
    **{f"DepthwiseConv{r}D": (r + 1, {"kernel_size": 2}) for r in (1, 2)},
    "Discretization": (1, {"bin_boundaries": [0.0, 1.0]}),
    "Dropout": (1, {"rate": 0.5}),
    "ELU": (1, {}),
    "EinsumDense": (
        2,
        {"equation": "atb,bcd->atcd", "output_shape": (None, 5, 2), "bias_axes": "cd"},
    ),
    "Flatten": (2, {}),
    "GaussianDropout": (1, {"rate": 0.5}),
    "GaussianNoise": (1, {"stddev": 0.5}),
    "GroupNormalization": (2, {"groups": 3}),
    "GRU": (2, {"units": 5}),
    "Identity": (1, {}),
    "LSTM": (2, {"units": 5}),
    "LayerNormalization": (1, {}),
    "LeakyReLU": (1, {}),
    "PReLU": (1, {}),
    "Permute": (2, {"dims": (2, 1)}),
    "RMSNormalization": (1, {}),
    "ReLU": (1, {"max_value": 0.5}),
    "RepeatVector": (1, {"n": 3}),
    "Rescaling": (1, {"scale": 2.0}),
    "Resizing": (3, {"height": 2, "width": 3}),
    **{f"SeparableConv{r}D": (r + 1, {"filters": 5, "kernel_size": 2}) for r in (1, 2)},
    "SimpleRNN": (2, {"units": 5}),
    "Softmax": (1, {}),
    **{f"SpatialDropout{r}D": (r + 1, {"rate": 0.5}) for r in (1, 2, 3)},
    "UnitNormalization": (1, {}),
    **{f"UpSampling{r}D": (r + 1, {}) for r in (1, 2, 3)},
    **{f"ZeroPadding{r}D": (r + 1, {}) for r in (1, 2, 3)},
}

STREAMS: Final = {
    "Add": 1, "Average": 1, "Concatenate": 1, "Maximum": 1, "Minimum": 1, "Multiply": 1,
    "Subtract": 1, "Attention": 2, "AdditiveAttention": 2, "Dot": 1,
}  # fmt: skip
"""Layers of two hidden tensors -> their rank."""

L = keras.layers
APPLIED: Final[dict[str, tuple[int, Callable[[Any], Any]]]] = {
    # What a table of arguments does not say: name -> rank, what is done to the hidden tensor.
    "Bidirectional": (2, lambda y: L.Bidirectional(L.GRU(5))(y)),
    "Embedding": (1, lambda y: L.Embedding(9, 5)(keras.ops.cast(keras.ops.abs(y), "int32"))),
    "GroupedQueryAttention": (2, lambda y: L.GroupQueryAttention(5, 4, 2, use_gate=True)(y, y)),
    "Lambda": (1, lambda y: L.Lambda(lambda x: x * 2)(y)),
    "Masking": (2, lambda y: L.GRU(5)(L.Masking()(y))),
    "MultiHeadAttention": (2, lambda y: L.MultiHeadAttention(2, 5, value_dim=3)(y, y)),
    "RNN": (2, lambda y: L.RNN([L.GRUCell(5), L.LSTMCell(7)])(y)),
    "Reshape": (2, lambda y: L.Reshape((-1, 2))(y)),
    "SpectralNormalization": (1, lambda y: L.SpectralNormalization(L.Dense(5))(y)),
    "TimeDistributed": (2, lambda y: L.TimeDistributed(L.Dense(5))(y)),
    **{
        name: (1, lambda y, name=name, count=count: getattr(L, name)(5)(
            y, [L.Dense(5)(y) for _ in range(count)]
        ))
        for name, count in {"GRUCell": 1, "LSTMCell": 2, "SimpleRNNCell": 1}.items()
    },
}  # fmt: skip

IMAGES: Final = {
    "AugMix": {}, "AutoContrast": {}, "ContrastLimitedAdaptiveHistogramEqualization": {},
    "CutMix": {}, "MixUp": {}, "RandAugment": {},
    "RandomBrightness": {"factor": 0.1}, "RandomColorDegeneration": {"factor": 0.1},
    "RandomColorJitter": {}, "RandomContrast": {"factor": 0.1},
    "RandomCrop": {"height": 4, "width": 4}, "RandomElasticTransform": {"factor": 0.1},
    "RandomErasing": {}, "RandomFlip": {}, "RandomGaussianBlur": {"factor": 0.1},
    "RandomGrayscale": {}, "RandomHue": {"factor": 0.1}, "RandomInvert": {"factor": 0.1},
    "RandomPerspective": {}, "RandomPosterization": {"factor": 4},
    "RandomRotation": {"factor": 0.1}, "RandomSaturation": {"factor": 0.1},
    "RandomSharpness": {"factor": 0.1}, "RandomShear": {},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "RandomZoom": {"height_factor": 0.1}, "Solarization": {},
}  # fmt: skip
"""Layers for pictures of three channels: they read hidden ones here."""

REFUSED: Final[dict[str, Callable[[Any], Any]]] = {
    "STFTSpectrogram": lambda y: L.STFTSpectrogram(frame_length=2, frame_step=1, fft_length=4)(
        L.Reshape((UNITS, 1))(y)
    ),
    "ReversibleEmbedding": lambda y: L.ReversibleEmbedding(9, UNITS)(y, reverse=True),
    "StackedRNNCells": lambda y: L.StackedRNNCells([L.GRUCell(5), L.GRUCell(5)])(
        y, [L.Dense(5)(y), L.Dense(5)(y)]
    ),
}

NOT_OF_UNITS: Final = frozenset(
    # Bases, what wraps other libraries, what reads words, numbers of words and boxes, and what
    # Keras itself does not take into a functional model.
    [
        "CategoryEncoding",
        "Equalization",
        "FlaxLayer",
        "HashedCrossing",
        "Hashing",
        "InputLayer",
        "InputSpec",
        "IntegerLookup",
        "JaxLayer",
        "Layer",
        "MaxNumBoundingBoxes",
        "MelSpectrogram",
        "Normalization",
        "Pipeline",
        "StringLookup",
        "TFSMLayer",
        "TextVectorization",
        "TorchModuleWrapper",
        "Wrapper",
    ]
)

FUNCTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    # Operations that take more than one tensor.
    "every second": lambda y: y[:, ::2],
    "first": lambda y: y[:, 0],
    "gated": lambda y: y[:, :3] * keras.ops.sigmoid(y[:, 3:6]),
    "exchanged": lambda y: keras.ops.concatenate(
        [keras.ops.sin(y[:, 3:6]), keras.ops.cos(y[:, :3])], -1
    ),
    "one by one": lambda y: keras.ops.stack(
        [keras.ops.sin(y[:, 1]), keras.ops.cos(y[:, 0]), y[:, 2]], -1
    ),
    "backwards": lambda y: y + keras.ops.flip(y, 1),
    "rolled": lambda y: keras.ops.concatenate([y, keras.ops.roll(y, 1, 1)], -1),
    "padded": lambda y: keras.ops.pad(y, [[0, 0], [1, 2]]),
    "diagonal": lambda y: keras.ops.diagonal(
        keras.ops.expand_dims(y, 1) * keras.ops.expand_dims(keras.ops.tanh(y), 2), 0, 1, 2
    ),
    "outer": lambda y: keras.ops.expand_dims(y, 1) * keras.ops.expand_dims(y, 2),
    "matmul": lambda y: keras.ops.matmul(keras.ops.expand_dims(y, 2), keras.ops.expand_dims(y, 1)),
    "einsum": lambda y: keras.ops.einsum("bi,bi->b", y, keras.ops.sin(y))[:, None],
    "where": lambda y: keras.ops.where(y > 0, y, 0.1 * y),
    "masked": lambda y: keras.ops.where(np.arange(y.shape[1]) > 2, y, np.arange(y.shape[1]) * 1.0),
    "weighted": lambda y: keras.ops.power(y, np.arange(y.shape[1])),
    "one minus": lambda y: 1 - y,
    "clipped": lambda y: keras.ops.clip(y, -1, 1),
    "cast": lambda y: keras.ops.cast(y, "float16"),
    "repeated": lambda y: keras.ops.repeat(y, 2, 1),
    "tiled": lambda y: keras.ops.tile(y, [1, 2]),
    "norm": lambda y: y / keras.ops.norm(y, axis=-1, keepdims=True),
    "sum": lambda y: keras.ops.sum(y, axis=-1, keepdims=True),
    "cumulative": lambda y: keras.ops.cumsum(y, 1),
    "halves": lambda y: keras.ops.split(y[:, :6], 2, -1)[1],
    "named": lambda y: keras.ops.maximum(x1=y, x2=keras.ops.sin(y)),
    "shuffled": lambda y: keras.ops.take(y, [2, 0, 1], 1),
}

NOT_OF_TENSORS: Final = frozenset(
    # Functions of one argument that is no hidden tensor, but a shape, a list, a matrix, another
    # function; and what Keras itself does not take into a functional model, or gives another shape.
    [
        "activations.deserialize",
        "activations.get",
        "activations.hard_silu",
        "activations.hard_swish",
        "activations.mish",
        "activations.serialize",
        "activations.sparsemax",
        "ops.arange",
        "ops.array",
        "ops.associative_scan",
        "ops.bartlett",
        "ops.blackman",
        "ops.cholesky",
        "ops.cholesky_inverse",
        "ops.concatenate",
        "ops.convert_to_numpy",
        "ops.convert_to_tensor",
        "ops.corrcoef",
        "ops.custom_gradient",
        "ops.det",
        "ops.dstack",
        "ops.dtype",
        "ops.eig",
        "ops.eigh",
        "ops.empty",
        "ops.eye",
        "ops.fft",
        "ops.fft2",
        "ops.hamming",
        "ops.hanning",
        "ops.hstack",
        "ops.identity",
        "ops.ifft2",
        "ops.inv",
        "ops.irfft",
        "ops.is_tensor",
        "ops.kaiser",
        "ops.logdet",
        "ops.lu_factor",
        "ops.multi_hot",
        "ops.ndim",
        "ops.ones",
        "ops.pinv",
        "ops.qr",
        "ops.shape",
        "ops.size",
        "ops.slogdet",
        "ops.stack",
        "ops.svd",
        "ops.tri",
        "ops.unique",
        "ops.unravel_index",
        "ops.unstack",
        "ops.vander",
        "ops.vectorize",
        "ops.view_as_complex",
        "ops.vstack",
        "ops.zeros",
    ]
)

REFUSED_FUNCTIONS: Final = {
    "ops.bincount": "Bincount",
    "ops.bitwise_invert": "BitwiseInvert",
    "ops.bitwise_not": "BitwiseNot",
    "ops.histogram": "Histogram",
    "ops.where": "Where",
}
"""Functions that fail for real numbers, or say nothing of how much they give."""


# -------------------------------------------------------------------------------------- the walks
def layer_names() -> dict[str, type]:
    """The classes that Keras exports, each by its own name."""
    return {
        each.__name__: each
        for name, each in vars(keras.layers).items()
        if inspect.isclass(each) and not name.startswith("_")
    }


def function_names() -> dict[str, Callable[..., Any]]:
    """The functions of one tensor that Keras exports."""
    found = {}
    for module in (keras.ops, keras.activations):
        for name, each in vars(module).items():
            if name.startswith("_") or not inspect.isfunction(each):
                continue
            parameters = inspect.signature(each).parameters.values()
            asked = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
            if len(asked) == 1 and asked[0].kind is not asked[0].VAR_POSITIONAL:
                found[f"{module.__name__.rpartition('.')[2]}.{name}"] = each
    return found


def hidden(rank: int, units: int) -> tuple[Any, Any]:
    x = keras.Input((*[SIDE] * (rank - 1), 3))
    return x, L.Dense(units, name="before")(x)


def ended(x: Any, y: Any, made: Any) -> Any:
    """Make a network that reads whatever was made, if only its sum."""
    z = keras.tree.flatten(made)[0]
    if "complex" in str(z.dtype):
        z = keras.ops.abs(z)
    z = keras.ops.cast(z, "float32")
    if not z.shape or z.shape[0] is not None or None in z.shape[1:]:
        return keras.Model(x, L.Dense(3, name="after")(L.Flatten()(y)) + keras.ops.sum(z))
    z = L.Reshape((1,))(z) if len(z.shape) == 1 else L.Flatten()(z)
    return keras.Model(x, L.Dense(3, name="after")(z))


def layer_network(name: str, units: int) -> Any:
    if name in APPLIED:
        rank, apply = APPLIED[name]
        x, y = hidden(rank, units)
        return ended(x, y, apply(y))
    if name in STREAMS:
        x, y = hidden(STREAMS[name], units)
        options = {"axes": -1} if name == "Dot" else {}
        return ended(x, y, layer_names()[name](**options)([y, L.Dense(units, name="other")(x)]))
    if name in IMAGES:
        x, y = hidden(3, units)
        y = L.Dense(3, name="three")(y)
        return ended(x, y, layer_names()[name](**IMAGES[name])(y))
    rank, options = LAYERS[name]
    x, y = hidden(rank, units)
    return ended(x, y, layer_names()[name](**options)(y))


def function_network(function: Callable[[Any], Any], units: int) -> Any:
    x, y = hidden(1, units)
    return ended(x, y, function(y))


def drawn(model: Any, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)

    def fresh(name: str, array: Any) -> Any:
        positive = "variance" in name
        made = rng.uniform(0.5, 1.5, array.shape) if positive else rng.normal(0, 0.5, array.shape)
        return made.astype(array.dtype)

    return {name: fresh(name, array) for name, array in read(named_weights(model)).items()}


def outputs(model: Any, weights: Any) -> Any:
    shape = [5, *model.inputs[0].shape[1:]]
    assign(named_weights(model), weights)
    return np.asarray(model(np.random.default_rng(1).normal(size=shape), training=False))


def close(one: Any, other: Any) -> bool:
    scale = np.abs(one[np.isfinite(one)]).max(initial=1)
    return np.allclose(one, other, 1e-3, 1e-4 * scale, equal_nan=True)


def check_alignment(model: Any) -> dict[str, int]:
    """Permute the units of a network, and return their groups."""
    weights, spec = drawn(model, 0), permutation_spec(model)
    before = outputs(model, weights)
    for seed in (2, 3):
        moved = permute(weights, spec, random_permutations(np.random.default_rng(seed), spec))
        assert not spec.groups or not same(moved, weights)
        assert close(before, outputs(model, moved))
    return dict(spec.groups)


def check_growth(small: Any, large: Any, exact: bool) -> None:
    parent = drawn(small, 0)
    made = morph(parent, drawn(large, 1), anatomy(small), anatomy(large))
    assert made.weights.keys() == read(named_weights(large)).keys()
    if exact:
        assert close(outputs(small, parent), outputs(large, made.weights))


def commutes(function: Callable[..., Any], values: Any) -> bool:
    """Whether permuting the units before a function or after it is the same, told on its own."""
    order = np.array([3, 0, 5, 1, 4, 2])
    made, turned = (np.asarray(function(each), float) for each in (values, values[:, order]))
    return made.shape == values.shape and close(made[:, order], turned)


def is_unitwise(function: Callable[..., Any], values: Any) -> bool:
    some = [1, 2, 4, 5]
    made, few = (np.asarray(function(each), float) for each in (values, values[:, some]))
    alike = made.shape == values.shape and close(made[:, some], few)
    # What is no number stays none with a weight of 0.
    return alike and bool(np.isfinite(made).all())


# -------------------------------------------------------------------------------------- the tests
TABLES: Final = (LAYERS, STREAMS, APPLIED, IMAGES, REFUSED, NOT_OF_UNITS)

KEPT: Final = frozenset(
    [
        "AveragePooling1D",
        "BatchNormalization",
        "Conv1D",
        "Conv2D",
        "Conv1DTranspose",
        "ConvLSTM1D",
        "ConvLSTM2D",
        "Dense",
        "DepthwiseConv2D",
        "Dropout",
        "EinsumDense",
        "Flatten",
        "GRU",
        "LSTM",
        "LeakyReLU",
        "PReLU",
        "ReLU",
        "SeparableConv2D",
        "SimpleRNN",
        "Add",
        "Concatenate",
        "Maximum",
        "Multiply",
        "Bidirectional",
        "GRUCell",
        "LSTMCell",
        "SimpleRNNCell",
        "RNN",
        "Lambda",
        "MultiHeadAttention",
        "GroupedQueryAttention",
        "SpectralNormalization",
        "TimeDistributed",
        "Attention",
        "AdditiveAttention",
        "Dot",
        "AdaptiveMaxPooling2D",
        "CenterCrop",
        "Activation",
    ]
)
"""Layers of one kind each, whose new units change nothing; all units are found in them."""

INEXACT: Final = frozenset({"Attention", "AdditiveAttention", "Dot"})
"""New units are compared, with no weights between that could be 0."""


def test_every_layer_of_keras_is_in_one_table() -> None:
    counted = {name: sum(name in table for table in TABLES) for name in layer_names()}
    assert {name: count for name, count in counted.items() if count != 1} == {}
    assert {name for table in TABLES for name in table} <= layer_names().keys()


@pytest.mark.parametrize("name", sorted(KEPT))
def test_units_before_a_layer_permute_and_grow(name: str) -> None:
    model = layer_network(name, UNITS)
    assert UNITS in check_alignment(model).values()
    check_growth(model, layer_network(name, MORE), name not in INEXACT)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*LAYERS, *STREAMS, *APPLIED, *IMAGES} - KEPT))
def test_every_other_layer_of_keras_is_aligned_and_grown(name: str) -> None:
    model = layer_network(name, UNITS)
    check_alignment(model)
    check_growth(model, layer_network(name, MORE), exact=False)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_refused_is_named_with_the_door(name: str) -> None:
    x, y = hidden(1, UNITS)
    model = ended(x, y, REFUSED[name](y))
    told = rf"\({name}.*apps\.architecture\.register_layer"
    with pytest.raises(UnknownSymmetry, match=told):
        permutation_spec(model)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_operations_on_units_are_aligned_and_grown(name: str) -> None:
    model = function_network(FUNCTIONS[name], UNITS)
    check_alignment(model)
    check_growth(model, function_network(FUNCTIONS[name], MORE), exact=False)


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("gated", {"before": 3}),
        ("where", {"before": 6}),
        ("exchanged", {"before": 3, "before:2": 3}),
        ("every second", {}),
        ("first", {"before": 5}),
        ("one by one", {"before": 3}),
        ("matmul", {}),
        ("einsum", {"before": 6}),
        ("masked", {"before": 3, "before:2": 3}),
        ("weighted", {}),
        ("tiled", {"before": 6}),
        ("repeated", {"before": 6}),
        ("padded", {"before": 6}),
        ("cumulative", {}),
        ("norm", {"before": 6}),
    ],
)
def test_units_that_an_operation_treats_alike_are_found(name: str, groups: dict[str, int]) -> None:
    assert dict(permutation_spec(function_network(FUNCTIONS[name], UNITS)).groups) == groups


def check_function(name: str) -> None:
    function = function_names()[name]
    model = function_network(function, UNITS)
    groups = check_alignment(model)
    values = np.random.default_rng(4).normal(size=(40, UNITS)).astype(np.float32)
    if commutes(lambda each: keras.tree.flatten(function(each))[0], values):
        assert groups == {"before": UNITS}
    exact = is_unitwise(lambda each: keras.tree.flatten(function(each))[0], values)
    check_growth(model, function_network(function, MORE), exact)


SOME: Final = frozenset(
    [
        "activations.relu",
        "activations.tanh",
        "activations.glu",
        "ops.abs",
        "ops.log_softmax",
        "ops.sort",
        "ops.argmax",
        "ops.negative",
        "ops.sum",
    ]
)
OTHERS: Final = {*function_names()} - SOME - NOT_OF_TENSORS - REFUSED_FUNCTIONS.keys()


@pytest.mark.parametrize("name", sorted(SOME))
def test_functions_of_one_tensor_are_aligned_and_grown(name: str) -> None:
    check_function(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(OTHERS))
def test_every_other_function_of_one_tensor_is_aligned_and_grown(name: str) -> None:
    check_function(name)


@pytest.mark.parametrize("name", sorted(REFUSED_FUNCTIONS.keys() & {*function_names()}))
def test_a_function_that_cannot_be_tried_is_refused_by_name(name: str) -> None:
    model = function_network(function_names()[name], UNITS)
    told = rf"\({REFUSED_FUNCTIONS[name]}.*apps\.architecture\.register_layer"
    with pytest.raises(UnknownSymmetry, match=told):
        permutation_spec(model)
