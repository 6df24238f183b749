"""Children are counted by what took part in them, on a case worked by hand."""

from __future__ import annotations

import math

import pandas as pd

from analysis.statistics.crossings import SHARES, children, crossings

MATINGS = pd.DataFrame(
    [
        ("a", 0, "continued", 1, 1, 0, 0.5, 0.4),
        ("a", 1, "crossed", 2, 1, 2, 0.5, 0.4),
        ("a", 2, "inherited", 2, 2, 2, 0.5, 0.6),
        ("a", 3, "selected", 3, 2, 0, 0.5, math.nan),
        ("b", 0, "inherited", 1, 1, 0, 0.5, 0.45),
        ("old", 0, "", 0, 0, 0, math.nan, math.nan),
    ],
    columns=[
        "arm",
        "child",
        "took_part",
        "parent_count",
        "parent_species",
        "teachers",
        "best_parent_fitness",
        "child_fitness",
    ],
).assign(trial=0, halt=0)


def test_children_are_counted_by_what_took_part() -> None:
    table = crossings(children(MATINGS)).set_index("arm")
    assert list(table.index) == ["a", "b"]
    assert table.loc["a", ["children", *SHARES, "gained"]].tolist() == [3, 3, 2, 2, 2, 1]
    assert table.loc["b", ["children", *SHARES, "gained"]].tolist() == [1, 0, 0, 0, 0, 1]
    assert abs(table.loc["a", "gain"]) < 1e-9  # the median of 0.1 and -0.1, without the failed one


def test_a_run_that_did_not_record_it_has_none() -> None:
    old = MATINGS.loc[MATINGS["arm"].eq("old")]
    assert children(old).empty
    assert crossings(children(old)).empty


def test_a_gain_is_better_whichever_way_the_fitness_goes() -> None:
    fitness = ["best_parent_fitness", "child_fitness"]
    turned = MATINGS.assign(**{name: -MATINGS[name] for name in fitness})
    lower, higher = children(MATINGS)["gain"], children(turned, higher=True)["gain"]
    assert lower.gt(0).any()
    assert lower.lt(0).any()
    pd.testing.assert_series_equal(lower, higher)
