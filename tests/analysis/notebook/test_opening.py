"""Stored results stand in for a run, or are refused in a line."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis import notebook
from analysis.notebook import Picture
from apps.records.run_dir import RunDir
from tests.support.notebooks import FOLDER, played, text_of


def test_stored_results_show_what_they_have_and_name_what_they_lack(monkeypatch):
    monkeypatch.chdir(FOLDER)
    compared = played("1_compare_arms", "analysis/results/relatives")
    assert sum(isinstance(each, Picture) for each in compared) == 1
    assert "aligned-harvest-swa" in text_of(compared)
    merged = played("2_species_and_distances", "analysis/results/strangers")
    assert "strangers-512" in text_of(merged)
    assert sum(isinstance(each, Picture) for each in merged) == 1
    assert "would stand in tables/species.parquet" in text_of(merged)
    poster = text_of(played("3_the_poster", "analysis/results/relatives"))
    assert "relatives has no mean and no random: take a run of quick or poster" in poster


def test_stored_trials_give_the_numbers_of_their_run(tables, tmp_path):
    run = RunDir(tmp_path / "run")
    run.tables.mkdir(parents=True)
    for name, table in tables.items():
        table.to_parquet(run.table(name))
    whole = notebook.open_results(run.root)
    stored = tmp_path / "stored"
    stored.mkdir()
    tables["trials"].to_csv(stored / "trials.csv", index=False)
    whole.numbers.summary.to_csv(stored / "statistics.csv", index=False)
    kept = notebook.open_results(stored)
    pd.testing.assert_frame_equal(notebook.statistics(kept).frame, notebook.statistics(whole).frame)
    ours, theirs = notebook.poster(kept).frame, notebook.poster(whole).frame
    pd.testing.assert_frame_equal(ours.iloc[:-2], theirs.iloc[:-2])
    assert ours.iloc[-1].eq("no distances are stored (cannot be told)").all()
    half = "the control is reached in less than half the time"
    assert ours.loc[half, "training loss"] == theirs.loc[half, "training loss"]
    assert ours.loc[half, "training loss"] == "mean never; random never (disagrees)"
    early = "mean 0.17 K in 8 of 8; random 0.17 K in 8 of 8"
    assert ours.loc[half, "held-out loss"] == f"{early} (cannot be told)"
    assert theirs.loc[half, "held-out loss"] == f"{early}; the control itself 0.17 K (disagrees)"


def test_a_folder_of_stored_results_may_be_a_run_directory(tables, run_of):
    run = run_of(tables)
    (run.root / "versus.csv").write_text("against,arm\n")
    opened = notebook.open_results(run.root)
    pd.testing.assert_frame_equal(opened.tables["members"], tables["members"])
    assert opened.stored == {}


@pytest.mark.parametrize("name", ["trials.csv", "damage.csv"])
@pytest.mark.parametrize("content", ["", "trial,arm\n0,control\n", "\0\0", 'a,"b\n1,2'])
def test_stored_tables_that_cannot_be_read_are_one_line(content, name, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(notebook.NotebookError) as told:
        notebook.open_results(tmp_path)
    (line,) = told.value._render_traceback_()
    assert "\n" not in line
    assert f"{tmp_path / name}: " in line


def test_a_folder_of_something_else_is_one_line(tmp_path):
    with pytest.raises(notebook.NotebookError, match="neither a run directory"):
        notebook.open_results(tmp_path)
