"""What a data plug-in may return: brought to one form, each broken rule with its message."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from apps.errors import UserError

Array = NDArray[Any]
Pair = tuple[Array, Array]

PIXEL: Final = 1.0 / 255.0
"""Scale of 8-bit pixels."""


@dataclass(frozen=True, eq=False)
class Source:
    """A data set before its split.

    Attributes:
        train: inputs [n, ...] and targets [n, ...].
        test: likewise.
        validation: likewise, when it is not to be taken from the training set.
        input_scale: inputs are multiplied by it.
        folder: that the arrays are mapped from, if they are.
    """

    train: Pair
    test: Pair
    validation: Pair | None
    input_scale: float
    folder: Path | None = None


def checked(returned: Any) -> Source:
    """Return a plug-in's data in one form.

    Args:
        returned: `((x_train, y_train), (x_test, y_test))`, or a mapping with the keys `train`,
            `test` and perhaps `validation`, each `(x, y)`, and perhaps `input_scale`. Without
            that, inputs of type uint8 are taken for pixels and scaled by 1/255.

    Returns:
        Whole-number inputs as they are, others as float32; whole-number targets as int32, a
        column [n, 1] as [n].

    Raises:
        UserError: one of the rules is broken; the message says which part breaks it.
    """
    parts, scale = _parts(returned)
    pairs = {name: _pair(name, pair) for name, pair in parts.items()}
    x, y = pairs["train"]
    for name, (other_x, other_y) in pairs.items():
        for letter, ours, other in (("x", x, other_x), ("y", y, other_y)):
            if ours.shape[1:] != other.shape[1:] or ours.dtype != other.dtype:
                raise UserError(
                    f"{letter}_{name} must be like {letter}_train, one sample {ours.shape[1:]}"
                    f" {ours.dtype}; got {other.shape[1:]} {other.dtype}"
                )
    if scale is None:
        scale = PIXEL if x.dtype == np.uint8 else 1.0
    return Source(pairs["train"], pairs["test"], pairs.get("validation"), scale)


def _parts(returned: Any) -> tuple[dict[str, Any], float | None]:
    """Return `{"train": (x, y), "test": (x, y)}`, perhaps with validation, and the input scale."""
    scale: Any = None
    if isinstance(returned, Mapping):
        parts: dict[str, Any] = {
            key: value for key, value in returned.items() if key != "input_scale"
        }
        scale = returned.get("input_scale")
        if not {"train", "test"} <= parts.keys() <= {"train", "validation", "test"}:
            raise UserError(
                "a mapping must have the keys train and test and may have validation and"
                f" input_scale, got {', '.join(map(str, returned)) or 'none'}"
            )
    elif isinstance(returned, tuple | list) and len(returned) == 2:
        parts = dict(zip(("train", "test"), returned, strict=True))
    else:
        raise UserError(
            "must return ((x_train, y_train), (x_test, y_test)), a mapping of train, test and"
            f" perhaps validation to (x, y), or a Dataset; got {type(returned).__name__}"
        )
    if scale is not None and (
        isinstance(scale, bool) or not isinstance(scale, int | float) or not math.isfinite(scale)
    ):
        raise UserError(f"input_scale must be a finite number, got {scale!r}")
    return parts, scale


def _pair(name: str, pair: Any) -> Pair:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise UserError(f"{name} must be a pair (x, y), got {type(pair).__name__}")
    x, y = _numeric(f"x_{name}", pair[0]), _numeric(f"y_{name}", pair[1])
    if len(x) != len(y):
        raise UserError(
            f"x_{name} and y_{name} must be of one length, got {len(x):,} inputs and"
            f" {len(y):,} targets"
        )
    if not len(x):
        raise UserError(f"{name} must have at least one sample, got none")
    if y.dtype.kind in "iu":
        y = _labels(f"y_{name}", y)
    return x, y


def _numeric(name: str, values: ArrayLike) -> Array:
    """Return `values` as an array of whole numbers, or of finite float32."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise UserError(f"{name} must be an array: {error}") from error
    if array.dtype.kind not in "biuf":
        raise UserError(f"{name} must be numeric, got dtype {array.dtype}")
    if array.ndim == 0:
        raise UserError(f"{name} must have an axis of samples, got one number")
    if array.dtype.kind == "b":
        return array.astype(np.uint8) if name.startswith("y") else array.astype(np.float32)
    if array.dtype.kind in "iu":
        return array
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float32, copy=False)
    finite = np.isfinite(narrow)
    if not finite.all():
        first = tuple(int(i) for i in np.unravel_index(np.argmin(finite), finite.shape))
        raise UserError(
            f"{name} must be finite as float32, got {array[first]} at index {list(first)}"
        )
    return narrow


def _labels(name: str, y: Array) -> Array:
    """Return whole numbers as int32; a column [n, 1] becomes [n]."""
    limits = np.iinfo(np.int32)
    if y.size and not limits.min <= int(y.min()) <= int(y.max()) <= limits.max:
        raise UserError(f"{name} must be within int32, got {y.min()} to {y.max()}")
    return y.reshape(-1).astype(np.int32) if y.shape[1:] == (1,) else y.astype(np.int32)
