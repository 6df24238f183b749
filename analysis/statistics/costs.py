"""What a run cost and what failed in it."""

from __future__ import annotations

import math
from typing import Final

import pandas as pd

from analysis.tables import arms_of, networks_of
from apps.records.tables_schema import UNFINISHED

EVERYTHING: Final = "all arms"
"""Name of the row of `costs` that counts every training task of the run once."""

_MEMBER: Final = ["trial", "arm", "segment", "member"]


def costs(members: pd.DataFrame, epochs: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Return the cost of each arm and of the run.

    Tasks are those of training, which `members` lists: matings, teachers' predictions and harvests
    are in `halts_wall_s` alone. Arms share segments: equal `folder`s in `members` are one task. An
    arm's row counts all it used; the last row, `EVERYTHING`, counts each task once. Epochs are
    those that were trained and recorded: a member that diverged has fewer than it was asked for,
    one that raised has none. `wall_s` counts the epochs that attempts which were cut off had
    trained, `cpu_s` does not.

    Args:
        members: the table `members`.
        epochs: the table `epochs`.
        trials: the table `trials`, for the order of the arms.

    Returns:
        `arm`, `tasks`, `network_epochs`, `wall_s` and `cpu_s` (sums over tasks; tasks that one
        process trains at a time share its processor time equally), `peak_memory_mb` (the most that
        a process has held; NaN of the arms, whose tasks share processes). All are NaN where nothing
        was measured. Of a run that recorded the arms' epochs also `teaching_epochs` (network-epochs
        of teachers, over all trials; not in `network_epochs`), `serial_epochs` (one after the
        other) and `serial_wall_s` (of a trial's training, on as many workers as members: the sum
        over segments of the slowest member's) and `halts_wall_s` (of its matings, teachers'
        predictions and harvest; NaN where it was not recorded), medians over trials, which one that
        a machine held up does not rule. The last row has none of them.
    """
    counted = epochs.assign(network_epochs=networks_of(epochs))
    trained = counted.groupby(_MEMBER, as_index=False)["network_epochs"].sum()
    members = members.assign(wall_s=members["wall_s"] + members["earlier_wall_s"])
    tasks = members.merge(trained, on=_MEMBER, how="left")
    named = [(arm, tasks.loc[tasks["arm"].eq(arm)]) for arm in arms_of(trials)]
    rows = [_cost(arm, own) for arm, own in [*named, (EVERYTHING, tasks)]]
    table = pd.DataFrame(rows)
    if not trials["serial_epochs"].gt(0).any():
        return table
    own = trials.groupby("arm").agg(serial_epochs=("serial_epochs", "max"))
    # Of one that is not finished, `members` has nothing to stand beside it.
    ended = trials.loc[trials["status"].ne(UNFINISHED)].groupby("arm")
    own["teaching_epochs"] = ended["teaching_epochs"].sum()
    slowest = members.groupby(["trial", "arm", "segment"])["wall_s"].max()
    each = slowest.groupby(["trial", "arm"]).sum(min_count=1)
    own["serial_wall_s"] = each.groupby("arm").median()
    own["halts_wall_s"] = ended["halts_wall_s"].median()
    columns = ["teaching_epochs", "serial_epochs", "serial_wall_s", "halts_wall_s"]
    return table.merge(own[columns].reset_index(), on="arm", how="left")


def network_epochs_unshared(costs_table: pd.DataFrame) -> int:
    """Return the network-epochs if no arm shared a segment: the sum over the arms of `costs`."""
    arms = costs_table.loc[costs_table["arm"].ne(EVERYTHING)]
    return int(arms["network_epochs"].sum())


def elapsed_s(members: pd.DataFrame) -> float:
    """Return seconds from the first task's start to the last one's end, pauses included."""
    ends = members["started_unix_s"] + members["wall_s"]
    return float(ends.max() - members["started_unix_s"].min())


def failures(members: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Return the members that did not finish (each task once) and the trials that failed.

    A failed trial has the log of the member whose failure its reason quotes, if there is one.

    Returns:
        `what` ("member" or "trial"), `trial`, `arm` (all that share the task, comma-separated),
        `segment`, `member` (<NA> for a trial), `status`, `reason`, `log`.
    """
    bad = members.loc[members["status"].ne("done")]
    by = ["trial", "segment", "member", "folder"]
    lost = bad.groupby(by, sort=False, as_index=False).agg(
        arm=("arm", ", ".join), status=("status", "first"), reason=("reason", "first"),
        log=("log", "first"),
    )  # fmt: skip
    ended = ~trials["status"].isin(["done", UNFINISHED])
    failed = trials.loc[ended, ["trial", "arm", "status", "reason"]]
    logs = [
        _log_of_cause(bad.loc[bad["trial"].eq(trial) & bad["arm"].eq(arm)], reason)
        for trial, arm, reason in zip(failed["trial"], failed["arm"], failed["reason"], strict=True)
    ]
    both = pd.concat([failed.assign(what="trial", log=logs), lost.assign(what="member")])
    columns = ["what", "trial", "arm", "segment", "member", "status", "reason", "log"]
    both = both.reindex(columns=columns).astype({"segment": "Int64", "member": "Int64"})
    return both.reset_index(drop=True)


def _log_of_cause(bad: pd.DataFrame, reason: str) -> str:
    """Return the log of the first of some failed members that a failed trial's reason quotes."""
    told = bad.sort_values(["segment", "member"], kind="stable")
    for quoted, log in zip(told["reason"], told["log"], strict=True):
        if log and quoted and quoted in reason:
            return str(log)
    return ""


def _cost(arm: str, rows: pd.DataFrame) -> dict[str, object]:
    """Add up the tasks of some rows of `members`, each task once."""
    tasks = rows.drop_duplicates("folder")
    return {
        "arm": arm,
        "tasks": len(tasks),
        "network_epochs": int(tasks["network_epochs"].sum()),
        "wall_s": tasks["wall_s"].sum(min_count=1),
        "cpu_s": tasks["cpu_s"].sum(min_count=1),
        "peak_memory_mb": tasks["peak_memory_mb"].max() if arm == EVERYTHING else math.nan,
    }
