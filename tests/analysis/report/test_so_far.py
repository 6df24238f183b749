"""The report of a run that is not finished: of what is whole, and of nothing else."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from analysis.figures import drawing
from analysis.report.so_far import SoFar
from analysis.report.write import write_report
from apps.records.run_dir import ReportDir
from apps.records.tables_schema import UNFINISHED
from tests.support.pages import Page

LOSSES = ["train_loss", "val_loss", "test_loss", "fitness"]


def unfinished(tables, *cells):
    """Return the tables of a run of which some arms of trials have no champion yet."""
    trials = tables["trials"].copy()
    found = [cell in cells for cell in zip(trials["trial"], trials["arm"], strict=True)]
    trials.loc[found, "status"] = UNFINISHED
    trials.loc[found, LOSSES] = math.nan
    return tables | {"trials": trials}


def written(run, tables, *told):
    page = write_report(run, SoFar(tables, told or ("Not finished.",)))
    assert page == ReportDir(run.report_so_far).html
    return Page(page.read_text()).text


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("searches", [False, True])
def test_its_numbers_are_those_of_the_whole_trials(searches, tables_of, run_of):
    arms = ("control", "evolution", "heterosis") if searches else ("control", "mean", "clone")
    tables = tables_of(trials=6, arms=arms, searches=searches, halts=(4, 8))
    run = run_of(tables_of(trials=4, arms=arms, searches=searches, halts=(4, 8)))
    write_report(run)
    whole = ReportDir(run.report)
    late = [(trial, arm) for trial in (4, 5) for arm in arms]
    text = written(run, unfinished(tables, *late))
    assert ("The search" in text) == searches
    ours = ReportDir(run.report_so_far)
    for name in ("champions", "costs", "members", *(["search", "anytime"] if searches else [])):
        expected = pd.read_csv(whole.csv(name))
        pd.testing.assert_frame_equal(pd.read_csv(ours.csv(name)), expected)
    expected = pd.read_csv(whole.csv("statistics")).drop(columns="left_out")
    found = pd.read_csv(ours.csv("statistics"))
    assert set(found.loc[found["kind"].eq("val_loss"), "left_out"]) == {2}
    pd.testing.assert_frame_equal(found.drop(columns="left_out"), expected)


@pytest.mark.usefixtures("no_pictures")
def test_one_whole_trial_is_described_and_nothing_is_tested(tables_of, run_of):
    tables = tables_of(trials=3, arms=("control", "mean"))
    late = [(1, "control"), (1, "mean"), (2, "mean")]
    text = written(run_of(tables), unfinished(tables, *late), "One of three.")
    assert "One of three." in text
    assert "In the only trial" in text
    assert "is not finished there, failed there or has no finite loss: mean in 2 trials." in text
    assert "paired t test's" not in text


def test_where_nothing_is_whole_the_losses_are_shown(tables_of, run_of, monkeypatch):
    monkeypatch.setattr(drawing, "png", lambda figure: b"")
    tables = tables_of(trials=2, arms=("control", "mean"))
    everything = [(trial, arm) for trial in range(2) for arm in ("control", "mean")]
    run = run_of(tables)
    text = written(run, unfinished(tables, *everything))
    assert "Losses so far" in text
    assert "nothing can be compared" in text
    for chapter in ("Champions, mean over", "network-epochs trained", "0 % saved"):
        assert chapter not in text
    drawn = ReportDir(run.report_so_far).figure("losses_so_far", "svg")
    assert drawn.read_text().count("<path") > 8
    assert not run.report.exists()
