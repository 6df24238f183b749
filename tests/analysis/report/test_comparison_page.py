"""The page that shows several runs side by side."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.report.comparison_page import write_comparison
from apps.errors import NotWritten, ReportError
from apps.records.run_dir import RunDir
from tests.support.pages import SETTINGS


@pytest.fixture
def small(tables_of, run_of) -> list[RunDir]:
    made = tables_of(arms=("control", "mean"), trials=2)
    return [run_of(made, name, experiment=SETTINGS % ("quick", 128, "mean", 3)) for name in "ab"]


def test_the_page_stands_alone_and_says_the_same_twice(runs, tmp_path):
    page = write_comparison(runs, tmp_path / "out")
    text = page.read_text()
    assert "<script" not in text
    assert "<b>x</b>" not in text
    assert "http" not in text.replace("http://www.w3.org", "")
    assert "p of 2 %" in text
    assert "network.params.units" in text
    names = ["arms.csv", "comparison.html", "settings.csv", "statistics.csv"]
    assert sorted(path.name for path in page.parent.iterdir()) == names
    for table in ("arms", "statistics"):
        assert set(pd.read_csv(page.parent / f"{table}.csv")["run"]) == {"one", "two"}
    again = write_comparison(runs, tmp_path / "again")
    assert all((again.parent / n).read_bytes() == (page.parent / n).read_bytes() for n in names)


@pytest.mark.parametrize("experiment", [None, "name = ", 'name = "a"\n'])
def test_settings_that_cannot_be_read_are_told(experiment, small, tables_of, run_of, tmp_path):
    third = run_of(tables_of(trials=1), "third", experiment=experiment)
    text = write_comparison([*small, third], tmp_path / "out").read_text()
    assert ("third: experiment.toml is" in text) == (experiment != 'name = "a"\n')


@pytest.mark.slow
def test_runs_of_all_sorts_can_be_compared(odd_tables, small, run_of, tmp_path):
    page = write_comparison([small[0], run_of(odd_tables, "odd")], tmp_path / "out")
    assert "nan" not in page.read_text().split("<main")[1].replace("finance", "")


def test_a_mistake_is_told_in_one_line(small, tmp_path):
    file = tmp_path / "file"
    file.touch()
    for given, out, said in (
        (small[:1], tmp_path, "at least two runs, got 1"),
        ([small[0], small[0]], tmp_path, "given twice"),
        ([small[0], RunDir(tmp_path / "nowhere")], tmp_path, "needs the tables"),
        (small, file, "the comparison cannot be written: "),
        (small, file / "x", "the comparison cannot be written: "),
    ):
        with pytest.raises((ReportError, NotWritten), match=said) as refused:
            write_comparison(given, Path(out))
        assert "\n" not in str(refused.value)
