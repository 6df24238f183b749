"""A table of a .csv or .parquet file: features, one or more targets, perhaps weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from apps.datasets.arrays import Array
from apps.datasets.sources.columns import (
    Features,
    check_complete,
    classes_of,
    numbers_of,
    words_of,
)
from apps.datasets.sources.fitted import Fitted
from apps.datasets.sources.reader import (
    Form,
    Parts,
    Reader,
    Seed,
    Share,
    Split,
    Told,
    drawn,
    existing_file,
    held_out,
)
from apps.datasets.sources.suspicions import told_of_table
from apps.datasets.sources.table_files import (
    Dialect,
    check_table,
    kinds_of,
    one_column_hint,
    prepared,
    read_table,
)
from apps.errors import UserError, did_you_mean, first_few
from apps.seeds import Address, Purpose

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS_TOLD: Final = 20


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Table(Reader):
    """A table with a sample a row.

    Columns of numbers are standardised: mean 0 and standard deviation 1 over the training rows,
    without the rows held out for validation and testing. Columns of text become a column of 0 and 1
    for each value that the training rows have, in sorted order; a row with another value has 0 in
    all of them. Classes are numbered from 0 in sorted order; targets that are numbers stay as they
    are. What a column holds is guessed once, of the file that is learnt from; the test rows' own
    file, and what a champion is asked, are read by that.

    Attributes:
        path: of the file: `.csv`, `.tsv`, either packed (`.gz`, `.bz2`, `.xz`, `.zip`), `.parquet`.
        target: the column to be learnt, or several columns of numbers.
        features: the columns to learn from; all others if left out.
        drop: columns that are not learnt from, where `features` is left out.
        categorical: columns of numbers that are to be treated like text; where one is written with
            a 0 before it, as 02139, they are text, and so are the classes of a target.
        dates: columns of dates, which become numbers of days; a table of column and form, such as
            `{ day = "%d.%m.%Y" }`, where they are not written as 2024-01-31.
        weights: column that says how much each row counts in the loss.
        task: whether the target is `classes` or `numbers`; needed for a column of whole numbers.
        test: share or number of the rows that are for testing.
        seed: of that choice; the experiment's if left out.
        test_path: another file with the test rows, in place of `test`.
        standardize: whether columns of numbers are standardised.
        separator: between the values of a text file; a comma, or a tab in a `.tsv`, if left out.
        decimal: mark of a number's fraction.
        thousands: mark between groups of a number's digits; none if left out.
        encoding: of the characters.
        header: whether the first line has the names; without them they are 0, 1, ...
        missing: words that stand for a missing value, in all columns, or a table of them by column;
            an empty place always does, and among numbers NA, NaN, None, null and the like.
    """

    package: ClassVar[str] = "pandas"
    path: str
    target: Annotated[list[str], BeforeValidator(_listed)]
    features: list[str] | None = None
    drop: list[str] = Field(default_factory=list)
    categorical: list[str] = Field(default_factory=list)
    dates: list[str] | dict[str, str] = Field(default_factory=list)
    weights: str | None = None
    task: Literal["classes", "numbers"] | None = None
    test: Share | None = None
    seed: Seed | None = None
    test_path: str | None = None
    standardize: bool = True
    separator: Annotated[str, Field(min_length=1)] | None = None
    decimal: Annotated[str, Field(min_length=1, max_length=1)] = "."
    thousands: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    encoding: str = "utf-8"
    header: bool = True
    missing: list[str] | dict[str, list[str]] = Field(default_factory=list)

    def files(self, folder: Path) -> Mapping[str, Path]:
        """Return the file, and the test rows' if they have their own."""
        paths = {"path": self.path, "test_path": self.test_path}
        found = {
            key: existing_file(folder, path, key) for key, path in paths.items() if path is not None
        }
        for path in found.values():
            check_table(path, self.dialect)
        return found

    @property
    def dialect(self) -> Dialect:
        """How the files are written."""
        by_name = self.dates if isinstance(self.dates, dict) else dict.fromkeys(self.dates, "")
        return Dialect(
            self.separator,
            self.decimal,
            self.thousands,
            self.encoding,
            self.header,
            self.missing,
            by_name,
        )

    def read(self, folder: Path, split: Split) -> Parts:
        """Return features [n, columns], float32, targets [n] or [n, targets], perhaps weights."""
        return self.read_with_form(folder, split)[0]

    def read_with_form(self, folder: Path, split: Split) -> tuple[Parts, Form]:
        """Return the data, and what the columns of other rows are made to inputs with."""
        found = self.fitted(folder, split)
        fields = [found.inputs, found.targets]
        if self.weights:
            fields.append(found.numbers([self.weights])[:, 0])
        parts = {part: tuple(field[each] for field in fields) for part, each in found.rows.items()}
        return parts, self._form(found)

    def told(self, folder: Path, split: Split) -> Told:
        """Return which columns became which inputs, and what looks odd."""
        return told_of_table(self.dialect, self.fitted(folder, split))

    def fitted(self, folder: Path, split: Split) -> Fitted:
        """Return the rows, their parts, and what the training rows say of the columns."""
        paths = self.files(folder)
        path = paths["path"]
        targets = self.target if self.task == "classes" else []
        table = read_table(path, self.dialect, codes=[*self.categorical, *targets])
        features = self._features(path, table)
        used = [*features, *self.target, *([self.weights] if self.weights else [])]
        check_complete(path, table[used])
        task = self._task(path, table)
        kinds = kinds_of(table[used])
        apart = None
        if "test_path" in paths:
            apart = paths["test_path"], self._apart(paths["test_path"], table, used)
        target = _column(table, apart, self.target[0], kinds) if task == "classes" else None
        rows = self._rows(len(table), apart, split, target)
        fitted = Features.fitted(
            path, table[features], self.categorical, self.standardize, rows["train"]
        )
        classes = None if target is None else classes_of(path, target, rows["train"])
        return Fitted(path, table, apart, used, rows, fitted, self.target, classes)

    def _apart(self, path: Path, table: pd.DataFrame, used: Sequence[str]) -> pd.DataFrame:
        if self.test is not None or self.seed is not None:
            raise UserError(
                "data.params.test and seed are for one file, but test_path names the test "
                "rows: take them out",
                code="data-setting",
            )
        apart = read_table(path, self.dialect, kinds_of(table[list(used)]))
        _check_columns(path, apart, used, "data.params")
        check_complete(path, apart[list(used)])
        return apart

    def _rows(
        self, samples: int, apart: Any, split: Split, target: pd.Series[Any] | None
    ) -> dict[str, Array]:
        """Return the rows of each part by their numbers, those of a file apart after the others."""
        classes = None
        if split.stratified:
            if target is None:
                raise UserError(
                    "data.stratified is for a target of classes, and that of data.params is of "
                    "numbers: take it out",
                    code="data-split",
                )
            classes = np.unique(target.astype(str).to_numpy(dtype=str), return_inverse=True)[1]
        rows = {}
        if apart is not None:
            train, rows["test"] = np.arange(samples), samples + np.arange(len(apart[1]))
        else:
            seed = split.seed if self.seed is None else self.seed
            train, rows["test"] = drawn(samples, self.test, seed, classes)
        if held := split.held_out(len(train)):
            order = train[Address(split.seed).stream(Purpose.DATA_SPLIT).permutation(len(train))]
            own = None if classes is None else classes[order]
            rows["validation"], train = held_out(order, held, own)
            train = np.sort(train)
        rows["train"] = train
        return rows

    def _features(self, path: Path, table: pd.DataFrame) -> list[str]:
        others = [*self.target, *([self.weights] if self.weights else [])]
        _check_columns(path, table, self.target, "data.params.target")
        _check_columns(path, table, others[len(self.target) :], "data.params.weights")
        _check_columns(path, table, self.features or [], "data.params.features")
        _check_columns(path, table, self.drop, "data.params.drop")
        _check_columns(path, table, list(self.dialect.dates), "data.params.dates")
        if isinstance(self.missing, dict):
            _check_columns(path, table, list(self.missing), "data.params.missing")
        if self.features is None:
            left_out = {*others, *self.drop}
            features = [name for name in table.columns if name not in left_out]
        else:
            features = self.features
        if both := [name for name in [*(self.features or []), *self.drop] if name in others]:
            raise UserError(
                f"data.params.{'drop' if both[0] in self.drop else 'features'} has {both[0]!r}, "
                "which is the target or the weights: what is to be learnt is not learnt from",
                code="data-setting",
            )
        if self.features is not None and self.drop:
            raise UserError(
                "data.params.drop is for all columns but some, and data.params.features names "
                "those to learn from: take one out",
                code="data-setting",
            )
        if not features:
            raise UserError(
                f"{path}: there is no column to learn from beside {', '.join(others)}"
                f"{one_column_hint(list(table.columns))}",
                code="data-setting",
            )
        known = set(features)
        if odd := [name for name in self.categorical if name not in known]:
            raise UserError(
                f"data.params.categorical has {odd[0]!r}, which is none of the features "
                f"{', '.join(features)}",
                code="data-setting",
            )
        return features

    def _task(self, path: Path, table: pd.DataFrame) -> Literal["classes", "numbers"]:
        if len(self.target) == 1:
            return self.task or _task(path, table[self.target[0]])
        if self.task == "classes":
            raise UserError(
                "data.params.task: classes are of one target column, not several",
                code="data-setting",
            )
        return "numbers"

    def _form(self, found: Fitted) -> Form:
        return {
            "kind": "table",
            "dialect": self.dialect.to_json(),
            "columns": found.features.to_json(),
            "targets": self.target,
            "classes": None if found.classes is None else found.classes[1],
        }


def asked_rows(form: Form, path: Path, unknown: bool = False) -> Array:
    """Return the inputs of a file's rows [n, inputs], float32, made as those of the training.

    Args:
        form: of `Table.read_with_form`.
        path: of the file; columns are found by name, others are ignored.
        unknown: whether a value that no training row had is none of its column's categories; else
            it is refused.

    Raises:
        UserError: the file cannot be read, lacks a column or a value, or has one that is unknown.
    """
    dialect = Dialect.from_json(form["dialect"])
    check_table(path, dialect)
    kinds = Features.from_json(form["columns"]).kinds
    return _asked(form, path, read_table(path, dialect, kinds), unknown)


def asked_frame(form: Form, table: pd.DataFrame) -> Array:
    """Return the inputs of a table's rows as `asked_rows` does; unknown values are refused."""
    where = "the table"
    return _asked(form, where, prepared(where, table, Dialect.from_json(form["dialect"])), False)


def _asked(form: Form, where: Path | str, table: pd.DataFrame, unknown: bool) -> Array:
    features = Features.from_json(form["columns"])
    wanted = [column.name for column in features.columns]
    _check_columns(where, table, wanted, "the columns of the training")
    check_complete(where, table[wanted])
    if not unknown and (odd := features.unknown(table)):
        raise UserError(
            f"{where}: values that no training row had, {features.told_unknown(odd)}: correct "
            "them, or accept them as none of the known ones with --unknown",
            code="predict-input",
        )
    return features.of(where, table)


def _column(
    table: pd.DataFrame, apart: tuple[Path, pd.DataFrame] | None, name: str, kinds: Any
) -> pd.Series[Any]:
    """Return a column of all rows, those of a file apart by the type of the others."""
    import pandas as pd

    if apart is None:
        return table[name]
    path, others = apart
    if kinds[name] == "number":
        numbers_of(path, others[[name]])
        return pd.concat([table[name], others[name]], ignore_index=True)
    words = [words_of(each[name], kinds[name]) for each in (table, others)]
    return pd.Series(np.concatenate(words), name=name)


def _task(path: Path, column: pd.Series[Any]) -> Literal["classes", "numbers"]:
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


def _check_columns(path: Path | str, table: pd.DataFrame, names: Sequence[str], what: str) -> None:
    known = list(table.columns)
    there = set(known)
    for name in names:
        if name not in there:
            hint = did_you_mean(name, known)
            raise UserError(
                f"{path}: {what}: there is no column {name!r}; {hint}it has "
                f"{first_few(known, _COLUMNS_TOLD)}{one_column_hint(known)}",
                code="data-setting",
            )
