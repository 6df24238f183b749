"""How samples become a network's inputs, as plain data: with it a champion needs no training data.

It is stored beside the champion, and whatever the champion is asked later is read by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from apps.datasets.dataset import Dataset
from apps.datasets.sources.reader import Form


@dataclass(frozen=True)
class Example:
    """What an array of inputs is like: the shape of one sample, and its type."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Preparation:
    """How samples become inputs.

    Attributes:
        scale: inputs are multiplied by it.
        arrays: the inputs by name; "" of a single array.
        form: how a reader made them of its files; {} where they are taken as they are.
    """

    scale: float
    arrays: Mapping[str, Example]
    form: Form

    @classmethod
    def of(cls, data: Dataset) -> Self:
        """Return how the samples of a data set became inputs."""
        x = data.probe.x
        arrays = x if isinstance(x, Mapping) else {"": x}
        examples = {name: Example(each.shape[1:], each.dtype) for name, each in arrays.items()}
        return cls(data.input_scale, examples, data.form)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs; none where there is one only."""
        return tuple(name for name in self.arrays if name)

    @property
    def classes(self) -> list[Any]:
        """What the classes are called, in the order of their numbers; none where nobody said."""
        return list(self.form.get("classes") or ())

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        arrays = [
            {"name": name, "shape": list(each.shape), "dtype": each.dtype.name}
            for name, each in self.arrays.items()
        ]
        return {"scale": self.scale, "arrays": arrays, "form": self.form}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return what `to_json` made plain data of.

        Raises:
            KeyError: it is something else; likewise a TypeError.
        """
        arrays = {
            each["name"]: Example(tuple(each["shape"]), np.dtype(each["dtype"]))
            for each in stored["arrays"]
        }
        return cls(stored["scale"], arrays, stored["form"])
