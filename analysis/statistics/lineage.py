"""Who descends from whom in one trial and arm."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Lineage:
    """The members of one trial and arm and their descent.

    Attributes:
        trial: the trial.
        arm: the arm.
        nodes: one row per segment and member: `segment`, `member`, `epoch` (its last), `species`,
            `place` (0 is the best of the segment), `failed`, `champion` (part of the arm's
            champion), `ancestor` (of the champion, itself included).
        edges: one row per child and parent: `segment` (the child's), `parent`, `child`, `ancestor`
            (both ends are).
    """

    trial: int
    arm: str
    nodes: pd.DataFrame
    edges: pd.DataFrame


def lineage(members: pd.DataFrame, trials: pd.DataFrame, trial: int, arm: str) -> Lineage:
    """Trace the descent of every member of one trial and arm.

    Args:
        members: the table `members`.
        trials: the table `trials`, for the champion.
        trial: which trial.
        arm: which arm.

    Raises:
        KeyError: the tables have no such trial and arm.
    """
    own = members.loc[members["trial"].eq(trial) & members["arm"].eq(arm)]
    if own.empty:
        raise KeyError(f"table members has no trial {trial} of arm {arm!r}")
    own = own.sort_values(["segment", "rank", "member"], kind="stable", ignore_index=True)
    edges = [
        {"segment": segment, "parent": parent, "child": child}
        for segment, child, start, parents in zip(
            own["segment"], own["member"], own["start"], own["parents"], strict=True
        )
        for parent in _parents(segment, child, start, parents)
    ]
    made_of = trials.loc[trials["trial"].eq(trial) & trials["arm"].eq(arm), "members"]
    champion = {int(member) for text in made_of for member in str(text).split()}
    last = int(own["segment"].max())
    ancestors = {(last, member) for member in champion}
    for edge in sorted(edges, key=lambda edge: -edge["segment"]):
        if (edge["segment"], edge["child"]) in ancestors:
            ancestors.add((edge["segment"] - 1, edge["parent"]))
    keys = list(zip(own["segment"], own["member"], strict=True))
    nodes = own[["segment", "member", "species"]].assign(
        epoch=own["last_epoch"],
        place=own.groupby("segment").cumcount(),
        failed=own["status"].ne("done"),
        champion=[segment == last and member in champion for segment, member in keys],
        ancestor=[key in ancestors for key in keys],
    )
    drawn = pd.DataFrame(edges, columns=["segment", "parent", "child"], dtype="int64")
    drawn["ancestor"] = [
        (segment, child) in ancestors
        for segment, child in zip(drawn["segment"], drawn["child"], strict=True)
    ]
    return Lineage(trial=trial, arm=arm, nodes=nodes, edges=drawn)


def _parents(segment: int, member: int, start: str, parents: str) -> list[int]:
    """Return the members of the segment before that a member comes from; itself if it goes on."""
    if segment == 0:
        return []
    named = [int(parent) for parent in parents.split()]
    return named or ([member] if start in ("continue", "restart") else [])
