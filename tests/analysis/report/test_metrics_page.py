"""What a report says of metrics beside the loss."""

from __future__ import annotations

import pytest

from analysis.numerals import MINUS
from analysis.report.metrics_page import fitness_column, fitness_sentence, metric_tables
from analysis.report.write import arms_table, write_report
from analysis.statistics.metrics import Measured, measured
from analysis.tables import read_tables, training_of
from apps.records.run_dir import ReportDir
from tests.analysis.statistics.test_metrics import TRAINING, chosen_by, of_both, with_metrics
from tests.support.pages import Page


def found_in(tables, training=TRAINING) -> Measured:
    found = measured(tables, training)
    assert found is not None
    return found


def test_every_metric_has_a_table_with_a_row_an_arm(tables):
    given = found_in(of_both(tables))
    told = {each["name"]: each for each in metric_tables(given)}
    assert list(told) == ["accuracy", "auc", "mae"]
    assert [told[name]["better"] for name in ("auc", "mae")] == [
        "higher is better",
        "lower is better",
    ]
    arms = [row["arm"] for row in told["auc"]["rows"]]
    assert arms == list(given.champions["arm"])
    control, *others = told["auc"]["rows"]
    assert control["val_gain"] == ("", "", "")
    assert control["val"].startswith("0.")
    assert all(row["val_gain"][0][0] in f"+{MINUS}" for row in others)
    assert {row["val_gain"][2] for row in others} & {"better", "worse"}


def test_of_an_unknown_direction_nothing_is_called_better(tables):
    given = found_in(with_metrics(tables, profit=lambda loss: 10 - loss))
    told = next(each for each in metric_tables(given) if each["name"] == "profit")
    assert not told["known"]
    assert "not known" in told["better"]
    assert {row["val_gain"][2] for row in told["rows"]} == {""}
    assert {row["val_won"] for row in told["rows"]} == {""}


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("val_auc", "the held-out auc, higher is better: that of mean"),
        ("train_mae", "the training mae, lower is better: that of clone"),
    ],
)
def test_the_metric_that_chose_the_champions_has_a_sentence(tables, column: str, told: str):
    given = found_in(chosen_by(of_both(tables), column))
    sentence = fitness_sentence(given)
    assert told in sentence
    assert "is better than the control's by 0.0" in sentence
    head, cells = fitness_column(given)
    assert head == f"{column} {'higher' if column == 'val_auc' else 'lower'} by"
    assert cells["control"].startswith("from 0.")
    best = "mean" if column == "val_auc" else "clone"
    assert cells[best].startswith("+0.0")


def test_where_a_loss_chose_there_is_neither_sentence_nor_column(tables):
    given = found_in(of_both(tables))
    assert fitness_sentence(given) == ""
    assert fitness_column(given) == ("", {})


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("odd", ["auc", "$x^2$ <b> & a,b", "ünï/code"])
def test_the_report_has_every_metric_and_its_numbers(tables, run_of, odd: str):
    given = with_metrics(tables, **{odd: lambda loss: 1 - loss})
    run = run_of(chosen_by(given, f"val_{odd}"))
    run.experiment_toml.write_text(
        '[training]\nfitness_mode = "max"\nmetrics = []\nloss = "mse"\n', encoding="utf-8"
    )
    text = write_report(run).read_text(encoding="utf-8")
    page = Page(text)
    assert f"{odd} higher is better" in page.text
    assert "<b> &amp;" not in text.replace("&lt;b&gt; &amp;", "")
    assert 'id="metrics"' in text
    assert f"chosen by the held-out {odd}, higher is better" in page.text
    for name in ("metrics", "metric_curves"):
        assert odd.split(",")[0] in ReportDir(run.report).csv(name).read_text(encoding="utf-8")
    head = ReportDir(run.report).csv("champions").read_text(encoding="utf-8").splitlines()[0]
    assert f"test_{odd.split(',')[0]}" in head
    table = arms_table(read_tables(run), (), training_of(run)).set_index("arm")
    assert table.loc["mean", f"val_{odd} higher by"].startswith("+")


@pytest.mark.usefixtures("no_pictures")
def test_metrics_of_a_control_alone_are_reported(tables, run_of):
    alone = {
        name: table.loc[table["arm"].eq("control")] if "arm" in table else table
        for name, table in of_both(tables).items()
    }
    run = run_of(alone)
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert "auc higher is better" in page.text
    numbers = ReportDir(run.report).csv("metrics").read_text(encoding="utf-8").splitlines()
    assert len(numbers) == 1
    assert numbers[0].endswith(",mode")


@pytest.mark.usefixtures("no_pictures")
def test_a_run_without_other_metrics_has_the_page_of_before(tables, run_of):
    run = run_of(tables)
    text = write_report(run).read_text(encoding="utf-8")
    assert "Metrics beside the loss" not in text
    assert not ReportDir(run.report).csv("metrics").exists()
    assert "higher by" not in " ".join(arms_table(tables).columns)
