"""When and where each network trained, and how busy workers were with it: numbers for a figure."""

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
    """Return when and where each training task ran, each once, as far as times were recorded.

    Time counts from the first task's start, without the pauses of a run that was stopped and
    continued. A worker is a process's thread, from its first task to its last one before a pause;
    one that begins after another of its host has ended, as on a restart or in the next block of a
    cluster, takes that one's lane.

    Returns:
        One row per task: `arm` (`SHARED` if several used it), `host`, `worker` (0, 1 ... by first
        task), `lane` (0, 1 ... by host; a place for one worker at a time), `session` (pauses before
        it), `start_s`, `end_s`, `network_epochs`, `failed`.
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
    worker = rows.assign(session=session).groupby(["session", "host", "worker"], sort=False)
    number = worker.ngroup().to_numpy()
    table = pd.DataFrame(
        {
            "arm": rows["arm"].mask(shared, SHARED),
            "host": rows["host"],
            "worker": number,
            "lane": _lanes(rows["host"].to_numpy(), number, start, start + wall),
            "session": session,
            "start_s": begin,
            "end_s": begin + wall,
            "network_epochs": rows["network_epochs"].astype("int64"),
            "failed": rows["status"].ne("done"),
        }
    )
    return table.reset_index(drop=True)


def most_workers(table: pd.DataFrame) -> int:
    """Return how many workers there were at most at a time, each from its first to its last task.

    Args:
        table: as `tasks` returns it, with at least one task.
    """
    spans = table.groupby(["session", "worker"]).agg(start=("start_s", "min"), end=("end_s", "max"))
    most = 1
    for _, own in spans.groupby("session"):
        begun = np.arange(1, len(own) + 1)
        gone = np.searchsorted(np.sort(own["end"]), np.sort(own["start"]), side="right")
        most = max(most, int((begun - gone).max()))
    return most


def utilisation(table: pd.DataFrame, bins: int = 60) -> pd.DataFrame:
    """Return how busy the workers were with training and how much they did, over the run's time.

    A task's epochs are spread evenly over its time.

    Args:
        table: as `tasks` returns it.
        bins: equal spans of time.

    Returns:
        One row per span: `start_s`, `end_s`, `busy` (mean over it of the tasks running at a time,
        as a share of `most_workers`), `epochs_per_s` (network-epochs a second). Empty without a
        time.
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
            "busy": inside.sum(axis=0) / width / most_workers(table),
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


def _lanes(hosts: np.ndarray, workers: np.ndarray, start: np.ndarray, end: np.ndarray) -> list[int]:
    """Return each task's lane: the first of its host that was free when its worker began.

    A lane is free once its worker has no later task.

    Args:
        hosts: of the tasks, in the order of their starts.
        workers: of the tasks: 0, 1 ... by first task.
        start: of the tasks, in seconds.
        end: of the tasks, likewise.
    """
    spans = pd.DataFrame({"worker": workers, "host": hosts, "start": start, "end": end})
    spans = spans.groupby("worker").agg({"host": "first", "start": "min", "end": "max"})
    free_from: dict[str, list[float]] = {}
    places = []
    for host, begin, last in zip(spans["host"], spans["start"], spans["end"], strict=True):
        lanes = free_from.setdefault(str(host), [])
        place = next((lane for lane, free in enumerate(lanes) if free <= begin), len(lanes))
        lanes[place : place + 1] = [last]
        places.append((str(host), place))
    order = {place: lane for lane, place in enumerate(sorted(set(places)))}
    return [order[places[worker]] for worker in workers]
