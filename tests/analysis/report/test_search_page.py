"""The report's table and sentences on a search, worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from analysis.report.search_page import arm_rows, descent, sentences
from apps.records.tables_schema import TABLES, frame

NAN = float("nan")
FOUND = SimpleNamespace(
    arms=pd.DataFrame({
        "arm": ["control", "evolution"], "n": [2, 2], "val_loss": [0.5, 0.25],
        "test_accuracy": [0.8, 0.9], "parameters": [1234.4, 99.6], "architectures": [1.0, 3.5],
        "network_epochs": [1600.0, 800.0], "share": [NAN, 0.25], "reached": [0, 1],
    }),
    spent=pd.DataFrame({
        "arm": ["control", "control", "evolution", "evolution"], "share": [1.0, 0.4, 0.25, NAN],
    }),
)  # fmt: skip


def test_rows_are_the_numbers_in_words():
    control, evolution = arm_rows(FOUND)
    assert control["parameters"] == "1234"
    assert (evolution["val_loss"], evolution["test_accuracy"]) == ("0.2500", "90.00 %")
    assert evolution["share"] == "25 % in 1 of 2"
    assert (control["network_epochs"], evolution["architectures"]) == ("1600", "3.5")


def test_the_sentence_counts_trials_that_reached_the_yardstick_early():
    (told,) = sentences(FOUND)
    assert "of evolution was reached within half" in told
    assert "by control in 1 of 2 trials." in told
    assert sentences(SimpleNamespace(spent=FOUND.spent[:0])) == []


def test_the_line_of_descent_is_that_of_the_best_trial(tables_of):
    tables = tables_of(searches=True, arms=("control", "evolution"), trials=3, halts=(4, 8))
    found = descent(tables)
    best = tables["trials"].sort_values("val_loss").iloc[0]
    assert (found["arm"], found["trial"]) == (best["arm"], best["trial"])
    assert found["rows"][-1]["epoch"] == "12"
    assert [int(row["epoch"]) for row in found["rows"]] == sorted(
        int(row["epoch"]) for row in found["rows"]
    )
    assert all(
        "units" in row["architecture"] or "," in row["architecture"] for row in found["rows"]
    )


def test_where_no_arm_finished_there_is_no_descent():
    assert descent({name: frame(name, []) for name in TABLES}) == {}
