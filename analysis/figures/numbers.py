"""Tables -> the numbers that the figures of population and workflow draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from analysis.statistics.curves import end_epochs
from analysis.statistics.paired import improvement
from analysis.statistics.scale import ANY_ZERO, FRACTION, LOSS, Zero, units
from analysis.tables import CONTROL

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]


def member_losses(
    members: pd.DataFrame, halts: Mapping[str, Sequence[int]], kind: str = "val_loss"
) -> pd.DataFrame:
    """Return the loss of every member at each halt of its arm, and at the arm's end.

    The control, which has no halts, is read at the halts of all arms that it gets to.

    Args:
        members: the table of that name.
        halts: as `analysis.statistics.curves.halt_epochs` returns them.
        kind: a loss of `members`.

    Returns:
        One row per trial, arm, epoch and member: `value` (NaN if the member failed), and `own`,
        False where the arm shares the control's member.
    """
    every = sorted({epoch for epochs in halts.values() for epoch in epochs})
    edges = {
        arm: {*(every if arm == CONTROL else halts.get(arm, ())), last}
        for arm, last in end_epochs(members).items()
    }
    kept = [
        epoch in edges[arm]
        for arm, epoch in zip(members["arm"], members["last_epoch"], strict=True)
    ]
    rows = members.loc[kept]
    controls = members.loc[members["arm"].eq(CONTROL), "folder"]
    done = rows["status"].eq("done") & np.isfinite(rows[kind])
    values = pd.DataFrame(
        {
            "trial": rows["trial"],
            "arm": rows["arm"],
            "epoch": rows["last_epoch"],
            "member": rows["member"],
            "value": rows[kind].where(done),
            "own": rows["arm"].eq(CONTROL) | ~rows["folder"].isin(controls),
        }
    )
    return values.reset_index(drop=True)


def kinship(
    matings: pd.DataFrame,
    epochs: pd.DataFrame,
    halts: Mapping[str, Sequence[int]],
    ends: Mapping[str, int],
    *,
    zero: Zero = ANY_ZERO,
) -> pd.DataFrame:
    """Return the parents' distance and barrier of each merge, and what its children gained.

    A child's gain is `(c - l) / c`: l its held-out loss at the arm's next halt (or at its end), c
    the mean of the control's members at the same epoch of the same trial, or at the control's end
    where that is earlier; `c - l` where `analysis.statistics.scale` says that these losses can't be
    divided. Read at one epoch, so that merges with more or less time to train can be compared.

    Args:
        matings: the table of that name; children of a single parent are left out.
        epochs: the table of that name, as `analysis.statistics.curves.carried_on` returns it.
        halts: as `analysis.statistics.curves.halt_epochs` returns them.
        ends: as `analysis.statistics.curves.end_epochs` returns them.
        zero: of the run's loss.

    Returns:
        One row per merge (a trial, arm, halt and set of parents): `distance` (aligned), `barrier`
        (aligned if the merge was), `children`, `gain`, their mean, and its `unit`, one for all.
        Non-finite losses are left out; NaN where none is left or nothing was measured.
    """
    merges = matings.loc[matings["parents"].str.contains(" ")]
    read = [
        # 0 where nothing came after the mating: no epoch is read.
        min((last for last in (*halts.get(arm, ()), ends.get(arm, 0)) if last > epoch), default=0)
        for arm, epoch in zip(merges["arm"], merges["epoch"], strict=True)
    ]
    losses = epochs[["trial", "arm", "member", "epoch", "val_loss"]]
    losses = losses.loc[np.isfinite(losses["val_loss"])]
    control = losses.loc[losses["arm"].eq(CONTROL)].groupby(["trial", "epoch"])["val_loss"].mean()
    of_children = losses.rename(columns={"member": "child", "epoch": "end"})
    rows = merges.assign(end=read).astype({"end": "int64"})
    rows["beside"] = rows["end"].clip(upper=ends.get(CONTROL))
    rows = rows.merge(of_children, on=["trial", "arm", "child", "end"], how="left")
    rows = rows.merge(
        control.rename("control").rename_axis(["trial", "beside"]).reset_index(),
        on=["trial", "beside"], how="left",
    )  # fmt: skip
    by_epoch = units(rows["control"], rows["beside"], zero)
    unit = FRACTION if by_epoch.eq(FRACTION).all() else LOSS
    rows["gain"] = improvement(rows["control"], rows["val_loss"], unit)
    rows["barrier"] = rows["barrier_raw"].where(rows["align"].eq("none"), rows["barrier_aligned"])
    by = ["trial", "arm", "epoch", "parents"]
    grouped = rows.groupby(by, sort=False)
    return (
        grouped.agg(
            distance=("distance_aligned", "first"),
            barrier=("barrier", "first"),
            children=("child", "count"),
            gain=("gain", "mean"),
        )
        .reset_index()
        .assign(unit=unit)
    )


def species_counts(species: pd.DataFrame) -> pd.DataFrame:
    """Return how many species each arm had at each halt, if it ever had more than one.

    Returns:
        One row per arm and halt: `epoch`, `mean`, `low` and `high` (over the trials).
    """
    each = species.groupby(["arm", "trial", "epoch"], sort=False).size().rename("n").reset_index()
    several = set(each.loc[each["n"].gt(1), "arm"])
    grouped = each.loc[each["arm"].isin(several)].groupby(["arm", "epoch"], sort=False)["n"]
    return grouped.agg(mean="mean", low="min", high="max").reset_index()


@dataclass(frozen=True)
class Scheme:
    """The workflow of one arm as one trial ran it.

    Attributes:
        arm: the arm.
        epochs: K.
        training: one row per member and stretch of training: `member`, `start` and `end` (epochs),
            `failed`.
        merges: one row per mating: `epoch`, `parents` and `children` (tuples of members), `how`
            (for example "mean, aligned"; "clone" of a single parent).
        restarts: one row per member that went on with a fresh optimiser: `epoch`, `member`.
        champion: members of which the champion is made.
        how: how they were harvested.
    """

    arm: str
    epochs: int
    training: pd.DataFrame
    merges: pd.DataFrame
    restarts: pd.DataFrame
    champion: tuple[int, ...]
    how: str


def scheme(tables: Mapping[str, pd.DataFrame], trial: int, arm: str) -> Scheme:
    """Return the workflow of an arm: training, halts, matings and champion.

    Args:
        tables: data frames by name; `members`, `epochs`, `matings` and `trials` are used.
        trial: the trial to show.
        arm: the arm to show.
    """
    members, matings, trials = tables["members"], tables["matings"], tables["trials"]
    own = members.loc[members["trial"].eq(trial) & members["arm"].eq(arm)]
    kinds = matings.loc[matings["trial"].eq(trial) & matings["arm"].eq(arm)]
    ways = {
        (epoch, child): _way(crossover, align)
        for epoch, child, crossover, align in zip(
            kinds["epoch"], kinds["child"], kinds["crossover"], kinds["align"], strict=True
        )
    }
    by = ["trial", "arm", "segment", "member"]
    trained = tables["epochs"].groupby(by)["epoch"].max()
    stretches: list[dict[str, object]] = []
    open_: dict[int, dict[str, object]] = {}
    merges: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    restarts = []
    for row in own.sort_values(["segment", "member"], kind="stable").to_dict("records"):
        member, epoch = int(row["member"]), int(row["first_epoch"]) - 1
        failed = row["status"] != "done"
        last = int(row["last_epoch"])
        if not failed:  # a callback may have ended it early
            last = int(trained.get((trial, arm, row["segment"], member), last))
        before = open_.get(member)
        if row["start"] == "continue" and before is not None and before["end"] == epoch:
            before.update(end=last, failed=failed)
            continue
        open_[member] = {"member": member, "start": epoch, "end": last, "failed": failed}
        stretches.append(open_[member])
        if row["start"] == "offspring":
            parents = tuple(int(parent) for parent in str(row["parents"]).split())
            merges.setdefault((epoch, parents), []).append(member)
        elif row["start"] == "restart":
            restarts.append({"epoch": epoch, "member": member})
    mated = [
        {
            "epoch": epoch,
            "parents": parents,
            "children": tuple(children),
            "how": "clone" if len(parents) == 1 else ways.get((epoch, children[0]), "merge"),
        }
        for (epoch, parents), children in merges.items()
    ]
    end = trials.loc[trials["trial"].eq(trial) & trials["arm"].eq(arm)]
    best = str(end["members"].iloc[0]) if len(end) else ""
    return Scheme(
        arm=arm,
        epochs=int(own["last_epoch"].max()) if len(own) else 0,
        training=pd.DataFrame(stretches, columns=["member", "start", "end", "failed"]),
        merges=pd.DataFrame(mated, columns=["epoch", "parents", "children", "how"]),
        restarts=pd.DataFrame(restarts, columns=["epoch", "member"]),
        champion=tuple(int(member) for member in best.split()),
        how=str(end["champion"].iloc[0]) if len(end) else "",
    )


def matched_units(first: Matrix, second: Matrix) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return for each unit of the first network the unit of the second that is most like it.

    Args:
        first: weights of the hidden units, a unit a row [units, weights].
        second: the same of the other network.

    >>> matched_units(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.1, 2.0], [2.0, 0.0]]))
    array([1, 0])
    """
    return np.asarray(linear_sum_assignment(first @ second.T, maximize=True)[1], dtype=np.int64)


def _way(crossover: str, align: str) -> str:
    """Return a crossover and its alignment in words."""
    return crossover if align in ("", "none") else f"{crossover}, aligned"
