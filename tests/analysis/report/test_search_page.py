"""The report's table and sentences on a search, worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from analysis.numerals import number
from analysis.report.search_page import arm_rows, descent, sentences
from analysis.report.write import write_report
from analysis.statistics.metrics import measured
from apps.records.run_dir import ReportDir
from apps.records.tables_schema import TABLES, frame
from tests.analysis.statistics.test_metrics import chosen_by, with_metrics

NAN = float("nan")
FOUND = SimpleNamespace(
    arms=pd.DataFrame(
        {
            "arm": ["control", "evolution"],
            "n": [2, 2],
            "val_loss": [0.5, 0.25],
            "test_accuracy": [0.8, 0.9],
            "parameters": [1234.4, 99.6],
            "genomes": [1.0, 3.5],
            "network_epochs": [1600.0, 800.0],
            "share": [NAN, 0.25],
            "reached": [0, 1],
        }
    ),
    spent=pd.DataFrame(
        {
            "arm": ["control", "control", "evolution", "evolution"],
            "share": [1.0, 0.4, 0.25, NAN],
        }
    ),
)


def test_rows_are_the_numbers_in_words():
    control, evolution = arm_rows(FOUND)
    assert control["parameters"] == "1234"
    assert (evolution["val_loss"], evolution["test_accuracy"]) == ("0.2500", "90.00 %")
    assert evolution["share"] == "25 % in 1 of 2"
    assert (control["network_epochs"], evolution["genomes"]) == ("1600", "3.5")


def test_the_sentence_counts_trials_that_reached_the_yardstick_early():
    (told,) = sentences(FOUND)
    assert "of evolution was reached within half" in told
    assert "by control in 1 of 2 trials." in told
    assert sentences(SimpleNamespace(spent=FOUND.spent[:0])) == []


def test_the_line_of_descent_is_that_of_the_best_trial(tables_of):
    tables = tables_of(searches=True, arms=("control", "evolution"), trials=3, halts=(4, 8))
    found = descent(tables)
    best = tables["trials"].sort_values("fitness").iloc[0]
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


@pytest.mark.parametrize("kind", ["train_loss", "val_loss"])
def test_the_loss_that_chose_the_champions_chooses_the_line_of_descent(tables_of, kind: str):
    """The best held-out loss and the best training loss are those of two arms."""
    gains = {"evolution": (0.5, -0.5)}
    tables = tables_of(searches=True, arms=("control", "evolution"), trials=3, gains=gains)
    given = chosen_by(tables, kind)
    found = descent(given, measured(given))
    best = tables["trials"].loc[tables["trials"][kind].idxmin()]
    assert found["arm"] == {"train_loss": "evolution", "val_loss": "control"}[kind] == best["arm"]
    assert found["trial"] == best["trial"]


def test_without_a_direction_no_network_is_called_the_champion(tables_of):
    tables = tables_of(searches=True, arms=("control", "evolution"), trials=3)
    given = chosen_by(with_metrics(tables, own=lambda loss: -loss), "val_own")
    assert descent(given, measured(given)) == {}
    assert descent(given, measured(given, {"fitness": "val_own", "fitness_mode": "max"}))


def test_values_below_a_metrics_name_are_its(tables_of):
    """A running metric ranks members, but that of the whole training set chooses champions."""
    tables = tables_of(searches=True, arms=("control", "evolution"), trials=3)
    given = chosen_by(with_metrics(tables, auc=lambda loss: 1 - loss), "train_auc")
    given["members"] = given["members"].assign(fitness=given["members"]["auc"])
    found = descent(given, measured(given))
    assert found["fitness"] == "train_auc"
    assert found["rows"][-1]["fitness"] == number(given["trials"]["train_auc"].max(), 4)


def test_the_metric_that_chose_the_champions_chooses_the_line_of_descent(tables_of):
    """The same whatever the sign, and its values stand in the rows."""
    tables = tables_of(searches=True, arms=("control", "evolution"), trials=3, halts=(4, 8))
    for sign, mode in ((1, "min"), (-1, "max")):
        given = with_metrics(tables, own=lambda loss, sign=sign: sign * (loss - 1) ** 2)
        given = chosen_by(given, "val_own")
        training = {"metrics": ["mine:own"], "fitness_mode": mode}
        metrics = measured(given, training)
        found = descent(given, metrics)
        best = given["trials"].loc[(sign * given["trials"]["val_own"]).idxmin()]
        assert (found["arm"], found["trial"]) == (best["arm"], best["trial"])
        assert found["fitness"] == "val_own"
        assert found["rows"][-1]["fitness"] == number(best["val_own"], 4)


@pytest.mark.usefixtures("no_pictures")
def test_a_search_shows_its_other_metrics(tables_of, run_of):
    tables = tables_of(searches=True, arms=("control", "evolution"), trials=3, halts=(4, 8))
    run = run_of(with_metrics(tables, auc=lambda loss: 1 - loss))
    text = write_report(run).read_text(encoding="utf-8")
    assert "Test<br>auc" in text
    networks = ReportDir(run.report).csv("networks").read_text(encoding="utf-8").splitlines()[0]
    assert "val_auc,test_auc" in networks
    assert (
        "test_auc"
        in ReportDir(run.report).csv("search").read_text(encoding="utf-8").splitlines()[0]
    )
