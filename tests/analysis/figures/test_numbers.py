"""The numbers behind the figures of population and workflow, worked out by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from analysis.figures.numbers import kinship, matched_units, member_losses, scheme, species_counts
from analysis.statistics.scale import Zero
from apps.records.tables_schema import TABLES, frame

NAN = float("nan")

ENDS = {"control": 6, "mean": 6}


def _frame(table, rows):
    """Return a table in which only the given columns matter."""
    blank = {"str": "", "int64": 0, "float64": NAN}
    empty = {name: blank[dtype] for name, dtype in TABLES[table].items()}
    return frame(table, [{**empty, **row} for row in rows])


def _members(arm, segment, first, last, losses, **more):
    folder = "shared" if arm == "control" or segment == 0 else arm
    return [
        {
            "arm": arm,
            "segment": segment,
            "member": member,
            "first_epoch": first,
            "last_epoch": last,
            "val_loss": loss,
            "status": "done" if loss == loss else "diverged",
            "folder": f"{folder}-{segment}-{member}",
            "start": "fresh",
            **more,
        }
        for member, loss in enumerate(losses)
    ]


@pytest.fixture
def members():
    return _frame(
        "members",
        [
            *_members("control", 0, 1, 2, [0.5, 0.6]),
            *_members("control", 1, 3, 5, [0.4, 0.3], start="continue"),
            *_members("mean", 0, 1, 2, [0.5, 0.6]),
            *_members("mean", 1, 3, 5, [0.2, NAN], start="offspring", parents="0 1"),
        ],
    )


def test_members_are_read_at_the_arms_halts_and_at_the_end(members):
    table = member_losses(members, {"mean": [2]})
    read = table.set_index(["arm", "epoch", "member"])
    assert len(read) == 8
    assert read["value"].loc["control"].tolist() == [0.5, 0.6, 0.4, 0.3]
    assert read["own"].loc["control"].all()
    assert read["own"].loc["mean"].tolist() == [False, False, True, True]
    assert read["value"].loc["mean", 5].isna().tolist() == [False, True]


def test_an_arm_is_not_read_at_the_halts_of_others(members):
    swa = members.loc[members["arm"].eq("control")].assign(arm="swa")
    table = member_losses(pd.concat([members, swa]), {"mean": [2]})
    assert table.loc[table["arm"].eq("swa"), "epoch"].tolist() == [5, 5]


def test_each_arm_is_read_at_its_own_end(members):
    alone = _members("long", 0, 1, 9, [0.1])
    table = member_losses(pd.concat([members, _frame("members", alone)]), {"mean": [2]})
    ends = table.groupby("arm")["epoch"].max().to_dict()
    assert ends == {"control": 5, "mean": 5, "long": 9}


def _epochs(losses):
    return _frame(
        "epochs",
        [
            {"arm": arm, "member": member, "epoch": epoch, "val_loss": loss}
            for (arm, epoch), values in losses.items()
            for member, loss in enumerate(values)
        ],
    )


def _mating(epoch, child, parents, align="none", barriers=(0.8, 0.2)):
    return {
        "arm": "mean",
        "epoch": epoch,
        "child": child,
        "parents": parents,
        "align": align,
        "distance_aligned": 0.7,
        "barrier_raw": barriers[0],
        "barrier_aligned": barriers[1],
    }


def test_the_gain_is_against_the_controls_mean_at_the_next_halt():
    epochs = _epochs(
        {
            ("control", 2): [0.5, 0.5],
            ("control", 4): [0.3, 0.5],
            ("control", 6): [0.2, 0.2],
            ("mean", 2): [0.5, 0.5],
            ("mean", 4): [0.2, 0.4],
            ("mean", 6): [0.1, 0.3],
        }
    )
    matings = _frame(
        "matings",
        [
            _mating(2, 0, "0 1"),
            _mating(2, 1, "0 1"),
            _mating(4, 0, "1 0", "weights"),
            _mating(4, 1, "1"),
        ],
    )
    table = kinship(matings, epochs, {"mean": [2, 4]}, ENDS)
    assert table["parents"].tolist() == ["0 1", "1 0"]
    # Children 0.2 and 0.4 against 0.4: gains 50 % and 0 %. Then 0.1 against 0.2.
    assert table["gain"].tolist() == pytest.approx([0.25, 0.5])
    assert table["children"].tolist() == [2, 1]
    assert table["barrier"].tolist() == [0.8, 0.2]
    assert table["distance"].tolist() == [0.7, 0.7]


def test_past_the_controls_end_the_gain_is_against_the_controls_end():
    losses = {("control", 4): [0.4, 0.4], ("mean", 4): [0.4], ("mean", 9): [0.1], ("long", 20): [1]}
    matings = _frame("matings", [_mating(2, 0, "0 1"), _mating(4, 0, "0 1")])
    ends = {"control": 4, "mean": 9, "long": 20}
    table = kinship(matings, _epochs(losses), {"mean": [2, 4]}, ends)
    assert table["gain"].tolist() == pytest.approx([0.0, 0.75])


def test_a_merge_that_was_not_followed_has_no_gain():
    losses = {("control", 4): [0.4], ("mean", 4): [0.2]}
    matings = _frame("matings", [_mating(4, 0, "0 1")])
    ends = {"control": 4, "mean": 4}
    assert kinship(matings, _epochs(losses), {"mean": [4]}, ends)["gain"].isna().all()


def test_a_child_without_a_loss_is_left_out_of_the_gain():
    epochs = _epochs({("control", 4): [0.4], ("mean", 4): [0.2, np.inf]})
    matings = _frame("matings", [_mating(2, 0, "0 1"), _mating(2, 1, "0 1")])
    assert kinship(matings, epochs, {"mean": [2]}, {"mean": 4})["gain"].tolist() == pytest.approx(
        [0.5]
    )
    lost = kinship(matings, _epochs({("control", 4): [0.4]}), {"mean": [2]}, {"mean": 4})
    assert lost["gain"].isna().all()


@pytest.mark.parametrize(("shift", "lowest"), [(0.4, -0.2), (0.0, -0.01), (0.2, 0.0)])
def test_the_gain_is_a_difference_where_losses_cannot_be_divided(shift, lowest):
    values = {("control", 4): [0.4], ("mean", 4): [0.2], ("control", 6): [0.2], ("mean", 6): [0.3]}
    epochs = _epochs({key: [loss - shift for loss in losses] for key, losses in values.items()})
    matings = _frame("matings", [_mating(2, 0, "0 1"), _mating(4, 0, "0 1")])
    table = kinship(matings, epochs, {"mean": [2, 4]}, ENDS, zero=Zero(lowest))
    assert table["gain"].tolist() == pytest.approx([0.2, -0.1])
    assert set(table["unit"]) == {"loss"}


def test_no_mating_gives_an_empty_table():
    assert kinship(_frame("matings", []), _epochs({("control", 1): [1.0]}), {}, {}).empty


def test_species_are_counted_for_arms_that_ever_had_two():
    rows = [
        ("one", 0, 2, 1),
        ("two", 0, 2, 1),
        ("two", 0, 4, 3),
        ("two", 1, 2, 2),
        ("two", 1, 4, 1),
    ]
    species = _frame(
        "species",
        [
            {"arm": arm, "trial": trial, "epoch": epoch, "species": number}
            for arm, trial, epoch, several in rows
            for number in range(several)
        ],
    )
    table = species_counts(species).set_index(["arm", "epoch"])
    assert table.index.tolist() == [("two", 2), ("two", 4)]
    assert table.loc[("two", 2)].tolist() == [1.5, 1, 2]
    assert table.loc[("two", 4)].tolist() == [2.0, 1, 3]


def test_a_scheme_is_what_the_tables_say(members):
    trials = _frame("trials", [{"arm": "mean", "champion": "best", "members": "0"}])
    matings = _frame(
        "matings",
        [
            {
                "arm": "mean",
                "epoch": 2,
                "child": child,
                "parents": "0 1",
                "crossover": "mean",
                "align": "weights",
            }
            for child in (0, 1)
        ],
    )
    epochs = _frame("epochs", [])
    tables = {"members": members, "matings": matings, "trials": trials, "epochs": epochs}
    drawn = scheme(tables, 0, "mean")
    assert drawn.epochs == 5
    assert drawn.training.to_numpy().tolist() == [
        [0, 0, 2, False],
        [1, 0, 2, False],
        [0, 2, 5, False],
        [1, 2, 5, True],
    ]
    assert drawn.merges.to_dict("records") == [
        {"epoch": 2, "parents": (0, 1), "children": (0, 1), "how": "mean, aligned"}
    ]
    assert (drawn.champion, drawn.how, len(drawn.restarts)) == ((0,), "best", 0)


def test_a_segment_that_goes_on_is_one_bar_and_a_restart_is_none(members):
    tables = {name: _frame(name, []) for name in ("epochs", "matings", "trials")}
    drawn = scheme({**tables, "members": members}, 0, "control")
    assert drawn.training.to_numpy().tolist() == [[0, 0, 5, False], [1, 0, 5, False]]
    assert drawn.champion == ()
    again = members.assign(start=members["start"].replace("continue", "restart"))
    drawn = scheme({**tables, "members": again}, 0, "control")
    assert drawn.restarts.to_numpy().tolist() == [[2, 0], [2, 1]]
    assert len(drawn.training) == 4


def test_a_bar_ends_where_its_member_ended_early(members):
    tables = {name: _frame(name, []) for name in ("matings", "trials")}
    epochs = _frame(
        "epochs",
        [
            {"arm": "control", "segment": segment, "member": member, "epoch": epoch}
            for segment, member, epoch in ((0, 0, 1), (0, 1, 2), (1, 0, 4), (1, 1, 5))
        ],
    )
    drawn = scheme({**tables, "members": members, "epochs": epochs}, 0, "control")
    assert sorted(drawn.training[["member", "start", "end"]].to_numpy().tolist()) == [
        [0, 0, 1],
        [0, 2, 4],
        [1, 0, 5],
    ]


def test_units_are_matched_as_the_best_of_all_orders_matches_them():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    likeness = first @ second.T
    best = max(
        itertools.permutations(range(5)), key=lambda order: likeness[range(5), list(order)].sum()
    )
    assert matched_units(first, second).tolist() == list(best)
    order = rng.permutation(5)
    assert np.array_equal(first[order][matched_units(first, first[order])], first)
