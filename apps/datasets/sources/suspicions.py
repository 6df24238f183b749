"""Which columns of a table became which inputs, and what of them looks as if not meant so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from apps.datasets.sources.columns import Column, words_of, written_otherwise
from apps.datasets.sources.fitted import Fitted
from apps.datasets.sources.reader import Told
from apps.datasets.sources.table_files import Dialect, looks_coded, names_given
from apps.errors import first_few

if TYPE_CHECKING:
    import pandas as pd

MISSING_WORDS: Final = frozenset(
    {
        "",
        "-",
        "--",
        ".",
        "?",
        "#n/a",
        "#na",
        "<na>",
        "n/a",
        "na",
        "nan",
        "nil",
        "none",
        "null",
        "missing",
        "unknown",
    }
)
"""Words, in small letters, that often stand for a missing value."""

_PLACEHOLDERS: Final = (-9999, -999, -99, 999, 9999, 99999, 999999)
"""Numbers that often stand for a missing value."""

_UNITS: Final = re.compile(r"^\s*[$€£¥\u2212]?\s*|\s*[%$€£¥]?\s*$|(?<=\d),(?=\d{3})")
"""What is written around a number: signs of currencies, per cent, groups of digits."""

_NAMELESS: Final = re.compile(r"Unnamed: \d+")
_LINES: Final = 40
_COLUMNS: Final = 2_000
_TOLD: Final = 5
_ALIKE: Final = 1e-9  # of numbers that are one, but for rounding
_MANY: Final = 0.5  # values a row, with which a column of words names the rows


def told_of_table(dialect: Dialect, found: Fitted) -> Told:
    """Return which columns became which inputs, and what looks odd."""
    train = found.rows["train"]
    rows = _learnt(found, train)
    remarks = [
        *_of_file(dialect, found),
        *_of_columns(found, rows, train),
        *_of_codes(dialect, found),
        *_of_target(found, rows, train),
        *_of_other_rows(found),
    ]
    return Told(tuple(_lines(found, train)), tuple(remarks))


def _learnt(found: Fitted, train: Any) -> pd.DataFrame:
    rows: pd.DataFrame = found.table.iloc[train]
    return rows


# ------------------------------------------------------------------------------------------ lines
def _lines(found: Fitted, train: Any) -> Iterator[str]:
    begin = 0
    lines: list[str] = []
    numbers: list[str] = []

    def close() -> None:
        nonlocal begin
        if len(numbers) > 2:
            what = f"{numbers[0]} ... {numbers[-1]}: {len(numbers):,} columns of numbers"
            lines.append(f"{what} -> inputs {begin} to {begin + len(numbers) - 1}")
            begin += len(numbers)
        else:
            for name in numbers:
                lines.append(f"{name}: numbers -> input {begin}")
                begin += 1
        numbers.clear()

    for column in found.features.columns:
        if column.categories is None:
            numbers.append(column.name)
            continue
        close()
        width = column.width
        places = f"inputs {begin} to {begin + width - 1}" if width > 1 else f"input {begin}"
        lines.append(f"{column.name}: {_categories(column)} -> {places}")
        begin += width
    close()
    yield from lines[:_LINES]
    if len(lines) > _LINES:
        yield f"... and {len(lines) - _LINES:,} more; {begin:,} inputs in all"
    for name in found.target:
        if found.classes is None:
            yield f"{name}: numbers -> target"
        else:
            numbers_of_rows, classes = found.classes
            counts = Counter(numbers_of_rows[train].tolist())
            shown = [f"{each} ({counts[n]:,})" for n, each in enumerate(classes)]
            told = first_few(shown, _TOLD)
            yield f"{name}: {len(classes)} classes, with training rows: {told} -> target"
    used = {*found.used}
    left = [name for name in found.table.columns if name not in used]
    if left:
        yield f"not used: {first_few(left, _TOLD)}"


def _categories(column: Column) -> str:
    values = column.categories or ()
    kind = "value" if len(values) == 1 else "values"
    return f"{len(values)} {kind}, {first_few([repr(each) for each in values], _TOLD)}"


# -------------------------------------------------------------------------------------- suspicions
def _of_file(dialect: Dialect, found: Fitted) -> Iterator[str]:
    import pandas as pd

    for path, frame in found.files:
        index = frame.index
        if not isinstance(index, pd.RangeIndex):
            what = (
                f"the column {index.name!r}, which the file names as its index,"
                if index.name is not None
                else "a column without a name, the first one,"
            )
            yield f"{path.name}: {what} is left out"
        names = names_given(path, dialect)
        if twice := [name for name, count in Counter(names).items() if count > 1 and name]:
            yield (
                f"{path.name}: several columns have the name {twice[0]!r}: the second one is "
                f"called {twice[0] + '.1'!r} here"
            )
        numeric = [name for name in names if _is_number(name)]
        counted = names == [str(n) for n in range(len(names))]
        if len(numeric) > len(names) / 2 and not counted:
            yield (
                f"{path.name}: its first line, which is taken for the columns' names, looks like a "
                f"row ({first_few(names, _TOLD)}): say data.params.header = false if it is one"
            )
        if spaced := [name for name in names if name != name.strip()]:
            yield f"{path.name}: the name {spaced[0]!r} begins or ends with a space"


def _of_columns(found: Fitted, rows: pd.DataFrame, train: Any) -> Iterator[str]:
    constant = []
    for column in found.features.columns:
        if column.categories is None:
            values = found.table[column.name].to_numpy()
            yield from _stands_for_none(column.name, values[train])
            if (values[train] == values[train[0]]).all():
                constant.append(column.name)
            elif _counts(values):
                nameless = _NAMELESS.fullmatch(column.name)
                what = "has no name and counts" if nameless else "counts"
                yield (
                    f"column {column.name!r} {what} the rows: as an input it tells their order, "
                    "not what they are; leave it out with data.params.drop = "
                    f'["{column.name}"], if it is an index'
                )
            elif _NAMELESS.fullmatch(column.name):
                yield f"column {column.name!r} has no name: leave it out, if it is an index"
            continue
        if column.width == 1:
            constant.append(column.name)
            continue
        yield from _of_words(column, rows[column.name])
    if constant:
        shown = first_few([repr(each) for each in constant], _TOLD)
        yield (
            f"column{'s' * (len(constant) > 1)} {shown} "
            f"{'is' if len(constant) == 1 else 'are'} the same in all training rows"
        )


def _of_codes(dialect: Dialect, found: Fitted) -> Iterator[str]:
    """Tell of whole numbers that are written like codes."""
    numbers = [each.name for each in found.features.columns if each.categories is None]
    if len(numbers) > _COLUMNS:  # another look at so many takes longer than it may tell
        return
    whole = [name for name in numbers if found.table[name].dtype.kind in "iu"]
    for name, number in looks_coded(found.path, dialect, whole).items():
        yield (
            f"column {name!r} has numbers with a 0 before them, such as {number}, which is read as "
            f"{int(number)}: name it in data.params.categorical, if they are codes"
        )


def _of_words(column: Column, values: pd.Series[Any]) -> Iterator[str]:
    words = list(column.categories or ())
    where = f"column {column.name!r}"
    if column.kind == "text":
        if other := written_otherwise(words):
            yield f"{where} of {len(words)} different words becomes {len(words)} inputs{other}"
        odd = [each for each in words if not _is_number(each)]
        if odd and all(_is_number(_UNITS.sub("", each)) for each in words) and not other:
            yield (
                f"{where} is of numbers with signs, such as {odd[0]!r}, and becomes {len(words)} "
                "inputs: take the signs out of the file, and numbers are read"
            )
        if len(odd) <= max(1, len(words) // 20) and len(words) - len(odd) > 2 and odd:
            shown = first_few([repr(each) for each in odd], _TOLD)
            yield (
                f"{where} would be numbers but for {shown}, and "
                f"becomes {len(words)} inputs: say data.params.missing = [{_quoted(odd)}], if that "
                "stands for a missing value, and fill it in"
            )
        elif missing := [each for each in words if each.strip().lower() in MISSING_WORDS]:
            count = int(values.astype(str).isin(missing).sum())
            shown = first_few([repr(each) for each in missing], _TOLD)
            yield (
                f"{where} has the word {shown} in {count:,} "
                f"training rows, which is taken as a word: say data.params.missing = "
                f"[{_quoted(missing)}], if it stands for a missing value"
            )
        yield from _nearly_alike(where, words)
    if len(words) > _MANY * len(values):
        yield (
            f"{where} has {len(words)} different values in {len(values)} training rows: it names "
            "the rows rather than a kind of them"
        )


def _nearly_alike(where: str, words: list[str]) -> Iterator[str]:
    alike = Counter(each.strip().lower() for each in words)
    if twice := [key for key, count in alike.items() if count > 1]:
        same = [repr(each) for each in words if each.strip().lower() == twice[0]]
        yield f"{where} has {' and '.join(same)}, which are different words here"


def _stands_for_none(column: str, values: Any) -> Iterator[str]:
    """Tell of a number that is written where one is missing: far from all others."""
    for number in _PLACEHOLDERS:
        there = values == number
        others = values[~there]
        if there.sum() < 2 or len(others) < 2:
            continue
        low, high = others.min(), others.max()
        if max(low - number, number - high) > high - low > 0:
            yield (
                f"column {column!r} has the number {number} in {int(there.sum()):,} training rows, "
                "far from all others, and it is taken as one: fill it in, or take these rows out, "
                "if it stands for a missing value"
            )


def _of_target(found: Fitted, rows: pd.DataFrame, train: Any) -> Iterator[str]:
    if len(found.target) > 1:
        return
    name = found.target[0]
    if found.classes is not None:
        called = [each for each in found.classes[1] if isinstance(each, str)]
        yield from _nearly_alike(f"the target {name!r}", called)
    else:
        yield from _stands_for_none(name, rows[name].to_numpy())
    targets = found.targets[train]
    numeric = [each for each in found.features.columns if each.categories is None]
    if numeric:
        block = rows[[each.name for each in numeric]].to_numpy(np.float64)
        yield from _same_numbers(name, [each.name for each in numeric], block, targets)
    for column in found.features.columns:
        if column.categories is None or column.width < 2 or column.width > _MANY * len(rows):
            continue
        words = words_of(rows[column.name], column.kind)
        pairs = set(zip(words.tolist(), targets.tolist(), strict=True))
        # One target a word: where there are as many of both, either tells the other.
        if len(pairs) == column.width == len({target for _, target in pairs}):
            yield _tells(column.name, name)


def _same_numbers(name: str, names: list[str], block: Any, targets: Any) -> Iterator[str]:
    centred = block - block.mean(axis=0)
    own = targets - targets.mean()
    sizes = np.sqrt((centred**2).sum(axis=0) * (own.astype(float) ** 2).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        alike = np.abs(centred.T @ own) / sizes
    for number in np.flatnonzero(alike > 1 - _ALIKE).tolist():
        yield _tells(names[number], name)


def _tells(column: str, target: str) -> str:
    return (
        f"column {column!r} is the target {target!r} in another form: whoever has it need not "
        "learn; leave it out with data.params.drop, if it is not known when predictions are asked"
    )


def _of_other_rows(found: Fitted) -> Iterator[str]:
    parts = {part: rows for part, rows in found.rows.items() if part != "train"}
    for part, rows in parts.items():
        count = len(found.table)
        own = found.table.iloc[rows[rows < count]]
        for frame in (own, *([found.apart[1]] if found.apart and part == "test" else [])):
            if len(frame) and (odd := found.features.unknown(frame)):
                yield (
                    f"the {part} part has values that no training row has, which are 0 in all of "
                    f"their column's inputs: {found.features.told_unknown(odd)}"
                )


def _counts(values: Any) -> bool:
    """Whether a column of whole numbers goes up by one from row to row."""
    whole = values.dtype.kind in "iu" or (
        values.dtype.kind == "f" and bool((values == np.floor(values)).all())
    )
    return bool(whole and len(values) > 2 and (np.diff(values.astype(np.float64)) == 1).all())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _quoted(words: list[str]) -> str:
    return ", ".join(f'"{each}"' for each in words[:_TOLD])
