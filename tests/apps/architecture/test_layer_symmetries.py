"""Every layer of Keras is aligned and grown, or refused by name."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import inspect
from collections.abc import Callable
from typing import Any, Final

import keras
import pytest

from apps.architecture.symmetries import UnknownSymmetry, permutation_spec
from tests.support.keras_networks import (
    MORE,
    UNITS,
    L,
    check_alignment,
    check_growth,
    ended,
    hidden,
)

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
    "Add": 1,
    "Average": 1,
    "Concatenate": 1,
    "Maximum": 1,
    "Minimum": 1,
    "Multiply": 1,
    "Subtract": 1,
    "Attention": 2,
    "AdditiveAttention": 2,
    "Dot": 1,
}
"""Layers of two hidden tensors -> their rank."""


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
        name: (
            1,
            lambda y, name=name, count=count: getattr(L, name)(5)(
                y, [L.Dense(5)(y) for _ in range(count)]
            ),
        )
        for name, count in {"GRUCell": 1, "LSTMCell": 2, "SimpleRNNCell": 1}.items()
    },
}


IMAGES: Final = {
    "AugMix": {},
    "AutoContrast": {},
    "ContrastLimitedAdaptiveHistogramEqualization": {},
    "CutMix": {},
    "MixUp": {},
    "RandAugment": {},
    "RandomBrightness": {"factor": 0.1},
    "RandomColorDegeneration": {"factor": 0.1},
    "RandomColorJitter": {},
    "RandomContrast": {"factor": 0.1},
    "RandomCrop": {"height": 4, "width": 4},
    "RandomElasticTransform": {"factor": 0.1},
    "RandomErasing": {},
    "RandomFlip": {},
    "RandomGaussianBlur": {"factor": 0.1},
    "RandomGrayscale": {},
    "RandomHue": {"factor": 0.1},
    "RandomInvert": {"factor": 0.1},
    "RandomPerspective": {},
    "RandomPosterization": {"factor": 4},
    "RandomRotation": {"factor": 0.1},
    "RandomSaturation": {"factor": 0.1},
    "RandomSharpness": {"factor": 0.1},
    "RandomShear": {},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "RandomZoom": {"height_factor": 0.1},
    "Solarization": {},
}
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


# -------------------------------------------------------------------------------------- the walks
def layer_names() -> dict[str, type]:
    """The classes that Keras exports, each by its own name."""
    return {
        each.__name__: each
        for name, each in vars(keras.layers).items()
        if inspect.isclass(each) and not name.startswith("_")
    }


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
    told = rf"\({name}.*heterosis\.register_layer"
    with pytest.raises(UnknownSymmetry, match=told):
        permutation_spec(model)
