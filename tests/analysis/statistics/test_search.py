"""The numbers of a search, on cases worked by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from analysis.statistics import search


def epochs(*rows):
    """Rows of trial, arm, segment, member, epoch, val_loss; an epoch takes 2 s."""
    names = ["trial", "arm", "segment", "member", "epoch", "val_loss"]
    return pd.DataFrame(rows, columns=names).assign(wall_s=2.0)


def trials(*rows):
    names = ["trial", "arm", "status", "val_loss", "network_epochs", "parameters", "test_accuracy"]
    return pd.DataFrame(rows, columns=names)


EPOCHS = epochs(
    (0, "control", 0, 0, 1, 0.9),
    (0, "control", 0, 1, 1, 0.7),
    (0, "control", 0, 0, 2, 0.8),
    (0, "control", 0, 1, 2, 0.75),
    (0, "evolution", 0, 0, 1, 0.9),
    (0, "evolution", 0, 1, 1, 0.7),
    (0, "evolution", 1, 0, 2, 0.5),
    (0, "evolution", 1, 1, 2, math.nan),
    (0, "heterosis", 0, 0, 1, 0.45),
    (0, "heterosis", 0, 0, 2, 0.6),
).assign(trained=True)
TRIALS = trials(
    (0, "control", "done", 0.75, 4, 100, 0.8),
    (0, "evolution", "done", 0.5, 4, 200, 0.9),
    (0, "heterosis", "done", 0.4, 2, 300, 0.95),
)


def test_the_best_so_far_never_rises_and_ends_with_the_champion():
    found = search.anytime(EPOCHS, TRIALS).set_index(["arm", "epoch"])
    assert found["best"].to_dict() == {
        ("control", 1): 0.7,
        ("control", 2): 0.7,
        ("evolution", 1): 0.7,
        ("evolution", 2): 0.5,
        ("heterosis", 1): 0.45,
        ("heterosis", 2): 0.4,
    }
    assert found["network_epochs"].tolist() == [2, 4, 2, 4, 1, 2]
    assert found["wall_s"].tolist() == [4.0, 8.0, 4.0, 8.0, 2.0, 4.0]


def test_a_failed_trial_has_no_curve():
    failed = TRIALS.assign(status=["done", "failed", "done"])
    assert set(search.anytime(EPOCHS, failed)["arm"]) == {"control", "heterosis"}


def test_bands_are_over_the_trials():
    steps = search.anytime(EPOCHS, TRIALS)
    other = steps.assign(trial=1, best=steps["best"] + 0.2)
    bands = search.anytime_bands(pd.concat([steps, other])).set_index(["arm", "epoch"])
    row = bands.loc[("evolution", 2)]
    assert row["mean"] == pytest.approx(0.6)
    assert row["high"] - row["mean"] == pytest.approx(0.2 / math.sqrt(2))
    assert row["n"] == 2


def test_a_stall_in_one_trial_does_not_move_the_others_line():
    steps = search.anytime(EPOCHS, TRIALS)
    more = [steps.assign(trial=trial) for trial in (1, 2)]
    held_up = steps.assign(wall_s=steps["wall_s"] + 1_000)
    bands = search.anytime_bands(pd.concat([held_up, *more])).set_index(["arm", "epoch"])
    assert bands["wall_s"].to_dict() == steps.set_index(["arm", "epoch"])["wall_s"].to_dict()


def test_cost_is_a_share_of_the_yardsticks():
    spent = search.cost_to_yardstick(EPOCHS, TRIALS).set_index("arm")
    assert spent["target"].eq(0.5).all()
    assert spent.loc["heterosis", "share"] == 0.25  # 1 of evolution's 4
    assert spent.loc["evolution", "share"] == 1.0
    assert math.isnan(spent.loc["control", "share"])


def test_without_the_yardstick_nothing_is_timed():
    assert search.cost_to_yardstick(EPOCHS, TRIALS, "regularised").empty


def test_an_arm_that_never_gets_there_counts_as_infinite():
    members = pd.DataFrame(
        {
            "arm": ["control", "control", "evolution", "heterosis"],
            "trial": 0,
            "genome": list("abcd"),
        }
    )
    spent = search.cost_to_yardstick(EPOCHS, TRIALS)
    table = search.arms_summary(members, TRIALS, spent).set_index("arm")
    assert list(table.index) == ["control", "evolution", "heterosis"]
    assert table.loc["control", "share"] == math.inf
    assert table.loc["control", "reached"] == 0
    assert table.loc["control", "genomes"] == 2
    assert table.loc["heterosis", "share"] == 0.25


def networks(*rows):
    """Rows of a folder, a number of weights and a loss."""
    return pd.DataFrame(rows, columns=["folder", "parameters", "val_loss"]).assign(
        trial=0, arm="a", segment=0, member=0, genome="{}", test_accuracy=0.5, status="done"
    )


def champions(*rows):
    return networks(*rows).drop(columns=["segment", "member"])


def test_the_front_is_what_nothing_beats_in_both():
    table = networks(
        ("a", 10, 0.5),
        ("b", 20, 0.4),
        ("c", 20, 0.45),
        ("d", 30, 0.4),
        ("e", 40, 0.3),
        ("e", 40, 0.3),
        ("f", 5, math.nan),
    )
    best = champions(("none", 1, 0.1)).assign(champion="best")  # a member already
    found = search.pareto(table, best)
    assert len(found) == 5  # the shared one once, the failed one not at all
    assert found.loc[found["front"], "parameters"].tolist() == [10, 20, 40]


def test_a_merge_is_a_network_of_its_own():
    table = networks(("a", 10, 0.5), ("b", 20, 0.4))
    merges = champions(("none", 20, 0.3)).assign(champion="mean")
    found = search.pareto(table, merges)
    assert found.loc[found["front"], "member"].tolist() == ["0", "mean"]


def test_diversity_counts_architectures_and_species():
    members = pd.DataFrame(
        {
            "trial": [0, 0, 1, 1],
            "arm": "a",
            "segment": 0,
            "last_epoch": 3,
            "member": [0, 1, 0, 1],
            "genome": ["x", "y", "x", "x"],
            "species": [0, 1, 0, 0],
        }
    )
    (row,) = search.diversity(members).itertuples()
    assert (row.epoch, row.population, row.genomes, row.species) == (3, 2, 1.5, 1.5)


def test_a_run_without_genomes_is_no_search():
    assert not search.is_search(pd.DataFrame({"genome": ["", ""]}))
    assert search.is_search(pd.DataFrame({"genome": ["", "{}"]}))
