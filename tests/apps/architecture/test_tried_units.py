"""What operations without arrays do to units is found by trying: every function of Keras."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import inspect
from collections.abc import Callable
from typing import Any, Final

import keras
import numpy as np
import pytest

from apps.architecture.symmetries import UnknownSymmetry, permutation_spec
from tests.support.keras_networks import (
    MORE,
    UNITS,
    check_alignment,
    check_growth,
    close,
    ended,
    hidden,
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


def function_network(function: Callable[[Any], Any], units: int) -> Any:
    x, y = hidden(1, units)
    return ended(x, y, function(y))


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
    told = rf"\({REFUSED_FUNCTIONS[name]}.*heterosis\.register_layer"
    with pytest.raises(UnknownSymmetry, match=told):
        permutation_spec(model)
