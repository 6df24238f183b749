"""Columns of a table as arrays: numbers standardised, text one-hot, classes numbered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from apps.datasets.arrays import Array
from apps.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

CATEGORIES: Final = 256
"""Values that a column of text may have in the training rows: with more it is no category."""


class Features:
    """What the training rows say of how columns become features.

    Attributes:
        names: of the features.
    """

    def __init__(
        self,
        path: Path,
        table: pd.DataFrame,
        categorical: Sequence[str],
        standardize: bool,
        train: Array,
    ) -> None:
        """Look at the columns.

        Args:
            path: of the file, for messages.
            table: the columns, without missing values.
            categorical: columns that are treated like text though they are not.
            standardize: whether numbers get mean 0 and standard deviation 1.
            train: numbers of the rows that decide what mean, deviation and categories are.

        Raises:
            UserError: a column is neither numbers nor text, or has too many values for categories.
        """
        self.names: list[str] = []
        self._categories: dict[str, Array] = {}
        self._scales: dict[str, tuple[float, float]] = {}
        for name in map(str, table.columns):
            if name in categorical or _is_text(table[name]):
                self._categories[name] = found = _categories(path, table[name], train)
                self.names += [f"{name}={each}" for each in found]
                continue
            numbers = numbers_of(path, table[[name]])[train]
            # What is the same in all training rows says nothing, and becomes 0.
            spread = numbers.std() or 1.0
            self._scales[name] = (numbers.mean(), spread) if standardize else (0.0, 1.0)
            self.names.append(name)

    def of(self, path: Path, table: pd.DataFrame) -> Array:
        """Return the features of rows [rows, features], float32.

        Args:
            path: of the file, for messages.
            table: the same columns, without missing values; in any order, others are left alone.

        Raises:
            UserError: a column that should be numbers is not.
        """
        known = [*self._scales, *self._categories]
        parts = [self._feature(path, table, str(name)) for name in table if str(name) in known]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _feature(self, path: Path, table: pd.DataFrame, name: str) -> Array:
        if name in self._categories:
            values = table[name].astype(str).to_numpy(dtype=str)
            one_hot: Array = (values[:, None] == self._categories[name]).astype(np.float64)
            return one_hot
        mean, spread = self._scales[name]
        return (numbers_of(path, table[[name]]) - mean) / spread


def _categories(path: Path, column: pd.Series[Any], train: Array) -> Array:
    categories: Array = np.unique(column.astype(str).to_numpy(dtype=str)[train])
    if len(categories) > CATEGORIES:
        raise UserError(
            f"{path}: column {column.name!r} has {len(categories):,} different values in the "
            f"training rows, more than the {CATEGORIES} that categories may be: name the "
            "columns to use in data.params.features",
            code="data-values",
        )
    return categories


def numbers_of(path: Path, table: pd.DataFrame) -> Array:
    """Return columns of numbers [rows, columns], float64; true and false are 1 and 0.

    Raises:
        UserError: a column is none, or has infinite values.
    """
    from pandas.api import types

    for name in table.columns:
        if not types.is_numeric_dtype(table[name]) or types.is_complex_dtype(table[name]):
            raise UserError(
                f"{path}: column {name!r} holds {table[name].dtype}, not numbers: change it, or "
                "leave it out of data.params",
                code="data-values",
            )
    array: Array = table.to_numpy(dtype=np.float64)
    for name, column in zip(table.columns, array.T, strict=True):
        if infinite := int((~np.isfinite(column)).sum()):
            raise UserError(
                f"{path}: column {name!r} is infinite in {_rows(infinite)}", code="data-values"
            )
    return array


def classes_of(path: Path, column: pd.Series[Any], train: Array) -> Array:
    """Return the numbers of a column's classes [rows], int32, from 0 in sorted order.

    Raises:
        UserError: there is one class, or none of the training rows has one of them.
    """
    values = column.to_numpy() if _is_number(column) else column.astype(str).to_numpy(dtype=str)
    classes, numbers = np.unique(values, return_inverse=True)
    if len(classes) < 2:
        raise UserError(
            f"{path}: target column {column.name!r} is {classes[0]} in every row",
            code="data-labels",
        )
    seen = np.bincount(numbers[train], minlength=len(classes))
    if not seen.all():
        raise UserError(
            f"{path}: no training row has the class {classes[int(np.argmin(seen))]} of target "
            f"column {column.name!r}: use more rows, or fewer for testing and validation",
            code="data-labels",
        )
    return numbers.astype(np.int32)


def check_complete(path: Path, table: pd.DataFrame) -> None:
    """Check that no value is missing.

    Raises:
        UserError: some are; the message has the columns and their numbers of rows.
    """
    missing = table.isna().sum()
    if odd := {str(name): int(count) for name, count in missing.items() if count}:
        told = ", ".join(f"{name!r} in {_rows(count)}" for name, count in odd.items())
        raise UserError(
            f"{path}: values are missing, of column {told}: fill them in, or take these rows or "
            "columns out",
            code="data-values",
        )


def _is_number(column: pd.Series[Any]) -> bool:
    from pandas.api import types

    return types.is_numeric_dtype(column)


def _is_text(column: pd.Series[Any]) -> bool:
    from pandas.api import types

    if isinstance(column.dtype, types.CategoricalDtype):
        return True
    return types.infer_dtype(column, skipna=False) == "string"


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count > 1 else ''}"
