"""Loss over the epochs: best members, bands, departures, parity, area, cost to a loss."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.statistics import curves as c

NAN = math.nan


def _epochs(losses):
    """Make the table `epochs` of {(trial, arm): members x epochs of losses}."""
    rows = [
        {
            "trial": trial,
            "arm": arm,
            "segment": 0,
            "member": member,
            "epoch": epoch,
            "loss": loss,
            "val_loss": 2 * loss,
            "wall_s": 0.5,
        }
        for (trial, arm), members in losses.items()
        for member, path in enumerate(members)
        for epoch, loss in enumerate(path, start=1)
    ]
    return pd.DataFrame(rows)


def _trials(losses, failed=()):
    rows = [
        {"trial": t, "arm": a, "status": "failed" if (t, a) in failed else "done"}
        for t, a in losses
    ]
    return pd.DataFrame(rows)


def _curves(losses, failed=()):
    return c.best_member_curves(_epochs(losses), _trials(losses, failed))


def _departures(losses):
    networks = c.networks_by_epoch(_epochs(losses), _trials(losses))
    return c.departures(_curves(losses), networks)


def _values(curves, arm, kind="loss", trial=0):
    rows = curves.loc[curves["arm"].eq(arm) & curves["kind"].eq(kind) & curves["trial"].eq(trial)]
    return rows.sort_values("epoch")["value"].tolist()


def test_a_curve_is_the_best_member_at_each_epoch():
    curves = _curves({(0, "control"): [[3, 2, 4], [4, 1, 5]]})
    assert _values(curves, "control") == [3, 1, 4]
    assert _values(curves, "control", "val_loss") == [6, 2, 8]


def test_non_finite_losses_never_win():
    curves = _curves({(0, "control"): [[NAN, -math.inf, NAN], [4, 1, NAN]]})
    assert _values(curves, "control")[:2] == [4, 1]
    assert np.isnan(_values(curves, "control")[2])


def test_a_failed_trial_has_no_curve():
    curves = _curves({(0, "control"): [[3, 2]], (1, "control"): [[3, 2]]}, failed=[(1, "control")])
    assert curves["trial"].unique().tolist() == [0]


def test_band_by_hand():
    bands = c.band(_curves({(0, "control"): [[1, 2]], (1, "control"): [[3, NAN]]}))
    first, second = bands.loc[bands["kind"].eq("loss")].itertuples()
    assert (first.n, first.mean) == (2, 2)
    assert first.low == pytest.approx(2 - math.sqrt(2))
    assert (second.n, second.mean) == (1, 2)
    assert np.isnan(second.low)


def test_departure_is_the_last_epoch_shared_in_every_trial():
    losses = {
        (0, "control"): [[3, 2, 1]],
        (1, "control"): [[3, 2, 1]],
        (0, "mean"): [[3, 2, 0]],
        (1, "mean"): [[3, 1, 1]],
        (0, "same"): [[3, 2, 1]],
        (0, "other"): [[2, 2, 1]],
    }
    assert _departures(losses) == {"control": 0, "mean": 1, "same": 3, "other": 0}


def test_an_arm_of_more_or_fewer_networks_is_not_the_control_where_the_best_is_one_of_its():
    losses = {
        (0, "control"): [[3, 2, 1], [4, 3, 2]],
        (0, "long"): [[3, 2, 1, 1]],
        (0, "halving"): [[3, 2, 1], [4, 3, 2], [5, 5, 5]],
    }
    assert _departures(losses) == {"control": 0, "long": 0, "halving": 0}


def test_what_was_spent_goes_on_where_all_ended_early():
    epochs, members = _early()
    trials = _trials({(0, "control"): 0, (0, "mean"): 0})
    networks = c.networks_by_epoch(c.carried_on(epochs, members), trials)
    spent = c.network_epochs_by_epoch(networks).set_index("arm")["network_epochs"]
    assert spent["control"].tolist() == [2, 4, 5, 5]
    assert spent["mean"].tolist() == [1, 2, 3, 4]


def test_halts_are_where_a_population_was_changed(tables):
    assert c.halt_epochs(tables["members"]) == {
        arm: [6] for arm in ("restart", "clone", "mean", "random")
    }


def test_parity_by_hand():
    curves = _curves(
        {
            (0, "control"): [[4, 3, 1.5, 2]],
            (1, "control"): [[4, 3, 2, 1]],
            (0, "mean"): [[4, 2, 1, 1]],
            (1, "mean"): [[4, 3, 2, 1.5]],
        }
    )
    parity = c.epochs_to_parity(curves).set_index(["arm", "kind", "trial"])["parity"]
    assert parity["mean", "loss", 0] == 2 / 4
    assert np.isnan(parity["mean", "loss", 1])
    assert parity["control", "loss", 0] == 3 / 4
    assert parity["control", "val_loss", 1] == 1
    summary = c.parity_summary(c.epochs_to_parity(curves)).set_index(["arm", "kind"])
    assert summary.loc[("mean", "loss")].tolist() == [2, 1, 0.5]


def test_without_a_control_at_the_end_nobody_reaches_parity():
    curves = _curves({(0, "control"): [[4, NAN]], (0, "mean"): [[1, 1]], (1, "mean"): [[1, 1]]})
    parity = c.epochs_to_parity(curves)
    assert parity["parity"].isna().all()
    assert set(parity["trial"]) == {0}


def test_area_counts_an_epoch_wide_bar_each():
    area = c.area_under_curve(_curves({(0, "control"): [[3, 2, 1]], (1, "control"): [[1, NAN, 1]]}))
    assert area.loc[area["kind"].eq("loss"), "area"].tolist()[0] == 6
    assert area.loc[area["trial"].eq(1), "area"].isna().all()


def test_lowest_losses_stand_beside_the_trials():
    lowest = c.lowest_losses(_curves({(0, "control"): [[3, 1, 2]], (0, "mean"): [[NAN, NAN, NAN]]}))
    by_arm = lowest.set_index("arm")
    assert by_arm.loc["control", ["best_loss", "best_val_loss"]].tolist() == [1, 2]
    assert by_arm.loc["mean", ["best_loss", "best_val_loss"]].isna().all()


def test_cost_to_a_loss_counts_all_members():
    spent = c.cost_to_loss(
        _epochs({(0, "a"): [[3, 2, 1], [4, 4, 4]], (0, "b"): [[5, 5, 5]]}), 2, "loss"
    )
    a, b = spent.set_index("arm").loc[["a", "b"]].itertuples()
    assert (a.epoch, a.network_epochs, a.wall_s) == (2, 4, 2.0)
    assert np.isnan(b.epoch)
    assert np.isnan(b.network_epochs)


def test_no_epochs_at_all():
    empty = _epochs({(0, "a"): [[1]]}).iloc[:0]
    trials = _trials({(0, "a"): 0})
    curves = c.best_member_curves(empty, trials)
    assert c.band(curves).empty
    assert c.departures(curves, c.networks_by_epoch(empty, trials)) == {}
    assert c.epochs_to_parity(curves).empty
    assert c.area_under_curve(curves).empty
    assert c.lowest_losses(curves).empty


# --------------------------------------------------------------------------- members that end early
def _early(failed=False):
    """One trial of two arms over 4 epochs: the control's members end after 2 and 3 of them."""
    epochs = _epochs({(0, "control"): [[5, 1], [5, 4, 3]], (0, "mean"): [[5, 4, 3, 2]]})
    members = epochs[["trial", "arm", "segment", "member"]].drop_duplicates(ignore_index=True)
    return epochs, members.assign(last_epoch=4, status="failed" if failed else "done")


def test_a_member_that_ended_early_keeps_its_loss_to_the_segments_end():
    epochs, members = _early()
    carried = c.carried_on(epochs, members)
    curves = c.best_member_curves(carried, _trials({(0, "control"): 0, (0, "mean"): 0}))
    assert _values(curves, "control") == [5, 1, 1, 1]
    assert carried["trained"].sum() == len(epochs)
    assert carried["wall_s"].sum() == epochs["wall_s"].sum()


def test_with_members_that_ended_early_arms_have_areas_and_parity_over_all_epochs():
    epochs, members = _early()
    trials = _trials({(0, "control"): 0, (0, "mean"): 0})
    curves = c.best_member_curves(c.carried_on(epochs, members), trials)
    area = c.area_under_curve(curves).query("kind == 'loss'").set_index("arm")["area"]
    assert area.to_dict() == {"control": 8, "mean": 14}
    parity = c.epochs_to_parity(curves).query("kind == 'loss'").set_index("arm")
    assert parity.loc["control", "parity"] == 0.5
    assert np.isnan(parity.loc["mean", "epoch"])


def test_a_member_that_failed_is_not_carried_on():
    epochs, members = _early(failed=True)
    assert len(c.carried_on(epochs, members)) == len(epochs)


def test_where_every_member_trained_to_the_end_nothing_is_added(tables):
    carried = c.carried_on(tables["epochs"], tables["members"])
    pd.testing.assert_frame_equal(carried.drop(columns="trained"), tables["epochs"])
