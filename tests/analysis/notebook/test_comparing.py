"""Cells that compare arms: what a run has is shown, what it lacks is said."""

from __future__ import annotations

import pytest

from analysis import notebook
from analysis.notebook import Picture, Table, Text
from analysis.notebook.comparing import against, improvements, power_table, statistics, verdict
from apps.records.tables_schema import TABLES, frame


@pytest.fixture
def run(tables, run_of):
    return notebook.open_results(run_of(tables).root)


@pytest.fixture
def empty(run_of):
    return notebook.open_results(run_of({name: frame(name, []) for name in TABLES}).root)


def test_the_verdict_is_the_reports(run):
    assert "mean, the best of 4 arms, lowers the held-out loss by 9.2 %" in str(verdict(run))


def test_statistics_have_a_row_for_every_arm_and_loss(run):
    table = statistics(run)
    assert isinstance(table, Table)
    arms = ["restart", "clone", "mean", "random"]
    assert table.frame.index.tolist() == [
        (loss, arm) for loss in ("training loss", "held-out loss") for arm in arms
    ]
    assert table.frame.loc[("held-out loss", "mean"), "mean"].startswith("+9.2 %")


def test_arms_are_compared_with_each_other(run):
    table = against(run, ["clone", "absent"]).frame
    assert list(table.columns) == ["training loss, on clone", "held-out loss, on clone"]
    assert "clone" not in table.index
    assert table.loc["mean", "held-out loss, on clone"].startswith("+")
    assert "has none of the arms absent to compare with" in str(against(run, ["absent"]))


def test_only_some_arms_may_be_drawn(run):
    assert isinstance(improvements(run), Picture)
    assert isinstance(improvements(run, ["mean"]), Picture)
    assert "has none of the arms absent" in str(improvements(run, ["absent"]))


def test_what_more_trials_would_show_needs_some(run, tables_of, run_of):
    assert list(power_table(run).frame.columns) == ["seen", "detectable"]
    one = notebook.open_results(run_of(tables_of(trials=1), "one").root)
    assert "has too few trials for this" in str(power_table(one))


@pytest.mark.parametrize("cell", [verdict, improvements, statistics, power_table])
def test_a_run_without_trials_says_so(cell, empty):
    assert isinstance(cell(empty), Text)
