"""A table that was read, and what its training rows say of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from apps.datasets.arrays import Array
from apps.datasets.sources.columns import Features, numbers_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Fitted:
    """A table's rows, and what those for training say of its columns.

    Attributes:
        path: of the file.
        table: its columns.
        apart: path and columns of the test rows, where they have a file of their own.
        used: the columns that are features, targets or weights.
        rows: numbers of the rows of each part, those of a file apart after the others.
        features: how columns become inputs.
        target: names of what is learnt.
        classes: of each row [n], int32, and what they are; None of numbers.
    """

    path: Path
    table: pd.DataFrame
    apart: tuple[Path, pd.DataFrame] | None
    used: list[str]
    rows: dict[str, Array]
    features: Features
    target: list[str]
    classes: tuple[Array, list[Any]] | None

    @cached_property
    def files(self) -> list[tuple[Path, pd.DataFrame]]:
        """Path and columns of each file."""
        return [(self.path, self.table), *([self.apart] if self.apart else [])]

    @property
    def inputs(self) -> Array:
        """Features [n, inputs], float32."""
        return np.concatenate([self.features.of(*each) for each in self.files])

    @property
    def targets(self) -> Array:
        """Targets [n] or [n, targets]."""
        if self.classes is not None:
            return self.classes[0]
        found = self.numbers(self.target)
        return found[:, 0] if len(self.target) == 1 else found

    def numbers(self, names: list[str]) -> Array:
        """Return columns of numbers [n, columns], float64."""
        return np.concatenate([numbers_of(path, table[names]) for path, table in self.files])
