"""Columns of a table as arrays: numbers standardised, text one-hot, classes numbered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from apps.errors import UserError
from apps.samples import Array

if TYPE_CHECKING:
    import pandas as pd

CATEGORIES: Final = 256
"""Values that a column of text may have in the training rows: with more it is no category."""


class Features:
    """The features of all rows.

    Attributes:
        names: of the array's columns.
        array: [rows, columns], float32.
    """

    def __init__(
        self,
        path: Path,
        table: pd.DataFrame,
        categorical: Sequence[str],
        standardize: bool,
        train: Array,
    ) -> None:
        """Make them.

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
        parts = []
        for name in map(str, table.columns):
            if name in categorical or _is_text(table[name]):
                part = self._one_hot(path, table[name], train)
            else:
                part = numbers_of(path, table[[name]])
                self.names.append(name)
                if standardize:
                    # What is the same in all training rows says nothing, and becomes 0.
                    spread = part[train].std() or 1.0
                    part = (part - part[train].mean()) / spread
            parts.append(part)
        self.array: Array = np.concatenate(parts, axis=1).astype(np.float32)

    def _one_hot(self, path: Path, column: pd.Series[Any], train: Array) -> Array:
        values = column.astype(str).to_numpy(dtype=str)
        categories = np.unique(values[train])
        if len(categories) > CATEGORIES:
            raise UserError(
                f"{path}: column {column.name!r} has {len(categories):,} different values in the "
                f"training rows, more than the {CATEGORIES} that categories may be: name the "
                "columns to use in data.params.features",
                code="data-values",
            )
        self.names += [f"{column.name}={each}" for each in categories]
        one_hot: Array = (values[:, None] == categories).astype(np.float64)
        return one_hot


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
