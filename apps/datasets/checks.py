"""What a data plug-in may return: its rules checked, and brought to one form."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from apps.datasets.arrays import Array, Named, Samples, check_type, is_text, listed, type_in_words
from apps.datasets.batches import Batches, is_batches
from apps.datasets.sources.reader import Form
from apps.errors import UserError

Part = Samples | Batches

PIXEL: Final = 1.0 / 255.0
"""Scale of 8-bit pixels."""


@dataclass(frozen=True, eq=False)
class Source:
    """A data set before its split.

    Attributes:
        train: training data.
        test: test data.
        validation: validation data; None if they are to be split off the training data.
        input_scale: factor on the inputs.
        folder: that the arrays are memory-mapped from; None if they are not.
        byte_targets: names of the targets that are bytes like pixels; "" of a single array.
        form: what other samples are made to inputs with.
    """

    train: Part
    test: Part
    validation: Part | None
    input_scale: float
    folder: Path | None = None
    byte_targets: frozenset[str] = frozenset()
    form: Form = field(default_factory=dict)


def checked(returned: Any) -> Source:
    """Return a plug-in's data in one form.

    Args:
        returned: `((x_train, y_train), (x_test, y_test))`, or a mapping with the keys `train`,
            `test` and perhaps `validation`, each `(x, y)`, `(x, y, weights)` or what
            `batches` takes, and perhaps `input_scale`. Inputs and targets are arrays, or mappings
            of the network's names to arrays. Without a scale, a single array of inputs of type
            uint8 is taken for pixels and scaled by 1/255. Targets of type uint8 that are pictures
            or have the inputs' shape are scaled like the inputs where the loss is not of classes.

    Returns:
        Whole-number inputs as they are, others as float32; whole-number targets as int32, a
        column [n, 1] as [n]. Batches as they are.

    Raises:
        UserError: a rule is broken; the message names the part.
    """
    values, scale = _parts(returned)
    parts = {name: _part(name, value) for name, value in values.items()}
    train = parts["train"]
    if isinstance(train, Samples):
        for name, other in parts.items():
            if isinstance(other, Samples):
                _check_like("x", name, train.x, other.x)
                _check_like("y", name, train.y, other.y)
    elif "validation" not in parts:
        raise UserError(
            "training data that come in batches cannot be split: return validation data too, as in "
            '{"train": ..., "validation": ..., "test": ...}',
            code="data-batches",
        )
    if scale is None:
        pixels = isinstance(train, Samples) and getattr(train.x, "dtype", None) == np.uint8
        scale = PIXEL if pixels else 1.0
    elif scale != 1.0 and any(isinstance(part, Batches) for part in parts.values()):
        raise UserError(
            "input_scale is for arrays: scale the inputs of batches where they are made",
            code="data-setting",
        )
    found = [] if scale == 1.0 else [_byte_targets(each) for each in values.values()]
    return Source(
        train,
        parts["test"],
        parts.get("validation"),
        scale,
        byte_targets=frozenset[str]().union(*found),
    )


def _byte_targets(value: Any) -> frozenset[str]:
    """Return the names of a part's targets that are bytes of pictures, or like the inputs."""
    if not isinstance(value, tuple | list):
        return frozenset()
    inputs = [np.shape(each) for each in listed(value[0]) if _are_bytes(each)]
    targets = value[1] if isinstance(value[1], Mapping) else {"": value[1]}
    return frozenset(
        name
        for name, each in targets.items()
        if inputs
        and _are_bytes(each)
        and (np.ndim(each) > 2 or np.shape(each) in inputs)
        and np.max(each) > 1  # a mask is no picture
    )


def _are_bytes(value: Any) -> bool:
    return getattr(value, "dtype", None) == np.uint8


def _parts(returned: Any) -> tuple[dict[str, Any], float | None]:
    """Return `{"train": ..., "test": ...}`, perhaps with validation, and the input scale."""
    scale: Any = None
    if isinstance(returned, Mapping):
        parts: dict[str, Any] = {
            key: value for key, value in returned.items() if key != "input_scale"
        }
        scale = returned.get("input_scale")
        if not {"train", "test"} <= parts.keys() <= {"train", "validation", "test"}:
            raise UserError(
                "a mapping must have the keys train and test and may have validation and"
                f" input_scale, got {', '.join(map(str, returned)) or 'none'}",
                code="data-setting",
            )
    elif isinstance(returned, tuple | list) and len(returned) == 2:
        parts = dict(zip(("train", "test"), returned, strict=True))
    else:
        raise UserError(
            "must return ((x_train, y_train), (x_test, y_test)), a mapping of train, test and"
            f" perhaps validation to (x, y), or a Dataset; got {type(returned).__name__}",
            code="data-form",
        )
    if scale is not None and (
        isinstance(scale, bool) or not isinstance(scale, int | float) or not math.isfinite(scale)
    ):
        raise UserError(f"input_scale must be a finite number, got {scale!r}", code="data-setting")
    return parts, scale


def _part(name: str, value: Any) -> Part:
    if inspect.isgenerator(value):
        raise UserError(
            f"{name} is a generator, which can be read only once: return arrays, a tf.data.Dataset "
            "(from_generator takes the generator function itself) or a keras.utils.PyDataset",
            code="data-batches",
        )
    if not isinstance(value, tuple | list):
        if not isinstance(value, Mapping | np.ndarray) and is_batches(value):
            return Batches(name, value)
        raise UserError(
            f"{name} must be a pair (x, y), or (x, y, weights), or a tf.data.Dataset or "
            f"keras.utils.PyDataset, got {type(value).__name__}",
            code="data-form",
        )
    if len(value) not in (2, 3):
        raise UserError(
            f"{name} must be (x, y) or (x, y, weights), got {len(value)} things", code="data-form"
        )
    x, y = (_arrays(f"{letter}_{name}", each) for letter, each in zip("xy", value, strict=False))
    lengths = {key: len(array) for key, array in {**x, **y}.items()}
    if len(set(lengths.values())) > 1:
        told = " and ".join(f"{count:,} in {key}" for key, count in lengths.items())
        raise UserError(
            f"{name} must have inputs and targets of one length, got {told}", code="data-form"
        )
    if not next(iter(lengths.values())):
        raise UserError(f"{name} must have at least one sample, got none", code="data-form")
    weights = _weights(name, value[2], next(iter(lengths.values()))) if len(value) == 3 else None
    return Samples(_as_given(value[0], x), _as_given(value[1], y), weights)


def _arrays(name: str, given: Any) -> dict[str, Array]:
    """Return the arrays of inputs or targets by names for messages."""
    if not isinstance(given, Mapping):
        return {name: _numeric(name, given)}
    if not given or not all(isinstance(key, str) for key in given):
        raise UserError(
            f"{name} must name its arrays by strings, got {list(given)}", code="data-form"
        )
    return {f"{name}[{key!r}]": _numeric(f"{name}[{key!r}]", each) for key, each in given.items()}


def _as_given(given: Any, arrays: Mapping[str, Array]) -> Named:
    if isinstance(given, Mapping):
        return dict(zip(given, arrays.values(), strict=True))
    return next(iter(arrays.values()))


def _weights(name: str, given: Any, samples: int) -> Array:
    if isinstance(given, Mapping):
        raise UserError(
            f"the weights of {name} must be one array, a number a sample, got several by name: "
            f"{', '.join(map(str, given))}; outputs have their weights in the loss (loss_weights "
            "of a network that compiles itself)",
            code="data-weights",
        )
    weights = _numeric(f"the weights of {name}", given).astype(np.float32)
    if weights.shape != (samples,) or weights.min() < 0 or not weights.any():
        raise UserError(
            f"the weights of {name} must be one number from 0 a sample, not all 0, got shape "
            f"{weights.shape} from {weights.min()} to {weights.max()}",
            code="data-weights",
        )
    return weights


def _check_like(letter: str, name: str, ours: Named, other: Named) -> None:
    ours, other = (each if isinstance(each, Mapping) else {"": each} for each in (ours, other))
    if ours.keys() != other.keys():
        raise UserError(
            f"{letter}_{name} must have the names of {letter}_train, {', '.join(ours)}; got "
            f"{', '.join(other)}",
            code="data-form",
        )
    for key, array in ours.items():
        at = f"[{key!r}]" if key else ""
        if array.shape[1:] != other[key].shape[1:] or array.dtype != other[key].dtype:
            raise UserError(
                f"{letter}_{name}{at} must be like {letter}_train{at}, one sample "
                f"{array.shape[1:]} {type_in_words(array)}; got {other[key].shape[1:]} "
                f"{type_in_words(other[key])}",
                code="data-form",
            )


def _numeric(name: str, values: ArrayLike) -> Array:
    """Return `values` as an array of whole numbers, of finite float32, or, of inputs, of texts."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise UserError(f"{name} must be an array: {error}", code="data-form") from error
    if np.ma.is_masked(values):
        raise UserError(
            f"{name} is a masked array, and what is masked would be learnt from: fill it in "
            "(values.filled(0)), or leave those samples out",
            code="data-values",
        )
    check_type(name, array, text=name.startswith("x"))
    if array.ndim == 0:
        raise UserError(f"{name} must have an axis of samples, got one number", code="data-form")
    if is_text(array):
        return array.astype(object)
    if array.dtype.kind == "b":
        return array.astype(np.int32 if name.startswith("y") else np.float32)
    if array.dtype.kind in "iu":
        return _labels(name, array) if name.startswith("y") else array
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float32, copy=False)
    finite = np.isfinite(narrow)
    if not finite.all():
        first = tuple(int(i) for i in np.unravel_index(np.argmin(finite), finite.shape))
        raise UserError(
            f"{name} must be finite as float32, got {array[first]} at index {list(first)}",
            code="data-values",
        )
    return narrow


def _labels(name: str, y: Array) -> Array:
    """Return whole numbers as int32; a column [n, 1] becomes [n]."""
    limits = np.iinfo(np.int32)
    if y.size and not limits.min <= int(y.min()) <= int(y.max()) <= limits.max:
        raise UserError(
            f"{name} must be within int32, got {y.min()} to {y.max()}", code="data-values"
        )
    return y.reshape(-1).astype(np.int32) if y.shape[1:] == (1,) else y.astype(np.int32)
