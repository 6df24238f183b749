"""The tables are what the schema says."""

from __future__ import annotations

from typing import Any

import pytest

from apps.records.tables_schema import (
    ADDED,
    MEASURED,
    TABLES,
    WITH_METRICS,
    columns_of,
    completed,
    frame,
    other_metrics,
)

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


def test_what_is_measured_are_columns_of_tables() -> None:
    assert set().union(*TABLES.values()) >= MEASURED


@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_an_older_run_is_completed(table: str) -> None:
    made = frame(table, [row(table)])
    older = made.drop(columns=[name for name in ADDED if name in made])
    again = completed(older, table)[list(made)].astype(TABLES[table])
    given = {name: again[name].iloc[0] for name in ADDED if name in made}
    assert all(value == ADDED[name] or value != value for name, value in given.items())
    assert completed(made, table).equals(made)


@pytest.mark.parametrize("table", WITH_METRICS)
def test_every_other_metric_has_a_column_behind_those_of_the_schema(table: str) -> None:
    recorded = {"loss": 1.0, "val_accuracy": 0.5, "mse": 2.0, "test_mse": 3.0, "trial": 4.0}
    found = other_metrics(table, recorded)
    assert found == {"mse": 2.0, "test_mse": 3.0, "metric_trial": 4.0}
    made = frame(table, [row(table), row(table) | found], list(found))
    assert list(made.columns) == [*TABLES[table], *found]
    assert made["mse"].isna().tolist() == [True, False]
    assert columns_of(made, table) == TABLES[table] | dict.fromkeys(found, "float64")


def test_other_columns_of_a_stored_table_do_not_count() -> None:
    made = frame("species", [row("species")])
    assert columns_of(made.assign(more=1.0), "species") == TABLES["species"]
    trials = frame("trials", [row("trials")])
    assert columns_of(trials.assign(more="text"), "trials") == TABLES["trials"]
    members = frame("members", [row("members")])
    assert columns_of(members.assign(start_loss=1.0), "members") == TABLES["members"]
