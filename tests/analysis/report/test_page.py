"""What a report says in words."""

from __future__ import annotations

import re

import pytest

from analysis.report.page import arm_rows, cost_sentence, facts, shown_kinds
from analysis.report.write import write_report
from analysis.statistics.overview import overview
from tests.support.pages import Page


@pytest.mark.usefixtures("no_pictures")
def test_a_log_that_is_not_there_is_not_named(tables_of, run_of):
    tables = tables_of(failed_members=[(0, "mean", 1, 0)])
    page = Page(write_report(run_of(tables)).read_text())
    assert "loss is nan in epoch 2" in page.text
    assert "error.txt" not in page.text


def test_the_control_has_its_row_and_parity_stands_where_there_is_a_curve(tables):
    numbers = overview(tables)
    shown, folded = shown_kinds(numbers)
    assert shown == ["val_loss", "test_loss", "train_loss"]
    assert folded == ["best_loss", "best_val_loss"]
    for kind in (*shown, *folded):
        first = arm_rows(numbers, kind)[0]
        assert (first["arm"], first["n"]) == ("control", "8")
        assert float(first["loss"]) == pytest.approx(numbers.of(kind)["control_loss"].iloc[0], 1e-3)


def test_memory_is_told_of_all_arms_together(tables):
    held = tables["members"]["peak_memory_mb"].max()
    assert f"A process held at most {held:.0f} MB of memory." in cost_sentence(overview(tables))


@pytest.mark.usefixtures("no_pictures")
def test_parity_has_a_column_only_beside_a_loss_that_has_a_curve(tables, run_of):
    text = write_report(run_of(tables)).read_text()
    headings = re.findall(r'aria-label="Arms by ([^"]+)"(.*?)</thead>', text, re.DOTALL)
    with_parity = [name for name, heading in headings if "to parity" in heading]
    assert len(headings) == 5
    assert with_parity == ["held-out loss", "training loss"]


@pytest.mark.parametrize(("n", "s"), [(1, ""), (2, "s")])
def test_facts_have_the_right_plural(tables_of, n, s):
    lost = [(0, "mean", 1, member) for member in range(n)]
    tables = tables_of(trials=n, population=n, epochs=n, halts=(), arms=("control", "mean")[:n])
    told = [f"{value} {what}" for value, what in facts(overview(tables))]
    assert told[:4] == [
        f"{n} trial{s}",
        f"{n} arm{s}",
        f"{n} network{s} in a population",
        f"{n} epoch{s} (K)",
    ]
    tables = tables_of(
        arms=("control", "mean"),
        failed_members=lost,
        failed_trials=[(trial, "mean") for trial in range(n)],
    )
    told = [f"{value} {what}" for value, what in facts(overview(tables))]
    assert told[-2:] == [f"{n} failed member{s}", f"{n} failed trial{s} of an arm"]


@pytest.mark.usefixtures("no_pictures")
def test_a_percentage_and_an_interval_stay_on_one_line(tables, run_of):
    lead = re.search(r'<p class="lead">(.*?)</p>', write_report(run_of(tables)).read_text())
    assert re.search(r"9\.2\u00a0% \[\S+\u00a0\S+\] against", lead[1])
    assert " %" not in lead[1]


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("broken", [None, "{"])
def test_missing_settings_and_environment_are_said(tables, run_of, broken):
    run = run_of(tables, experiment=None)
    if broken:
        run.environment_json.write_text(broken)
    text = Page(write_report(run).read_text()).text
    assert "experiment.toml is missing from the run directory" in text
    assert ("environment.json is not JSON" if broken else "environment.json is missing") in text
