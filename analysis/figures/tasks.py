"""When and where each task ran, and how busy the workers were: numbers for a figure."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from analysis.tables import networks_of

SHARED: Final = "shared"
"""Stands for the arm of a task that several arms used."""

LONGEST_GAP_S: Final = 30.0
"""So many seconds without a task count as a pause, if they are also a tenth of the work's time."""


def tasks(members: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Return when and where each task ran, each once; tasks without a recorded time are left out.

    Time counts from the first task's start, without the pauses of a run that was stopped and
    continued. Workers of one host keep their places across pauses.

    Returns:
        One row per task: `arm` (`SHARED` if several used it), `host`, `lane` (0, 1 ... a worker),
        `session` (pauses before it), `start_s`, `end_s`, `network_epochs`, `failed`.
    """
    by = ["trial", "arm", "segment", "member"]
    counted = epochs.assign(network_epochs=networks_of(epochs))
    trained = counted.groupby(by, as_index=False)["network_epochs"].sum()
    rows = members.merge(trained, on=by, how="left").fillna({"network_epochs": 0})
    users = rows.groupby("folder")["arm"].nunique()
    rows = rows.drop_duplicates("folder")
    rows = rows.loc[np.isfinite(rows["started_unix_s"]) & np.isfinite(rows["wall_s"])]
    rows = rows.sort_values(["started_unix_s", "folder"], kind="stable")
    start = rows["started_unix_s"].to_numpy(dtype=np.float64)
    wall = rows["wall_s"].to_numpy(dtype=np.float64)
    session, idle = _pauses(start, wall)
    begin = start - (start.min() if len(start) else 0.0) - idle
    shared = rows["folder"].map(users).gt(1)
    table = pd.DataFrame(
        {
            "arm": rows["arm"].mask(shared, SHARED),
            "host": rows["host"],
            "lane": _lanes(rows.assign(session=session)),
            "session": session,
            "start_s": begin,
            "end_s": begin + wall,
            "network_epochs": rows["network_epochs"].astype("int64"),
            "failed": rows["status"].ne("done"),
        }
    )
    return table.reset_index(drop=True)


def utilisation(table: pd.DataFrame, bins: int = 60) -> pd.DataFrame:
    """Return how busy the workers were and how much they did, over the time of the run.

    A task's epochs are spread evenly over its time.

    Args:
        table: as `tasks` returns it.
        bins: equal spans of time.

    Returns:
        One row per span: `start_s`, `end_s`, `busy` (mean over it of the tasks running at a time,
        as a share of the workers), `epochs_per_s` (network-epochs a second). Empty without a time.
    """
    total = float(table["end_s"].max()) if len(table) else 0.0
    if not total > 0:
        return pd.DataFrame(columns=["start_s", "end_s", "busy", "epochs_per_s"], dtype="float64")
    edges = np.linspace(0.0, total, bins + 1)
    starts, ends = table["start_s"].to_numpy()[:, None], table["end_s"].to_numpy()[:, None]
    inside = np.clip(np.minimum(ends, edges[1:]) - np.maximum(starts, edges[:-1]), 0.0, None)
    rate = table["network_epochs"].to_numpy() / np.maximum((ends - starts)[:, 0], 1e-9)
    width = total / bins
    return pd.DataFrame(
        {
            "start_s": edges[:-1],
            "end_s": edges[1:],
            "busy": inside.sum(axis=0) / width / (int(table["lane"].max()) + 1),
            "epochs_per_s": rate @ inside / width,
        }
    )


def _pauses(start: np.ndarray, wall: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each task, in the order of starts, the pauses before it and their seconds."""
    if not len(start):
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    free_from = np.maximum.accumulate(start + wall)
    gap = np.concatenate([[0.0], np.maximum(start[1:] - free_from[:-1], 0.0)])
    work = float(free_from[-1] - start[0] - gap.sum())
    pause = gap > max(LONGEST_GAP_S, 0.1 * work)
    return np.cumsum(pause), np.cumsum(np.where(pause, gap, 0.0))


def _lanes(rows: pd.DataFrame) -> list[int]:
    """Return a number for each worker: by host, then by its first task since the last pause."""
    seen: dict[tuple[int, str], dict[str, int]] = {}
    places = []
    for session, host, worker in zip(rows["session"], rows["host"], rows["worker"], strict=True):
        workers = seen.setdefault((int(session), str(host)), {})
        places.append((str(host), workers.setdefault(str(worker), len(workers))))
    order = {place: lane for lane, place in enumerate(sorted(set(places)))}
    return [order[place] for place in places]
