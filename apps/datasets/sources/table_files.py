"""Files of tables, read as their settings say; a later file by the types of the first one."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np

from apps.errors import UserError, first_line

if TYPE_CHECKING:
    import pandas as pd

PLAIN: Final = (".csv", ".tsv")
PACKED: Final = (".gz", ".bz2", ".xz", ".zip")
TABLES: Final = (*PLAIN, *(f"{plain}{packed}" for plain in PLAIN for packed in PACKED), ".parquet")
"""Endings of the files that tables are read from."""

Kind = Literal["number", "truth", "text", "other"]
"""What a column holds: numbers, true and false, words, or what no network learns from."""

_MARKS: Final = (";", "\t", "|")
_OPENERS: Final = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_TOLD: Final = 3
_CODE: Final = r"0\d+"  # a number that is written so may be a code: 02139 is not 2139
_LOOKED_AT: Final = 100
_WHITE: Final = r"\s+"


@dataclass(frozen=True)
class Dialect:
    """How a file is written, where it does not say so itself.

    Attributes:
        separator: between values; None for a comma, or a tab in a `.tsv`.
        decimal: mark of a number's fraction.
        thousands: mark between groups of a number's digits.
        encoding: of the characters.
        header: whether the first line has the names; without them they are 0, 1, ...
        missing: words that stand for a missing value, in all columns or by column.
        dates: columns of dates, and the form that they are written in; "" for ISO 8601.
    """

    separator: str | None = None
    decimal: str = "."
    thousands: str | None = None
    encoding: str = "utf-8"
    header: bool = True
    missing: Sequence[str] | Mapping[str, Sequence[str]] = ()
    dates: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return what `to_json` made plain data of."""
        return cls(**stored)


def is_table(path: Path) -> bool:
    """Whether a file's name ends like a table's."""
    return path.name.lower().endswith(TABLES)


def check_table(path: Path, dialect: Dialect) -> None:
    """Check that a file's name ends like a table's, or that its separator was told.

    Raises:
        UserError: neither.
    """
    if not is_table(path) and dialect.separator is None:
        raise UserError(
            f"{path}: a table is a file {', '.join(TABLES[:-1])} or {TABLES[-1]}, or any text with "
            "data.params.separator",
            code="data-setting",
        )


def read_table(
    path: Path,
    dialect: Dialect,
    kinds: Mapping[str, Kind] | None = None,
    codes: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the columns of a file by their names, which are text whatever the file has.

    What a column of a text file holds is guessed once, of the file that is learnt from; each later
    file is read by that. In a column of words only empty places are missing values, beside those
    that the dialect says: a word such as None or NA is a word there, and missing among numbers.

    Args:
        path: of the file.
        dialect: how it is written.
        kinds: what the columns hold; None to find out.
        codes: columns whose values are kinds of things: where one of a text file begins with a 0,
            as 02139 does, all of its column are words.

    Raises:
        UserError: it cannot be read, has no rows, or two columns have one name.
    """
    try:
        parquet = path.suffix.lower() == ".parquet"
        table = _parquet(path) if parquet else _text(path, dialect, kinds, codes)
    except UserError:
        raise
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: its characters are not {dialect.encoding}: say data.params.encoding = "
            f'"{_encoding(path)}" or what it was saved with',
            code="data-setting",
        ) from error
    except Exception as error:
        hint = "" if parquet else _separator_hint(path, dialect)
        raise UserError(
            f"{path}: cannot be read as a table: {first_line(error)}{hint}", code="data-damaged"
        ) from error
    if not len(table):
        raise UserError(f"{path}: has no rows", code="data-form")
    return prepared(path, table, dialect)


def prepared(where: Path | str, table: pd.DataFrame, dialect: Dialect) -> pd.DataFrame:
    """Return a table whose names are text, its numbers numpy's, and its dates days since 1970.

    Args:
        where: it is from, for messages.
        table: of any origin; it is left as it is.
        dialect: names the dates.

    Raises:
        UserError: two columns have one name, or a date is none.
    """
    import pandas as pd
    from pandas.api import types

    table = table.set_axis([str(name) for name in table.columns], axis=1)
    _check_once(where, list(table.columns))
    for name, dtype in zip(table.columns, table.dtypes, strict=True):
        if isinstance(dtype, pd.CategoricalDtype):
            continue
        if types.is_extension_array_dtype(dtype) and _kind(dtype) in ("number", "truth"):
            if not table[name].isna().any():
                table[name] = table[name].to_numpy()
        elif types.is_object_dtype(dtype) and _is_decimal(table[name]):
            table[name] = table[name].astype(float)
    for name, form in dialect.dates.items():
        if name in table.columns:
            table[name] = _days(where, table[name], form)
    return table


def kinds_of(table: pd.DataFrame) -> dict[str, Kind]:
    """Return what the columns of a table hold."""
    from pandas.api import types

    by_type: dict[Any, Kind | None] = {}
    kinds: dict[str, Kind] = {}
    for place, (name, dtype) in enumerate(zip(table.columns, table.dtypes, strict=True)):
        if dtype not in by_type:
            by_type[dtype] = _kind(dtype)
        kind = by_type[dtype]
        if kind is None:
            inferred = types.infer_dtype(table.iloc[:, place], skipna=True)
            kind = "text" if inferred == "string" else "other"
        kinds[name] = kind
    return kinds


def names_given(path: Path, dialect: Dialect) -> list[str]:
    """Return the names in the first line of a text file as they stand there; [] if it has none."""
    import pandas as pd

    if path.suffix.lower() == ".parquet" or not dialect.header:
        return []
    how = _how(path, dialect) | {"header": None}
    first = pd.read_csv(path, nrows=1, dtype=str, keep_default_na=False, **how)
    return [str(each) for each in first.iloc[0]]


def looks_coded(path: Path, dialect: Dialect, names: Sequence[str]) -> dict[str, str]:
    """Return the columns of a text file, of some, whose first numbers have a 0 before them.

    Returns:
        Name -> the first such number, as it is written.
    """
    import pandas as pd

    if path.suffix.lower() == ".parquet" or not names:
        return {}
    how = _how(path, dialect)
    # Objects, and all columns in one array: with a column at a time many take minutes.
    rows = pd.read_csv(path, nrows=_LOOKED_AT, dtype=object, keep_default_na=False, **how)
    values = rows.to_numpy(dtype=str)
    coded = np.strings.startswith(values, "0") & np.strings.isdigit(values)
    coded &= np.strings.str_len(values) > 1
    wanted = {*names}
    return {
        str(rows.columns[n]): str(values[np.argmax(coded[:, n]), n])
        for n in np.flatnonzero(coded.any(axis=0)).tolist()
        if str(rows.columns[n]) in wanted
    }


def one_column_hint(names: Sequence[str]) -> str:
    """Return what to do about a table that is one column because its separator is another."""
    if len(names) == 1:
        for mark in _MARKS:
            if mark in names[0]:
                shown = "\\t" if mark == "\t" else mark
                return f'; say data.params.separator = "{shown}"'
    return ""


def _kind(dtype: Any) -> Kind | None:
    """Return what a type holds; None where the values must say."""
    import pandas as pd
    from pandas.api import types

    if isinstance(dtype, pd.CategoricalDtype):
        return _kind(dtype.categories.dtype) or "text"
    if types.is_bool_dtype(dtype):
        return "truth"
    if types.is_numeric_dtype(dtype):
        return "other" if types.is_complex_dtype(dtype) else "number"
    if types.is_object_dtype(dtype):
        return None
    return "text" if types.is_string_dtype(dtype) else "other"


# ------------------------------------------------------------------------------------ text files
def _how(path: Path, dialect: Dialect) -> dict[str, Any]:
    """Return how pandas reads a file."""
    separator = _separator(path, dialect)
    plain = len(separator) == 1 or separator == _WHITE
    return {
        "sep": separator if plain else re.escape(separator),
        "decimal": dialect.decimal,
        "thousands": dialect.thousands,
        "encoding": dialect.encoding,
        "header": "infer" if dialect.header else None,
        # In one piece, else each of a long file is guessed apart.
        **({"low_memory": False} if plain else {"engine": "python"}),
    }


def _text(
    path: Path, dialect: Dialect, kinds: Mapping[str, Kind] | None, codes: Sequence[str]
) -> pd.DataFrame:
    import pandas as pd

    how = _how(path, dialect)
    texts = [*dialect.dates, *(name for name, kind in (kinds or {}).items() if kind == "text")]
    table: pd.DataFrame = pd.read_csv(
        path, dtype=_by_key(texts, str, dialect), na_values=_missing(dialect, ()), **how
    )
    table = table.copy()  # one block a type: with a block a column all that follows is slow
    _check_ends(path, table)
    # A word that stands for a missing value elsewhere was lost; all others are there as written.
    lost = table.isna().any().to_numpy()
    numbers = np.array([_kind(dtype) in ("number", "truth") for dtype in table.dtypes])
    if kinds is None:
        numbers &= ~(lost & table.isna().all().to_numpy())
    else:
        numbers = np.array([kinds.get(str(name), "text") != "text" for name in table.columns])
    words = np.flatnonzero(lost & ~numbers).tolist()
    coded = [n for n, name in enumerate(table) if str(name) in codes and _is_whole(table[name])]
    if again := sorted([*words, *coded]):
        # A line that is longer than the first begins with a name: there all columns are read.
        if isinstance(table.index, pd.RangeIndex):
            how["usecols"] = again
        names = [str(table.columns[n]) for n in again]
        as_words = pd.read_csv(
            path,
            dtype=str,
            keep_default_na=False,
            na_values=_missing(dialect, [""], names),
            **how,
        )
        for n in again:
            name = table.columns[n]
            if n in words or as_words[name].str.fullmatch(_CODE).any():
                table[name] = pd.array(as_words[name].to_numpy(), dtype="str")
    return table


def _is_whole(column: pd.Series[Any]) -> bool:
    from pandas.api import types

    return types.is_integer_dtype(column.dtype)


def _check_ends(path: Path, table: pd.DataFrame) -> None:
    """Check that lines do not end with a separator: all values would be of the name before."""
    import pandas as pd

    if not isinstance(table.index, pd.RangeIndex) and table.iloc[:, -1].isna().all():
        raise UserError(
            f"{path}: its lines have more values than the first one has names, and the last is "
            "empty in all of them: take away the separators at the lines' ends, or write a name "
            "before the others",
            code="data-form",
        )


def _missing(dialect: Dialect, always: Sequence[str], names: Sequence[str] = ()) -> Any:
    """Return the words for pandas: of all columns, or by column."""
    if not isinstance(dialect.missing, Mapping):
        return [*always, *dialect.missing]
    by_name = {name: [*always, *dialect.missing.get(name, ())] for name in names}
    return _by_key(by_name or dialect.missing, None, dialect)


def _by_key(names: Iterable[str], value: Any, dialect: Dialect) -> dict[Any, Any]:
    """Return values by what pandas calls the columns while it reads: numbers without a header."""
    each = names if isinstance(names, Mapping) else dict.fromkeys(names, value)
    return {
        int(name) if not dialect.header and name.isdigit() else name: of
        for name, of in each.items()
    }


def _separator(path: Path, dialect: Dialect) -> str:
    if dialect.separator is not None:
        return dialect.separator
    return "\t" if ".tsv" in (suffix.lower() for suffix in path.suffixes[-2:]) else ","


def _separator_hint(path: Path, dialect: Dialect) -> str:
    try:
        return one_column_hint(names_given(path, dialect))
    except Exception:
        return ""  # what is told is that the file cannot be read


def _encoding(path: Path) -> str:
    opener: Any = _OPENERS.get(path.suffix.lower(), open)
    with opener(path, "rb") as file:
        return "utf-16" if file.read(2) in _UTF16 else "latin-1"


# --------------------------------------------------------------------------------------- parquet
def _parquet(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow.parquet as pq

    _check_once(path, pq.ParquetFile(path).schema_arrow.names)
    return pd.read_parquet(path)


def _is_decimal(column: pd.Series[Any]) -> bool:
    from pandas.api import types

    return types.infer_dtype(column, skipna=True) == "decimal"


def _check_once(path: Path | str, names: Sequence[str]) -> None:
    twice = (
        sorted({name for name in names if names.count(name) > 1})
        if len(set(names)) < len(names)
        else []
    )
    if twice:
        raise UserError(
            f"{path}: {names.count(twice[0])} columns have the name {twice[0]!r}: give each a name "
            "of its own",
            code="data-form",
        )


# ----------------------------------------------------------------------------------------- dates
def _days(path: Path | str, column: pd.Series[Any], form: str) -> pd.Series[Any]:
    """Return dates as days since 1970, with fractions; missing ones as NaN."""
    import pandas as pd

    there = column.notna()
    if pd.api.types.is_numeric_dtype(column):
        column = column.astype("Int64").astype("str")
    found = pd.to_datetime(column.where(there), format=form or "ISO8601", errors="coerce", utc=True)
    if (odd := there & found.isna()).any():
        told = ", ".join(map(repr, list(dict.fromkeys(column[odd].astype(str)))[:_TOLD]))
        raise UserError(
            f"{path}: column {column.name!r} has {told} in {int(odd.sum()):,} of {len(column):,} "
            f"rows, no {'date of the form ' + repr(form) if form else 'date such as 2024-01-31'}: "
            f'say data.params.dates = {{ {column.name} = "%d.%m.%Y" }} or what the form is',
            code="data-values",
        )
    return (found.dt.tz_localize(None) - pd.Timestamp(0)) / pd.Timedelta(days=1)
