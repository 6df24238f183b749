"""A table of a .csv or .parquet file: features, one or more targets, perhaps weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from apps.datasets.arrays import Array
from apps.datasets.sources.columns import Features, check_complete, classes_of, numbers_of
from apps.datasets.sources.reader import Parts, Reader, Seed, Share, Split, drawn, existing_file
from apps.errors import UserError, did_you_mean, first_line
from apps.seeds import Address, Purpose

if TYPE_CHECKING:
    import pandas as pd

TABLES: Final = (".csv", ".parquet")
"""Endings of the files that tables are read from."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Table(Reader):
    """A table with a sample a row.

    Columns of numbers are standardised: mean 0 and standard deviation 1 over the training rows,
    without the rows held out for validation and testing. Columns of text become a column of 0 and 1
    for each value that the training rows have, in sorted order; a row with another value has 0 in
    all of them. Classes are numbered from 0 in sorted order; targets that are numbers stay as they
    are.

    Attributes:
        path: of the file.
        target: the column to be learnt, or several columns of numbers.
        features: the columns to learn from; all others if left out.
        categorical: columns of numbers that are to be treated like text.
        weights: column that says how much each row counts in the loss.
        task: whether the target is of `classes` or `numbers`; a column of whole numbers needs it.
        test: share or number of the rows that are for testing.
        seed: decides which; the experiment's if left out.
        test_path: file of the test rows, instead.
        standardize: whether columns of numbers are.
    """

    path: str
    target: Annotated[list[str], BeforeValidator(_listed)]
    features: list[str] | None = None
    categorical: list[str] = Field(default_factory=list)
    weights: str | None = None
    task: Literal["classes", "numbers"] | None = None
    test: Share | None = None
    seed: Seed | None = None
    test_path: str | None = None
    standardize: bool = True

    def files(self, folder: Path) -> Mapping[str, Path]:
        """Return the file, and the test rows' if they have their own."""
        paths = {"path": self.path, "test_path": self.test_path}
        found = {
            key: existing_file(folder, path, key) for key, path in paths.items() if path is not None
        }
        for path in found.values():
            if path.suffix.lower() not in TABLES:
                raise UserError(
                    f"{path}: a table is a file {' or '.join(TABLES)}", code="data-setting"
                )
        return found

    def read(self, folder: Path, split: Split) -> Parts:
        """Return features [n, columns], float32, targets [n] or [n, targets], perhaps weights."""
        path, table, rows, features = self._fitted(folder, split)
        fields = [features.of(path, table), self._targets(path, table, rows["train"])]
        if self.weights:
            fields.append(numbers_of(path, table[[self.weights]])[:, 0])
        return {part: tuple(field[each] for field in fields) for part, each in rows.items()}

    def asked(self, folder: Path, split: Split, path: Path) -> Array:
        """Return the features of another file's rows [n, columns], made as those of the training.

        Args:
            folder: of the experiment.
            split: as it was in the training.
            path: of the file; its columns are found by their names, others are left alone.

        Raises:
            UserError: the file cannot be read, lacks a column, or a value; or the table's own have
                changed.
        """
        own, table, _, features = self._fitted(folder, split)
        others = _table(path)
        wanted = self._features(own, table)
        _check_columns(path, others, wanted, "the columns of the training")
        check_complete(path, others[wanted])
        return features.of(path, others[wanted])

    def _fitted(
        self, folder: Path, split: Split
    ) -> tuple[Path, pd.DataFrame, dict[str, Array], Features]:
        paths = self.files(folder)
        table = _table(paths["path"])
        features = self._features(paths["path"], table)
        used = [*features, *self.target, *([self.weights] if self.weights else [])]
        check_complete(paths["path"], table[used])
        rows = {}
        if "test_path" in paths:
            if self.test is not None or self.seed is not None:
                raise UserError(
                    "data.params.test and seed are for one file, but test_path names the test "
                    "rows: take them out",
                    code="data-setting",
                )
            apart = _table(paths["test_path"])
            _check_columns(paths["test_path"], apart, used, "data.params")
            check_complete(paths["test_path"], apart[used])
            table, count = _joined(table[used], apart[used]), len(table)
            train, rows["test"] = np.arange(count), np.arange(count, len(table))
        else:
            seed = split.seed if self.seed is None else self.seed
            train, rows["test"] = drawn(len(table), self.test, seed)
        if held := split.held_out(len(train)):
            order = Address(split.seed).stream(Purpose.DATA_SPLIT).permutation(len(train))
            rows["validation"], train = train[order[:held]], np.sort(train[order[held:]])
        rows["train"] = train
        path = paths["path"]
        fitted = Features(path, table[features], self.categorical, self.standardize, train)
        return path, table[used], rows, fitted

    def _features(self, path: Path, table: pd.DataFrame) -> list[str]:
        others = [*self.target, *([self.weights] if self.weights else [])]
        _check_columns(path, table, self.target, "data.params.target")
        _check_columns(path, table, others[len(self.target) :], "data.params.weights")
        _check_columns(path, table, self.features or [], "data.params.features")
        if self.features is None:
            features = [str(name) for name in table.columns if name not in others]
        else:
            features = self.features
        if both := [name for name in features if name in others]:
            raise UserError(
                f"data.params.features has {both[0]!r}, which is the target or the weights: what "
                "is to be learnt is not learnt from",
                code="data-setting",
            )
        if not features:
            raise UserError(
                f"{path}: there is no column to learn from beside {', '.join(others)}",
                code="data-setting",
            )
        if odd := [name for name in self.categorical if name not in features]:
            raise UserError(
                f"data.params.categorical has {odd[0]!r}, which is none of the features "
                f"{', '.join(features)}",
                code="data-setting",
            )
        return features

    def _targets(self, path: Path, table: pd.DataFrame, train: Array) -> Array:
        if len(self.target) > 1:
            if self.task == "classes":
                raise UserError(
                    "data.params.task: classes are of one target column, not several",
                    code="data-setting",
                )
            return numbers_of(path, table[self.target])
        column = table[self.target[0]]
        task = self.task or _task(path, column)
        if task == "numbers":
            return numbers_of(path, table[self.target])[:, 0]
        return classes_of(path, column, train)


def _task(path: Path, column: pd.Series[Any]) -> str:
    from pandas.api import types

    if types.is_bool_dtype(column) or not types.is_numeric_dtype(column):
        return "classes"
    if types.is_integer_dtype(column):
        raise UserError(
            f"{path}: target column {column.name!r} holds whole numbers: say data.params.task = "
            '"classes" or "numbers"',
            code="data-setting",
        )
    return "numbers"


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    read = pd.read_csv if path.suffix.lower() == ".csv" else pd.read_parquet
    try:
        table: pd.DataFrame = read(path)
    except Exception as error:
        raise UserError(
            f"{path}: cannot be read as a table: {first_line(error)}", code="data-damaged"
        ) from error
    if not len(table):
        raise UserError(f"{path}: has no rows", code="data-form")
    return table


def _joined(table: pd.DataFrame, apart: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([table, apart], ignore_index=True)


def _check_columns(path: Path, table: pd.DataFrame, names: Sequence[str], what: str) -> None:
    for name in names:
        if name not in table.columns:
            known = [str(each) for each in table.columns]
            raise UserError(
                f"{path}: {what}: there is no column {name!r}; {did_you_mean(name, known)}"
                f"it has {', '.join(known)}",
                code="data-setting",
            )
