"""Loss over the epochs: the population's best member, bands over trials, parity, area, cost.

A *curve* is the loss of the population's best member at each epoch of one trial and arm, best by
that loss kind at that epoch, so that arm and control are read alike. Epochs count from 1; K is the
control's last. An arm may have epochs of its own, more or fewer.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from analysis.tables import CONTROL, arms_of, networks_of

CURVE_KINDS: Final = ("loss", "val_loss")
"""Loss kinds that every epoch records: training, held-out."""

CURVE_BESIDE: Final = {"train_loss": "loss", "val_loss": "val_loss"}
"""Loss kind of the champions -> the curve whose epochs to parity are shown beside it."""

BEST_KINDS: Final = tuple(f"best_{kind}" for kind in CURVE_KINDS)
"""Columns of `lowest_losses`."""


def carried_on(epochs: pd.DataFrame, members: pd.DataFrame) -> pd.DataFrame:
    """Return the epochs with rows added for those that a callback kept a member from training.

    Such a member keeps its weights, and its loss, until the segment ends. Without these rows a
    curve would jump to the members that are still in training, or have a gap.

    Args:
        epochs: the table `epochs`.
        members: the table `members`; those that failed are not carried on.

    Returns:
        The table with a column `trained`; added epochs have the losses of the last one that was
        trained, no wall time, and `trained` is false.
    """
    by = ["trial", "arm", "segment", "member"]
    asked = members.loc[members["status"].eq("done"), [*by, "last_epoch"]]
    ends = epochs.groupby(by, as_index=False)["epoch"].max().merge(asked, on=by)
    last = ends.loc[ends["epoch"].lt(ends["last_epoch"])].merge(epochs, on=[*by, "epoch"])
    more = last.loc[last.index.repeat(last["last_epoch"] - last["epoch"])]
    more = more.assign(epoch=more["epoch"] + more.groupby(level=0).cumcount() + 1, wall_s=0.0)
    added = more[epochs.columns].assign(trained=False)
    trained = epochs.assign(trained=True)
    return pd.concat([trained, added], ignore_index=True) if len(added) else trained


def best_member_curves(epochs: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Return the loss of the best member at each epoch.

    Args:
        epochs: the table `epochs`, carried on where members ended early.
        trials: the table `trials`; an arm's trial that failed has no curve.

    Returns:
        One row per trial, arm, loss kind and epoch: `trial`, `arm`, `kind`, `epoch`, `value`.
        Non-finite losses never win; `value` is NaN where no member has a finite one.
    """
    done = trials.loc[trials["status"].eq("done"), ["trial", "arm"]]
    kept = epochs.merge(done, on=["trial", "arm"])[["trial", "arm", "epoch", *CURVE_KINDS]]
    kept = kept.replace([np.inf, -np.inf], np.nan)
    by = ["trial", "arm", "epoch"]
    best = kept.groupby(by, as_index=False)[list(CURVE_KINDS)].min()
    best = best.melt(by, list(CURVE_KINDS), var_name="kind").astype({"kind": "str"})
    order = {arm: place for place, arm in enumerate(arms_of(trials))}
    best = best.sort_values("arm", key=lambda arm: arm.map(order), kind="stable", ignore_index=True)
    return best[["trial", "arm", "kind", "epoch", "value"]]


def so_far(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the loss of the best member at each epoch of a run that may not be finished.

    Args:
        tables: data frames by name; `members`, `epochs` and `trials` are used.

    Returns:
        As `best_member_curves`, with trials' arms that have no result yet or failed; where members
        of a population are missing, the best of the others.
    """
    carried = carried_on(tables["epochs"], tables["members"])
    return best_member_curves(carried, tables["trials"].assign(status="done"))


def band(curves: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation of the curves over the trials.

    Args:
        curves: as `best_member_curves` returns them.

    Returns:
        One row per arm, loss kind and epoch with a finite value: `n` trials, `mean`, and `low`,
        `high` = mean -+ one standard deviation (n - 1; NaN for one trial).
    """
    grouped = curves.groupby(["arm", "kind", "epoch"], sort=False)["value"]
    bands = grouped.agg(n="count", mean="mean", sd="std").reset_index()
    bands["low"], bands["high"] = bands["mean"] - bands["sd"], bands["mean"] + bands["sd"]
    return bands.loc[bands["n"].gt(0)].drop(columns="sd").reset_index(drop=True)


def departures(
    curves: pd.DataFrame, networks: pd.DataFrame, control: str = CONTROL
) -> dict[str, int]:
    """Return for each arm the last epoch up to which it *is* the control.

    Arms share segments with the control; up to there, as many networks train, and their curves are
    the control's, bit for bit, in every trial. 0 for an arm that differs from the first epoch on,
    and for the control.

    Args:
        curves: as `best_member_curves` returns them.
        networks: as `networks_by_epoch` returns them: the best of a part of the control's networks,
            or of more than them, may be the best of them, too.
        control: name of the control arm.
    """
    trained = networks.rename(columns={"networks": "value"}).assign(kind="networks")
    curves = pd.concat([curves, trained], ignore_index=True)
    reference = curves.loc[curves["arm"].eq(control)]
    merged = curves.merge(reference, on=["trial", "kind", "epoch"], suffixes=("", "_control"))
    equal = merged["value"].eq(merged["value_control"]) | merged["value"].isna()
    result = dict.fromkeys((str(arm) for arm in curves["arm"].unique()), 0)
    for arm, group in merged.assign(equal=equal).groupby("arm"):
        odd = group.loc[~group["equal"], "epoch"]
        result[str(arm)] = int(odd.min()) - 1 if len(odd) else int(group["epoch"].max())
    return {arm: 0 if arm == control else epoch for arm, epoch in result.items()}


def halt_epochs(members: pd.DataFrame) -> dict[str, list[int]]:
    """Return for each arm the epochs after which its populations were halted and changed.

    Where a segment merely continues the one before it there was no halt.
    """
    changed = members["segment"].gt(0) & members["start"].ne("continue")
    return {
        str(arm): sorted({int(epoch) - 1 for epoch in group})
        for arm, group in members.loc[changed].groupby("arm", sort=False)["first_epoch"]
    }


def end_epochs(members: pd.DataFrame) -> dict[str, int]:
    """Return for each arm the last epoch that any of its members was asked for: its end."""
    ends = members.groupby("arm", sort=False)["last_epoch"].max()
    return {str(arm): int(epoch) for arm, epoch in ends.items()}


def last_epoch(curves: pd.DataFrame, control: str = CONTROL) -> int:
    """Return K, the control's last epoch; of any arm where there is no control; 0 of nothing."""
    own = curves.loc[curves["arm"].eq(control), "epoch"]
    epochs = own if len(own) else curves["epoch"]
    return int(epochs.max()) if len(epochs) else 0


def networks_by_epoch(epochs: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Return how many networks trained at each epoch.

    Args:
        epochs: the table `epochs`, carried on where members ended early.
        trials: the table `trials`; an arm's trial that failed is left out.

    Returns:
        One row per trial, arm and epoch: `networks`, 0 where all had ended early.
    """
    done = trials.loc[trials["status"].eq("done"), ["trial", "arm"]]
    counted = epochs.assign(networks=networks_of(epochs)).merge(done, on=["trial", "arm"])
    by = ["trial", "arm", "epoch"]
    summed: pd.DataFrame = counted.groupby(by, as_index=False)[["networks"]].sum()
    return summed


def network_epochs_by_epoch(networks: pd.DataFrame) -> pd.DataFrame:
    """Return what each arm has spent after each epoch, a mean over the trials.

    Args:
        networks: as `networks_by_epoch` returns them. What teachers take is not in it.

    Returns:
        One row per arm and epoch: `network_epochs`, trained up to and with that epoch.
    """
    spent = networks.assign(network_epochs=networks.groupby(["trial", "arm"])["networks"].cumsum())
    mean: pd.DataFrame = spent.groupby(["arm", "epoch"])["network_epochs"].mean().reset_index()
    return mean


def epochs_to_parity(curves: pd.DataFrame, control: str = CONTROL) -> pd.DataFrame:
    """Return when each arm first reached the loss that the control has at K.

    The control itself is listed too: a noisy or over-fitting control passes its own last value
    before K, and an arm is early only when it is earlier than that.

    Args:
        curves: as `best_member_curves` returns them.
        control: name of the control arm.

    Returns:
        One row per arm, loss kind and trial that has a control: `target` (the control's loss at K),
        `epoch` (the first at or below it, NaN if never) and `parity` = epoch / K.
    """
    last = last_epoch(curves, control)
    at_end = curves["arm"].eq(control) & curves["epoch"].eq(last)
    targets = curves.loc[at_end, ["trial", "kind", "value"]].rename(columns={"value": "target"})
    merged = curves.merge(targets, on=["trial", "kind"])
    merged["epoch"] = merged["epoch"].astype("float64").where(merged["value"].le(merged["target"]))
    by = ["arm", "kind", "trial"]
    parity = merged.groupby(by, sort=False, as_index=False)[["target", "epoch"]].min()
    parity.loc[parity["target"].isna(), "epoch"] = np.nan
    return parity.assign(parity=parity["epoch"] / last if last else np.nan)


def parity_summary(parity: pd.DataFrame) -> pd.DataFrame:
    """Summarise `epochs_to_parity` over the trials.

    Returns:
        One row per arm and loss kind: `parity_trials` (with a finite target), `parity_reached` of
        them, and `parity_median` over those that reached it (NaN if none).
    """
    grouped = parity.groupby(["arm", "kind"], sort=False)
    return grouped.agg(
        parity_trials=("target", "count"),
        parity_reached=("parity", "count"),
        parity_median=("parity", "median"),
    ).reset_index()


def area_under_curve(curves: pd.DataFrame, control: str = CONTROL) -> pd.DataFrame:
    """Return the area under each curve in units of loss x epochs.

    An epoch's training loss is already the mean over the epoch, so the area is the sum of the
    values, each an epoch wide. Divide by K for the mean height.

    Returns:
        One row per arm, loss kind and trial: `area`; NaN if any epoch's value is, or if the arm
        has another number of epochs than the control: areas of other widths tell nothing.
    """
    areas = curves.groupby(["arm", "kind", "trial"], sort=False, as_index=False).agg(
        area=("value", lambda value: value.sum(skipna=False)), last=("epoch", "max")
    )
    areas.loc[areas["last"].ne(last_epoch(curves, control)), "area"] = np.nan
    return areas.drop(columns="last")


def lowest_losses(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the lowest loss that any member had at any epoch.

    Returns:
        One row per trial and arm: `best_loss`, `best_val_loss`; columns that `pair_trials` takes as
        kinds once they stand beside the table `trials`.
    """
    lowest = curves.pivot_table(
        index=["trial", "arm"], columns="kind", values="value", aggfunc="min", dropna=False
    )
    lowest = lowest.reindex(columns=list(CURVE_KINDS)).astype("float64")
    return lowest.add_prefix("best_").rename_axis(columns=None).reset_index()


def cost_to_loss(epochs: pd.DataFrame, target: float, kind: str = "val_loss") -> pd.DataFrame:
    """Return what each trial and arm spent until its best member was at or below a loss.

    Args:
        epochs: the table `epochs`.
        target: the loss to reach.
        kind: a column of `epochs`.

    Returns:
        One row per trial and arm: `epoch` (NaN if never reached), `network_epochs` and `wall_s`
        spent by all members up to and with that epoch (NaN if never). Segments shared with another
        arm count in full.
    """
    by = ["trial", "arm"]
    counted = epochs.assign(networks=networks_of(epochs))
    each = counted.groupby([*by, "epoch"], as_index=False).agg(
        value=(kind, "min"), network_epochs=("networks", "sum"), wall_s=("wall_s", "sum")
    )
    spent = ["network_epochs", "wall_s"]
    each[spent] = each.groupby(by)[spent].cumsum()
    reached = each.loc[each["value"].le(target)].groupby(by, as_index=False).first()
    everyone = epochs[by].drop_duplicates(ignore_index=True)
    return everyone.merge(reached[[*by, "epoch", *spent]], on=by, how="left")
