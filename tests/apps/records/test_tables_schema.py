"""The tables are what the schema says."""

from __future__ import annotations

from typing import Any

import pytest

from apps.records.tables_schema import ADDED, MEASURED, TABLES, completed, frame, reproducible

_EXAMPLES: dict[str, Any] = {"int64": 1, "float64": 1.5, "str": "text"}


def row(table: str, **changes: object) -> dict[str, object]:
    return {name: _EXAMPLES[dtype] for name, dtype in TABLES[table].items()} | changes


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_frame_has_the_columns_and_dtypes_of_the_schema(table: str, rows: int) -> None:
    made = frame(table, [row(table)] * rows)
    assert {name: str(dtype) for name, dtype in made.dtypes.items()} == TABLES[table]
    assert list(made.columns) == list(TABLES[table])
    assert len(made) == rows


def test_a_row_that_lacks_a_column_is_refused() -> None:
    lacking = row("trials")
    del lacking["fitness"]
    with pytest.raises(KeyError, match=r"trials.*fitness"):
        frame("trials", [row("trials"), lacking])


def test_a_row_with_an_unknown_column_is_refused() -> None:
    with pytest.raises(KeyError, match=r"trials.*speed"):
        frame("trials", [row("trials", speed=1.0)])


@pytest.mark.parametrize("wrong", ["one", 1.5, None])
def test_a_value_of_another_type_is_refused(wrong: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        frame("trials", [row("trials", trial=wrong)])


@pytest.mark.parametrize("table", TABLES)
def test_reproducible_leaves_out_what_was_measured_and_nothing_else(table: str) -> None:
    made = frame(table, [row(table)])
    assert [*reproducible(made)] == [name for name in TABLES[table] if name not in MEASURED]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_an_older_run_is_completed(table: str) -> None:
    made = frame(table, [row(table)])
    older = made.drop(columns=[name for name in ADDED if name in made])
    again = completed(older, table)[list(made)].astype(TABLES[table])
    assert all(again[name].iloc[0] == ADDED[name] for name in ADDED if name in made)
    assert reproducible(completed(made, table)).equals(reproducible(made))
