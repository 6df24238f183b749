"""Columns of a table as arrays: numbers standardised, words one-hot, classes numbered.

What a column holds is decided once, by the rows that are learnt from; every other row, of whatever
file, is read by that. Values of categories are compared as what they are: 3 and 3.0 are one number,
02139 and 2139 are two words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from apps.datasets.arrays import Array
from apps.datasets.sources.table_files import Kind, kinds_of
from apps.errors import UserError, first_few

if TYPE_CHECKING:
    import pandas as pd

CATEGORIES: Final = 256
"""Largest number of different values that a column of text may have in the training rows."""

_DATE: Final = r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([ T]\d.{0,20})?"
_GROUPS: Final = (" ", "\u00a0", "\u202f", "'")
_TRUTH: Final = {"true": "True", "1": "True", "false": "False", "0": "False"}


@dataclass(frozen=True)
class Column:
    """How a column becomes inputs.

    Attributes:
        name: of the column.
        kind: what it holds.
        mean: that is subtracted from numbers.
        deviation: that they are divided by then.
        categories: the values that become an input each; None of numbers.
    """

    name: str
    kind: Kind
    mean: float = 0.0
    deviation: float = 1.0
    categories: tuple[str, ...] | None = None

    @property
    def width(self) -> int:
        """How many inputs it becomes."""
        return 1 if self.categories is None else len(self.categories)


@dataclass(frozen=True)
class Features:
    """How columns become inputs, in their order; it is plain data and travels with a champion."""

    columns: tuple[Column, ...]

    @classmethod
    def fitted(
        cls,
        path: Path,
        table: pd.DataFrame,
        categorical: Sequence[str],
        standardize: bool,
        train: Array,
    ) -> Self:
        """Determine means, deviations and categories.

        Args:
            path: of the file, for messages.
            table: the columns, without missing values.
            categorical: columns of numbers to be treated like text.
            standardize: whether numbers get mean 0 and standard deviation 1.
            train: numbers of the training rows, which determine means, deviations and categories.

        Raises:
            UserError: a column is neither numbers nor text, or has too many values for categories.
        """
        kinds = kinds_of(table)
        named = {*categorical}
        words = [
            name
            for name, dtype in zip(table.columns, table.dtypes, strict=True)
            if kinds[name] == "text" or name in named or _is_categorical(dtype)
        ]
        columns = {
            name: Column(
                name, kinds[name], categories=_categories(path, table[name], kinds[name], train)
            )
            for name in words
        }
        numbers = [name for name in table.columns if name not in columns]
        if numbers:
            # A row a column, so that each is summed up as it would be alone.
            block = np.ascontiguousarray(numbers_of(path, table[numbers])[train].T)
            means, spreads = np.zeros(len(numbers)), np.ones(len(numbers))
            if standardize:
                with np.errstate(over="ignore"):
                    means, spreads = block.mean(axis=1), block.std(axis=1)
                if (vast := ~np.isfinite(spreads)).any():
                    raise UserError(
                        f"{path}: column {numbers[int(np.argmax(vast))]!r} has numbers too large "
                        "to be standardised, which may stand for missing values: fill them in, or "
                        "take these rows or the column out",
                        code="data-values",
                    )
                # What is the same in all training rows says nothing, and becomes 0.
                spreads[spreads == 0] = 1.0
            for name, mean, spread in zip(numbers, means.tolist(), spreads.tolist(), strict=True):
                columns[name] = Column(name, kinds[name], mean, spread)
        return cls(tuple(columns[name] for name in table.columns))

    def to_json(self) -> list[dict[str, Any]]:
        """Return it as plain data."""
        return [asdict(column) for column in self.columns]

    @classmethod
    def from_json(cls, stored: Sequence[Mapping[str, Any]]) -> Self:
        """Return what `to_json` made plain data of."""
        columns = []
        for each in stored:
            values = each["categories"]
            categories = None if values is None else tuple(values)
            columns.append(
                Column(each["name"], each["kind"], each["mean"], each["deviation"], categories)
            )
        return cls(tuple(columns))

    @property
    def kinds(self) -> dict[str, Kind]:
        """What each column holds."""
        return {column.name: column.kind for column in self.columns}

    def of(self, path: Path | str, table: pd.DataFrame) -> Array:
        """Return the inputs of rows [rows, inputs], float32.

        A value that is none of a column's categories is 0 in all of them: `unknown` finds it.

        Args:
            path: of the file, for messages.
            table: the columns, without missing values; in any order, others are left alone.

        Raises:
            UserError: a column that should be numbers is not.
        """
        inputs = np.zeros((len(table), sum(column.width for column in self.columns)), np.float32)
        begins = np.cumsum([0, *(column.width for column in self.columns)])
        numbers = [n for n, column in enumerate(self.columns) if column.categories is None]
        if numbers:
            chosen = [self.columns[n] for n in numbers]
            block = numbers_of(path, table[[column.name for column in chosen]])
            _check_truth(path, chosen, block)
            means, deviations = (
                np.array([getattr(column, key) for column in chosen])
                for key in ("mean", "deviation")
            )
            inputs[:, begins[numbers]] = (block - means) / deviations
        for begin, column in zip(begins[:-1], self.columns, strict=True):
            if column.categories is not None:
                places = _places(column, table[column.name])
                rows = np.flatnonzero(places >= 0)
                inputs[rows, begin + places[rows]] = 1.0
        return inputs

    def unknown(self, table: pd.DataFrame) -> dict[str, dict[str, int]]:
        """Return the values that are none of their column's categories, and their rows' number."""
        found: dict[str, dict[str, int]] = {}
        for column in self.columns:
            if column.categories is not None:
                odd = _places(column, table[column.name]) < 0
                if odd.any():
                    counts = table.loc[odd, column.name].astype(str).value_counts()
                    found[column.name] = {str(key): int(n) for key, n in counts.items()}
        return found

    def told_unknown(self, unknown: Mapping[str, Mapping[str, int]]) -> str:
        """Return what `unknown` found in a line."""
        known = {column.name: column.categories or () for column in self.columns}
        return "; ".join(
            f"column {name!r}: "
            f"{first_few([f'{value!r} in {_rows(n)}' for value, n in odd.items()])} "
            f"(known: {first_few([repr(each) for each in known[name]])})"
            for name, odd in unknown.items()
        )


def words_of(column: pd.Series[Any], kind: Kind) -> Array:
    """Return the values of a column of categories [rows], as text in one form.

    Args:
        column: without missing values; of any type.
        kind: what the training rows say that it holds.
    """
    import pandas as pd
    from pandas.api import types

    if _is_categorical(column.dtype):
        column = column.astype(column.cat.categories.dtype)
    if kind == "number" and not types.is_numeric_dtype(column):
        numbers = pd.to_numeric(column.astype(str), errors="coerce")
        shown = column.astype(str).to_numpy(dtype=object)
        there = numbers.notna().to_numpy()
        shown[there] = words_of(numbers[there], "number")
        return shown
    if kind == "number" and types.is_bool_dtype(column):
        column = column.astype(int)
    if types.is_float_dtype(column):
        values = column.to_numpy()
        shown = values.astype(str).astype(object)
        whole = (values == np.floor(values)) & (np.abs(values) < 2**63)
        shown[whole] = values[whole].astype(np.int64).astype(str)
    else:
        shown = column.astype(str).to_numpy(dtype=object)
    if kind == "truth":
        shown = np.array([_TRUTH.get(each.lower(), each) for each in shown], dtype=object)
    return shown


def numbers_of(path: Path | str, table: pd.DataFrame) -> Array:
    """Return columns of numbers [rows, columns], float64; true and false are 1 and 0.

    Raises:
        UserError: a column is none, or has infinite values.
    """
    for name, kind in kinds_of(table).items():
        if kind not in ("number", "truth"):
            raise UserError(
                f"{path}: column {name!r} holds {table[name].dtype}, not numbers"
                f"{_odd_numbers(table[name], kind)}: change it, or leave it out of data.params",
                code="data-values",
            )
    array: Array = table.to_numpy(dtype=np.float64)
    infinite = (~np.isfinite(array)).sum(axis=0)
    if infinite.any():
        first = int(np.argmax(infinite > 0))
        raise UserError(
            f"{path}: column {table.columns[first]!r} is infinite in {_rows(int(infinite[first]))}",
            code="data-values",
        )
    return array


def classes_of(
    path: Path, column: pd.Series[Any], train: Array
) -> tuple[Array, list[str | int | float | bool]]:
    """Return the numbers of a column's classes [rows], int32, from 0 in sorted order; and them.

    Raises:
        UserError: there is only one class, or a class that no training row has.
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
            f"column {column.name!r}: use more rows, or fewer for testing and validation, or say "
            "data.stratified = true, so that every part has its share of each class",
            code="data-labels",
        )
    return numbers.astype(np.int32), [_plain(each) for each in classes.tolist()]


def check_complete(path: Path | str, table: pd.DataFrame) -> None:
    """Check that no value is missing.

    Raises:
        UserError: some are; the message has the columns and their numbers of rows.
    """
    missing = table.isna().sum()
    missing = missing[missing > 0]
    if len(missing):
        told = ", ".join(f"{name!r} in {_rows(int(count))}" for name, count in missing.items())
        raise UserError(
            f"{path}: values are missing, of column {told}: fill them in, or take these rows or "
            "columns out",
            code="data-values",
        )


def _categories(
    path: Path, column: pd.Series[Any], kind: Kind, train: Array
) -> tuple[str, ...] | None:
    # In the order of the values as they were written, whatever form they are compared in.
    shown = column.astype(str).to_numpy(dtype=str)[train]
    values, first = np.unique(shown, return_index=True)
    if len(values) > CATEGORIES:
        raise UserError(
            f"{path}: column {column.name!r} has {len(values):,} different values in the "
            f"training rows, more than the {CATEGORIES} that categories may be: name the "
            "columns to use in data.params.features, or those to leave out in data.params.drop"
            f"{written_otherwise(values.tolist())}",
            code="data-values",
        )
    return tuple(words_of(column.iloc[train[first]], kind).tolist())


def written_otherwise(values: Sequence[str]) -> str:
    """Return what to say of words that are numbers or dates in another writing; "" of others."""

    def all_match(form: str) -> bool:
        return all(re.fullmatch(form, value.strip()) for value in values)

    if all_match(_DATE):
        return "; these are dates: name the column in data.params.dates, and it becomes a number"
    for mark in _GROUPS:
        grouped = rf"[-+]?([1-9]\d{{0,2}}({mark}\d{{3}})+|\d+)([.,]\d+)?"
        if any(mark in value.strip() for value in values) and all_match(grouped):
            return f'; these are numbers in groups of digits: say data.params.thousands = "{mark}"'
    if not any("," in value for value in values):
        return ""
    if all_match(r"[-+]?([1-9]\d{0,2}(,\d{3})+|\d+)(\.\d+)?"):
        return '; these are numbers in groups of digits: say data.params.thousands = ","'
    if all_match(r"[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?([eE][-+]?\d+)?"):
        return '; these are numbers with a comma: say data.params.decimal = ","'
    return ""


def _check_truth(path: Path | str, columns: Sequence[Column], block: Array) -> None:
    """Check that what is true or false among the training rows is so among others [rows, columns].

    Raises:
        UserError: it is another number than 0 and 1.
    """
    for column, values in zip(columns, block.T, strict=True):
        if column.kind == "truth" and (odd := ~np.isin(values, (0.0, 1.0))).any():
            raise UserError(
                f"{path}: column {column.name!r} is true or false in the training rows, and "
                f"{values[odd][0]:g} in one of these",
                code="data-values",
            )


def _places(column: Column, values: pd.Series[Any]) -> Array:
    """Return which category each value is [rows]; -1 for none."""
    import pandas as pd

    assert column.categories is not None
    index = pd.Index(column.categories, dtype=object)
    return np.asarray(index.get_indexer(pd.Index(words_of(values, column.kind), dtype=object)))


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _odd_numbers(column: pd.Series[Any], kind: Kind) -> str:
    import pandas as pd
    from pandas.api import types

    if types.is_datetime64_any_dtype(column):
        return f' (data.params.dates = ["{column.name}"] makes days of it)'
    if kind != "text":
        return ""
    odd = column[pd.to_numeric(column.astype(str), errors="coerce").isna()]
    if hint := written_otherwise(column.astype(str).unique().tolist()):
        return hint.replace(";", ",", 1)
    if len(odd) == len(column):
        return ""
    return f", such as {first_few([repr(each) for each in odd.unique()])}"


def _is_categorical(dtype: Any) -> bool:
    import pandas as pd

    return isinstance(dtype, pd.CategoricalDtype)


def _is_number(column: pd.Series[Any]) -> bool:
    from pandas.api import types

    return types.is_numeric_dtype(column)


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count > 1 else ''}"
