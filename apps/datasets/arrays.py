"""Inputs and targets held in memory: arrays, or several arrays by name, and perhaps weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from apps.errors import UserError

Array = NDArray[Any]

Named = Array | Mapping[str, Array]
"""One array, or several by names of a network's inputs or outputs."""


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """Return `function` of an array, or of each of several by name.

    >>> mapped(len, {"left": [1, 2], "right": [3]})
    {'left': 2, 'right': 1}
    """
    if isinstance(value, Mapping):
        return {name: function(each) for name, each in value.items()}
    return function(value)


def listed(value: Any) -> list[Any]:
    """Return an array, or several by name, as a list."""
    return list(value.values()) if isinstance(value, Mapping) else [value]


def concatenated(parts: Sequence[Named]) -> Named:
    """Return arrays, or several by name, one after the other."""
    each: list[Any] = list(parts)
    if isinstance(parts[0], Mapping):
        return {name: np.concatenate([part[name] for part in each]) for name in parts[0]}
    return np.concatenate(each)


class HasType(Protocol):
    """An array, or what says what one is like."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its elements."""
        ...


def is_text(array: HasType) -> bool:
    """Whether an array holds texts, which TensorFlow takes as type object."""
    return array.dtype.kind in "OSU"


def check_type(name: str, array: Array, text: bool) -> None:
    """Check that an array is of numbers, or of texts where a network may begin with them.

    Args:
        name: for the message.
        array: of any type.
        text: whether texts are taken.

    Raises:
        UserError: it is of another type.
    """
    of_texts = is_text(array) and all(isinstance(each, str | bytes) for each in array.flat)
    if array.dtype.kind in "biuf" or array.dtype.name == "bfloat16" or (text and of_texts):
        return
    if of_texts:
        raise UserError(
            f"{name} must be numeric, got texts: number the classes, for example by "
            "numpy.unique(targets, return_inverse=True)[1]",
            code="data-form",
        )
    if text and is_text(array):
        raise UserError(
            f"{name} must be numeric, or texts for a network that begins with a layer for them, "
            "got things of several kinds or lengths",
            code="data-form",
        )
    raise UserError(f"{name} must be numeric, got dtype {array.dtype}", code="data-form")


def type_in_words(array: Array) -> str:
    """Return what a user calls the type of an array."""
    return "text" if is_text(array) else str(array.dtype)


@dataclass(frozen=True, eq=False)
class Samples:
    """One part of a data set.

    Attributes:
        x: inputs [n, ...], or several by name.
        y: targets [n] or [n, ...], likewise.
        weights: how much each sample counts in the loss [n]; None for all alike.
    """

    x: Named
    y: Named
    weights: Array | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(listed(self.x)[0])

    def __getitem__(self, chosen: slice | NDArray[np.int64]) -> Samples:
        """Return some of the samples: views for a slice, copies for an array of numbers."""
        weights = None if self.weights is None else self.weights[chosen]
        return Samples(
            mapped(lambda a: a[chosen], self.x), mapped(lambda a: a[chosen], self.y), weights
        )

    @property
    def fields(self) -> tuple[Any, ...]:
        """Inputs, targets and, if there are any, weights: what a step of Keras takes."""
        return (self.x, self.y) if self.weights is None else (self.x, self.y, self.weights)

    def order(
        self, rng: np.random.Generator, earlier: Iterable[np.random.Generator] = ()
    ) -> NDArray[np.int64]:
        """Return an order of the samples for one epoch [n], whatever those `earlier` were."""
        return rng.permutation(len(self))
