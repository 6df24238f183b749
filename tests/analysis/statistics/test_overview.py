"""A run's numbers put together: costs, failures, lineage, and worlds that went wrong."""

from __future__ import annotations

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

from analysis.report.page import arms_table, champion_rows
from analysis.statistics.costs import elapsed_s, failures
from analysis.statistics.curves import parity_summary
from analysis.statistics.lineage import lineage
from analysis.statistics.overview import overview
from apps.records.tables_schema import TABLES, frame


def test_every_world_has_an_overview(odd_tables):
    numbers = overview(odd_tables)
    assert set(numbers.arms) == set(odd_tables["trials"]["arm"])
    assert (numbers.summary["n"] + numbers.summary["left_out"] <= numbers.trials).all()
    assert numbers.summary.loc[numbers.summary["n"].lt(3), ["low", "t_p"]].isna().all(axis=None)


def test_empty_tables_have_an_overview():
    numbers = overview({name: frame(name, []) for name in TABLES})
    assert numbers.arms == []
    assert numbers.summary.empty
    assert np.isnan(numbers.elapsed_s)


def test_the_control_comes_first_and_the_rest_keep_their_order(tables_of):
    assert overview(tables_of(arms=("b", "control", "a"))).arms == ["control", "b", "a"]


def test_fitness_is_read_off_the_champions(tables):
    assert overview(tables).fitness == "train_loss"
    changed = tables["trials"].assign(fitness=tables["trials"]["val_loss"])
    assert overview({**tables, "trials": changed}).fitness == "val_loss"


def test_champions_are_compared_by_losses_that_every_network_has(tables_of):
    plain, averaged = overview(tables_of()), overview(tables_of(averaged=("mean", "control")))
    assert "loss" not in set(plain.summary["kind"])
    assert_frame_equal(averaged.summary, plain.summary)
    assert_frame_equal(averaged.champions, plain.champions)


def test_parity_beside_the_training_loss_is_that_of_the_running_one(tables):
    numbers = overview(tables)
    running = parity_summary(numbers.parity).query("kind == 'loss'").set_index("arm")
    beside = numbers.of("train_loss").set_index("arm")
    assert beside["parity_trials"].eq(8).all()
    assert beside["parity_median"].equals(running["parity_median"].reindex(beside.index))


def test_elapsed_is_from_first_start_to_last_end(tables_of):
    members = tables_of(trials=1, population=1, epochs=10, halts=(5,))["members"]
    assert elapsed_s(members) == pytest.approx(60 + 3.0)


def test_a_shared_member_that_failed_is_listed_once(tables_of):
    tables = tables_of(
        failed_members=[(0, "control", 0, 1), (0, "mean", 0, 1)], failed_trials=[(1, "mean")]
    )
    listed = failures(tables["members"], tables["trials"])
    assert listed["what"].tolist() == ["trial", "member"]
    assert listed.loc[1, "arm"] == "control, mean"
    assert listed.loc[1, "log"] == "trial-000/segment-0/member-01/error.txt"


def _failed_arm(tables_of, reason):
    lost = [(0, "mean", 0, 1), (0, "mean", 1, 2), (0, "mean", 1, 3), (1, "mean", 1, 0)]
    tables = tables_of(failed_members=lost, failed_trials=[(0, "mean")])
    members = tables["members"]
    members.loc[members["segment"].eq(1) & members["status"].ne("done"), "reason"] = "OSError: no"
    tables["trials"].loc[tables["trials"]["status"].ne("done"), "reason"] = reason
    return failures(members, tables["trials"]).query("what == 'trial'").iloc[0]


def test_a_failed_arm_names_the_log_of_the_member_that_it_failed_for(tables_of):
    told = _failed_arm(tables_of, "needs 4 members (member 2: OSError: no)")
    assert told["log"] == "trial-000/mean/segment-1/member-02/error.txt"


def test_a_failed_arm_whose_cause_is_not_known_has_no_log(tables_of):
    assert _failed_arm(tables_of, "its worker was lost")["log"] == ""


def test_lineage_leads_from_the_champion_to_its_founders(tables_of):
    tables = tables_of(halts=(4, 8))
    family = lineage(tables["members"], tables["trials"], 0, "mean")
    members = tables["members"].query("trial == 0 and arm == 'mean'")
    champion = int(tables["trials"].query("trial == 0 and arm == 'mean'")["members"].iloc[0])
    expected = {champion}
    for segment in (2, 1, 0):
        own = family.nodes.loc[family.nodes["segment"].eq(segment) & family.nodes["ancestor"]]
        assert set(own["member"]) == expected
        parents = members.loc[members["segment"].eq(segment), "parents"].iloc[0]
        expected = {int(parent) for parent in parents.split()}
    assert len(family.edges) == 2 * 4 * 2
    assert family.nodes["champion"].sum() == 1


def test_members_that_go_on_descend_from_themselves(tables):
    family = lineage(tables["members"], tables["trials"], 0, "control")
    assert (family.edges["parent"] == family.edges["child"]).all()
    assert len(family.edges) == 4


def test_lineage_of_nobody(tables):
    with pytest.raises(KeyError, match="no trial 0 of arm 'nobody'"):
        lineage(tables["members"], tables["trials"], 0, "nobody")


def test_the_controls_networks_are_told_beside_its_best(tables):
    members = tables["members"]
    own = members.query("arm == 'control' and segment == segment.max()")
    expected = own.groupby("trial")["val_loss"].mean().mean()
    numbers = overview(tables)
    assert numbers.control_networks["val_loss"] == pytest.approx(expected)
    rows = champion_rows(numbers)
    assert [row["arm"] for row in rows[:2]] == ["control", "mean of the 4 in control"]
    assert float(rows[1]["val_loss"]) > float(rows[0]["val_loss"])


def test_arms_of_other_lengths_tell_what_they_spent(tables_of):
    tables = tables_of(arms=("control", "mean"))
    usual = overview(tables)
    assert "epochs" not in arms_table(usual)
    trials, mean = tables["trials"], tables["trials"]["arm"].eq("mean")
    trials = trials.assign(
        serial_epochs=trials["serial_epochs"].mask(mean, 30),
        teaching_epochs=trials["teaching_epochs"].mask(mean, 2.0),
    )
    numbers = overview({**tables, "trials": trials})
    table = arms_table(numbers).set_index("arm")
    assert table.loc["mean", "epochs"] == "30"
    spent = int(table.loc["control", "network-epochs"])
    assert int(table.loc["mean", "network-epochs"]) == spent + 2
    assert numbers.bands["network_epochs"].max() == spent
    costs_of = numbers.costs.set_index("arm")
    assert costs_of.loc["mean", "teaching_epochs"] == pytest.approx(2.0 * usual.trials)
