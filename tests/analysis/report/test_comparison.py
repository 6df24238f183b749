"""Several runs side by side: the numbers, the settings that differ, the page, the mistakes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.report.comparison import differing, enter, told_apart
from analysis.report.comparison_page import write_comparison
from analysis.statistics.overview import overview
from analysis.statistics.power import detectable_improvement
from apps.errors import ReportError
from apps.records.run_dir import RunDir

SETTINGS = """name = "%s"
trials = 8
[network.params]
units = %s
[training]
metrics = ["accuracy", "auc"]
[[arms]]
name = "control"
halts = []
[[arms]]
name = "%s"
[[arms.halts]]
at = %s
"""


@pytest.fixture
def runs(tables_of, run_of) -> list[RunDir]:
    one = run_of(tables_of(), "one", experiment=SETTINGS % ("quick", 128, "mean", 3))
    arms = ("control", "mean", "<b>x</b>")
    other = tables_of(arms=arms, seed=3, epochs=20, failed_trials=[(2, "mean")])
    return [one, run_of(other, "two", experiment=SETTINGS % ("quick", 64, "mean", 4))]


@pytest.fixture
def small(tables_of, run_of) -> list[RunDir]:
    made = tables_of(arms=("control", "mean"), trials=2)
    return [run_of(made, name, experiment=SETTINGS % ("quick", 128, "mean", 3)) for name in "ab"]


def test_the_numbers_are_those_of_each_runs_own_report(runs, tables_of):
    one, two = enter(runs, 0.05)
    own = overview(tables_of())
    champions = one.overview.summary.columns
    kept = one.statistics.loc[~one.statistics["kind"].str.startswith("area_"), champions]
    pd.testing.assert_frame_equal(kept.reset_index(drop=True), own.summary, check_dtype=False)
    assert one.arms["network_epochs"].tolist() == [8 * 4 * 12] * 5
    assert two.arms.set_index("arm").loc["mean", ["n", "n_to_control"]].tolist() == [7, 7]
    row = one.statistics.set_index(["arm", "kind"]).loc[("clone", "val_loss")]
    assert row["visible"] == detectable_improvement(row["sd"], 8, alpha=0.05 / 4)
    assert row["margin"] == 0.05
    assert (row["non_inferiority_bound"] > -0.05) == (row["non_inferiority_p"] < 0.05)
    assert {"area_loss", "area_val_loss"} <= set(one.statistics["kind"])


def test_the_settings_that_differ_are_listed_and_no_others(runs):
    table = differing(enter(runs)).set_index("setting")
    assert table.to_dict("index") == {
        "network.params.units": {"one": "128", "two": "64"},
        "arms.mean.halts.1.at": {"one": "3", "two": "4"},
    }


def test_a_setting_under_its_former_name_is_no_difference(tables_of, run_of):
    own = (
        "rate = 1.0\n[arms.halts.search]\nrate = 0.1\nstrangers = true\n",
        "learning_rate_factor = 1.0\n[arms.halts.search]\nmutation_rate = 0.2\n"
        "merge_architectures = true\n",
    )
    made = [
        run_of(tables_of(trials=2), name, experiment=SETTINGS % ("quick", 1, "mean", 3) + keys)
        for name, keys in zip(("old", "new"), own, strict=True)
    ]
    table = differing(enter(made)).set_index("setting")
    assert table.to_dict("index") == {
        "arms.mean.halts.1.search.mutation_rate": {"old": "0.1", "new": "0.2"}
    }


def test_an_arm_that_only_one_run_has_is_one_row(tables_of, run_of):
    made = [
        run_of(tables_of(trials=2), name, experiment=SETTINGS % ("quick", 1, name, 3))
        for name in ("mean", "clone")
    ]
    table = differing(enter(made)).set_index("setting")
    assert table.to_dict("index") == {
        "arms.mean": {"mean": "yes", "clone": ""},
        "arms.clone": {"mean": "", "clone": "yes"},
    }


def test_names_are_as_long_as_needed(tmp_path):
    roots = [tmp_path / "a" / "run", tmp_path / "b" / "run", tmp_path / "b" / "other"]
    assert told_apart(roots[1:]) == ["run", "other"]
    assert told_apart(roots) == ["a/run", "b/run", "b/other"]
    with pytest.raises(ReportError, match="given twice"):
        told_apart([roots[0], roots[0].parent / ".." / "a" / "run"])


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
        (small, file, "must be writable"),
        (small, file / "x", "must be writable"),
    ):
        with pytest.raises(ReportError, match=said) as refused:
            write_comparison(given, Path(out))
        assert "\n" not in str(refused.value)
