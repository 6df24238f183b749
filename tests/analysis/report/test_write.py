"""The report: stands alone, escapes what it is given, says what is missing, repeats itself."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from analysis.figures import drawing
from analysis.report.write import arms_table, write_report
from apps.errors import NotWritten, ReportError, UserError
from apps.records.run_dir import RunDir
from apps.records.tables_schema import STILL, TABLES, frame
from tests.analysis.conftest import World, make_tables, write_run
from tests.support.pages import Page

ENVIRONMENT = {"python": "3.11.2", "host": {"name": "n<1>", "cores": 2}, "command": ["a", "b"]}


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The folder of a whole report; not to be touched."""
    root = tmp_path_factory.mktemp("report") / "run"
    return write_report(write_run(root, make_tables(World()), environment=ENVIRONMENT)).parent


@pytest.mark.slow
def test_every_world_has_a_page_and_figures_that_fit_their_paper(odd_tables, run_of, monkeypatch):
    drawn = []
    monkeypatch.setattr(drawing, "png", lambda figure: drawn.append(figure) or b"")
    page = Page(write_report(run_of(odd_tables), png=True).read_text())
    assert len(drawn) == len(page.of("svg"))
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.of("svg"))
    assert not any("nan" in re.split(r"\W+", svg["aria-label"]) for svg in page.of("svg"))
    with drawing.styled():  # ticks made while measuring look as they will be drawn
        for figure in drawn:
            used, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
            ends = [used.x0, width - used.x1, used.y0, height - used.y1]
            assert min(ends) > -0.03, (figure.axes[0].get_title(loc="left"), ends)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [a["href"][1:] for a in page.of("a")]
    assert set(links) <= set(ids)


def test_the_page_needs_nothing_else(report):
    text = (report / "index.html").read_text()
    page = Page(text)
    assert not page.of("script")
    assert not page.of("img")
    assert not page.of("iframe")
    assert [link["href"] for link in page.of("link")] == ["data:,"]
    assert not re.search(r"@import|url\((?!#)|src=", text)


def test_the_page_opens_with_the_verdict_and_tells_the_run(report):
    page = Page((report / "index.html").read_text())
    for said in (
        "mean, the best of 4 arms, lowers the held-out loss by 9.2 %",
        'name = "made up"',
        "host.cores",
        "1152 network-epochs were trained where 1920 would have been",
        "Nothing: every member of every trial finished.",
    ):
        assert said in page.text


def test_text_of_the_run_is_escaped(tables_of, run_of):
    hostile = '<img src=x onerror="alert(1)">'
    tables = tables_of(arms=("control", hostile), failed_members=[(0, hostile, 1, 0)])
    run = run_of(tables, experiment=f"# {hostile}\n", environment={hostile: hostile})
    log = f"trial-000/{hostile}/segment-1/member-00/error.txt"
    (run.root / log).parent.mkdir(parents=True)
    (run.root / log).write_text("")
    text = write_report(run).read_text()
    page = Page(text)
    assert not page.of("img")
    assert not page.of("script")
    assert hostile in page.text
    assert "loss is nan in epoch 2 <script>" in page.text
    assert log in page.text


def test_no_bar_and_no_mark_is_explained_where_there_is_none(tables_of, run_of):
    text = write_report(run_of(tables_of(trials=2, arms=("control", "mean")))).read_text()
    assert "95 % interval" not in text.partition('id="reading"')[0]
    assert "mark a difference" not in text


def test_every_number_is_in_a_file_beside_the_page(report):
    summary = pd.read_csv(report / "statistics.csv")
    row = summary.query("arm == 'mean' and kind == 'val_loss'").iloc[0]
    assert row["mean"] == pytest.approx(0.0920, abs=1e-3)
    assert row["n"] == 8
    assert len(pd.read_csv(report / "improvements.csv").query("kind == 'val_loss'")) == 4 * 8
    assert set(pd.read_csv(report / "curves.csv")["arm"]) == set(World().arms)
    area = summary.query("arm == 'mean' and kind == 'area_val_loss'").iloc[0]
    assert area["n"] == 8
    assert row["visible"] > 0
    spent = pd.read_csv(report / "convergence.csv").set_index("arm")
    assert spent.loc["control", "reached_to_control"] == 8
    for name in ("members", "kinship", "tasks", "utilisation"):
        assert len(pd.read_csv(report / f"{name}.csv"))
    assert pd.read_csv(report / "species.csv").empty  # no arm of this run had two
    names = (
        "loss_curves",
        "improvements",
        "members",
        "kinship",
        "lineage",
        "workflow",
        "merging",
        "workers",
    )
    for name in names:
        for suffix in ("", "-narrow"):
            assert (report / "figures" / f"{name}{suffix}.svg").read_text().startswith("<?xml")
            assert not (report / "figures" / f"{name}{suffix}.png").exists()


@pytest.mark.slow
def test_a_report_written_again_is_the_same(tables, run_of):
    run = run_of(tables, environment=ENVIRONMENT)

    def content():
        write_report(run)
        files = sorted(path for path in run.report.rglob("*") if path.is_file())
        return {path.name: path.read_bytes() for path in files}

    assert content() == content()


def test_only_the_tables_that_count_are_needed(tables, run_of):
    run = run_of({name: tables[name] for name in ("members", "epochs", "trials")})
    assert write_report(run) == run.report_html


def test_empty_tables_give_a_page(run_of):
    run = run_of({name: frame(name, []) for name in TABLES})
    assert "There is no arm named control" in write_report(run).read_text()


def test_a_run_without_tables_is_refused(tmp_path):
    with pytest.raises(ReportError, match=r"members\.parquet is not there"):
        write_report(RunDir(tmp_path))


def test_a_truncated_table_is_refused(tables, run_of):
    run = run_of(tables)
    run.table("trials").write_bytes(run.table("trials").read_bytes()[:100])
    with pytest.raises(ReportError, match=r"trials\.parquet: a table must be a readable parquet"):
        write_report(run)


def test_a_table_of_another_version_is_refused(tables, run_of):
    run = run_of({**tables, "trials": tables["trials"].drop(columns="fitness")})
    with pytest.raises(ReportError, match="lacks fitness"):
        write_report(run)


@pytest.mark.usefixtures("no_pictures")
def test_an_unwritable_report_is_said_and_leaves_no_scraps(tables, run_of):
    run = run_of(tables)
    run.report.write_text("in the way")
    with pytest.raises(NotWritten, match="report cannot be written: File exists") as told:
        write_report(run)
    assert not isinstance(told.value, UserError)
    assert told.value.code == "file-system"
    assert not [name for name in os.listdir(run.root) if name.startswith(".")]


def test_the_table_for_the_terminal(tables, tables_of):
    table = arms_table(tables)
    assert table["arm"].tolist()[0] == "control"
    assert len(table) == 5
    row = table.set_index("arm").loc["mean"]
    assert re.fullmatch(r"\+9\.2 % \[\S+\]", row["held-out loss improved"])
    assert re.fullmatch(r"\+9\.2 % \[\S+\]", row["test loss improved"])
    assert row["p"] == "<0.001"
    assert "trials" not in table
    loss = tables["trials"].query("arm == 'control'")["test_loss"].mean()
    assert table["test loss improved"].tolist()[0] == f"from {loss:.4f}"
    assert table.map(lambda cell: isinstance(cell, str) and cell.isascii()).all(axis=None)
    assert "test accuracy" not in arms_table(tables_of(regression=True))


@pytest.mark.parametrize(("width", "lines"), [(80, 2), (100, 1)])
def test_the_table_for_the_terminal_is_whole_in_a_narrow_one(tables, width, lines):
    table = arms_table(tables)
    shown = Table(*table.columns, box=None, padding=(0, 2, 0, 0))
    for row in table.itertuples(index=False):
        shown.add_row(*row)
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(shown)
    text = console.export_text()
    assert "\u2026" not in text
    body = text[text.index("control") :].splitlines()
    assert len(body) == 1 + lines * 4


def test_the_table_for_the_terminal_counts_trials_where_one_failed(tables_of):
    table = arms_table(tables_of(failed_trials=[(2, "mean")])).set_index("arm")
    assert table.loc[["control", "mean"], "trials"].tolist() == ["8", "7"]


def test_every_world_has_a_table_for_the_terminal(odd_tables):
    assert set(arms_table(odd_tables)["arm"]) == set(odd_tables["trials"]["arm"])


@pytest.mark.usefixtures("no_pictures")
def test_other_metrics_and_remarks_on_training_are_told(tables, run_of):
    trials = tables["trials"].assign(test_mse=0.25, train_mse=0.2, mse=0.5)
    members = tables["members"].assign(remarks="trained by a graph")
    still = members["segment"].eq(0) & members["trial"].eq(0)
    members.loc[still, "remarks"] = f"trained by a graph\n{STILL}: look"
    run = run_of({**tables, "trials": trials, "members": members})
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert "Metrics beside the loss accuracy, mse" in page.text
    assert "mse lower is better" in page.text
    concerned = members.loc[still, "folder"].nunique()
    assert f"{STILL}: look ({concerned} members)" in page.text
    assert f"trained by a graph ({members['folder'].nunique()} members)" in page.text
    assert f"Training changed nothing: look ({concerned} members)." in page.text
