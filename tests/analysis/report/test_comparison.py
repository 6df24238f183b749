"""Several runs side by side: the numbers, the settings that differ, the page, the mistakes."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.report.comparison import differing, enter, told_apart
from analysis.statistics.overview import overview
from analysis.statistics.power import detectable_improvement
from apps.errors import ReportError
from tests.support.pages import SETTINGS


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
