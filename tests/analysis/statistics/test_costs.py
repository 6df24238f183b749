"""What a run cost: tasks once, epochs that were trained, relatives each."""

from __future__ import annotations

import pytest

from analysis.statistics.costs import costs, network_epochs_unshared
from analysis.statistics.overview import overview


def test_shared_segments_are_paid_once(tables_of):
    tables = tables_of(trials=2, population=3, epochs=10, halts=(4,), arms=("control", "a", "b"))
    table = costs(tables["members"], tables["epochs"], tables["trials"]).set_index("arm")
    assert table["network_epochs"].tolist() == [60, 60, 60, 2 * 3 * (4 + 3 * 6)]
    assert network_epochs_unshared(table.reset_index()) == 180
    assert table.loc["all arms", "tasks"] == 2 * 3 * 4
    # The arms' tasks share processes, whose memory never shrinks.
    assert table["peak_memory_mb"].notna().tolist() == [False] * (len(table) - 1) + [True]
    assert table.loc["all arms", "wall_s"] == pytest.approx(0.6 * 132)


def test_only_epochs_that_were_trained_are_counted(tables_of):
    lost = [(0, arm, 0, 1) for arm in ("control", "mean")] + [(0, "mean", 1, 0)]
    tables = tables_of(
        trials=1, population=2, epochs=10, halts=(4,), arms=("control", "mean"), failed_members=lost
    )
    raised = tables["epochs"].query("arm != 'mean' or segment != 1 or member != 0")
    table = costs(tables["members"], raised, tables["trials"]).set_index("arm")["network_epochs"]
    assert table.tolist() == [4 + 1 + 6 + 6, 4 + 1 + 0 + 6, 4 + 1 + 6 + 6 + 0 + 6]


def test_epochs_that_an_attempt_before_had_trained_are_paid(tables_of):
    tables = tables_of(trials=1, population=2, epochs=10, halts=(4,), arms=("control", "mean"))
    members = tables["members"]
    cut_off = members["arm"].eq("mean") & members["segment"].eq(1) & members["member"].eq(1)
    parted = members.assign(
        wall_s=members["wall_s"].mask(cut_off, 0.6),
        earlier_wall_s=members["earlier_wall_s"].mask(cut_off, 5 * 0.6),
    )
    one, other = (costs(each, tables["epochs"], tables["trials"]) for each in (members, parted))
    assert other["wall_s"].tolist() == pytest.approx(one["wall_s"].tolist())
    assert other["serial_wall_s"].tolist()[:2] == pytest.approx(one["serial_wall_s"].tolist()[:2])


@pytest.mark.parametrize("trials", [3, 8])
def test_a_stall_in_one_trial_rules_no_arms_time(tables_of, trials: int):
    """A machine held up one epoch of one trial: no arm's figure leaves the range of the others."""
    tables = tables_of(trials=trials, population=3, epochs=10, halts=(4,), arms=("control", "mean"))
    members, epochs, runs = tables["members"], tables["epochs"], tables["trials"]
    slower = 1 + 0.1 * members["trial"]  # of a trial, and so the spread
    members = members.assign(wall_s=slower * members["wall_s"])
    each = 0.6 * 10 * slower
    for table, row in ((members, {"member": 1}), (epochs, {"member": 1, "epoch": 6})):
        held_up = table["trial"].eq(0) & table["arm"].eq("mean") & table["segment"].eq(1)
        for key, value in row.items():
            held_up &= table[key].eq(value)
        assert held_up.sum() == 1
        table.loc[held_up, "wall_s"] += 1_000
    between = runs["halts_wall_s"].copy()
    runs.loc[runs["trial"].eq(0) & runs["arm"].eq("mean"), "halts_wall_s"] += 1_000
    own = costs(members, epochs, runs).set_index("arm")
    assert own.loc["control", "serial_wall_s"] == pytest.approx(each.median())
    assert each.min() <= own.loc["mean", "serial_wall_s"] <= each.max()
    assert between.min() <= own.loc["mean", "halts_wall_s"] <= between.max()


def test_a_family_counts_for_each_of_its_relatives(tables_of):
    tables = tables_of(trials=1, population=2, epochs=10, halts=(4,), arms=("control", "mean"))
    epochs = tables["epochs"]
    family = epochs["arm"].eq("mean") & epochs["segment"].eq(1)
    epochs = epochs.assign(relatives=epochs["relatives"].mask(family, 3))
    table = costs(tables["members"], epochs, tables["trials"]).set_index("arm")["network_epochs"]
    assert table[["control", "mean"]].tolist() == [2 * 10, 2 * 4 + 3 * 2 * 6]
    numbers = overview({**tables, "epochs": epochs})
    last = numbers.bands.query("arm == 'mean' and epoch == 10")["network_epochs"]
    assert set(last) == {2 * 4 + 3 * 2 * 6}
