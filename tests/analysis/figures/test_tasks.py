"""When and where tasks ran, and how busy the workers were, worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.figures.tasks import SHARED, tasks, utilisation

NAN = float("nan")


def _tables(rows, epochs=2):
    """Return `members` and `epochs` of tasks (arm, folder, start, wall, host, worker)."""
    keys = ("arm", "folder", "started_unix_s", "wall_s", "host", "worker")
    members = pd.DataFrame([dict(zip(keys, row, strict=True)) for row in rows])
    members = members.assign(trial=0, segment=0, member=range(len(rows)), status="done")
    trained = members[["trial", "arm", "segment", "member"]]
    return members, pd.concat([trained] * epochs)


def test_each_task_is_listed_once_at_its_time_and_place():
    table = tasks(
        *_tables(
            [
                ("control", "a", 100.0, 5.0, "x", "7:1"),
                ("mean", "a", 100.0, 5.0, "x", "7:1"),
                ("mean", "b", 101.0, 2.0, "x", "9:1"),
                ("mean", "c", 105.5, 1.0, "w", "1:1"),
                ("mean", "d", NAN, NAN, "", ""),
            ]
        )
    )
    assert table["arm"].tolist() == [SHARED, "mean", "mean"]
    assert table["start_s"].tolist() == [0.0, 1.0, 5.5]
    assert table["end_s"].tolist() == [5.0, 3.0, 6.5]
    assert table["lane"].tolist() == [1, 2, 0]  # by host, then by first task
    assert table["network_epochs"].tolist() == [2, 2, 2]
    assert not table["failed"].any()


def test_a_pause_of_the_run_is_left_out_and_workers_keep_their_places():
    table = tasks(
        *_tables(
            [
                ("mean", "a", 0.0, 100.0, "x", "1:1"),
                ("mean", "b", 10.0, 100.0, "x", "1:2"),
                ("mean", "c", 1110.0, 50.0, "x", "2:1"),
                ("mean", "d", 1120.0, 50.0, "x", "2:2"),
            ]
        )
    )
    assert table["session"].tolist() == [0, 0, 1, 1]
    assert table["lane"].tolist() == [0, 1, 0, 1]
    assert table["start_s"].tolist() == [0.0, 10.0, 110.0, 120.0]


def test_waiting_for_a_moment_is_no_pause():
    rows = [("mean", "a", 0.0, 10.0, "x", "1"), ("mean", "b", 39.0, 10.0, "x", "1")]
    table = tasks(*_tables(rows))
    assert table["session"].tolist() == [0, 0]
    assert table["start_s"].tolist() == [0.0, 39.0]


def test_utilisation_adds_up():
    # Two workers, 10 s: one busy all the time, one from 2 s to 7 s; 20 and 10 epochs.
    table = pd.DataFrame(
        {"lane": [0, 1], "start_s": [0.0, 2.0], "end_s": [10.0, 7.0], "network_epochs": [20, 10]}
    )
    found = utilisation(table, bins=5)
    assert found["start_s"].tolist() == [0, 2, 4, 6, 8]
    assert found["busy"].tolist() == pytest.approx([0.5, 1.0, 1.0, 0.75, 0.5])
    assert found["epochs_per_s"].tolist() == pytest.approx([2.0, 4.0, 4.0, 3.0, 2.0])
    assert (found["epochs_per_s"] * 2).sum() == pytest.approx(30)


def test_without_a_clock_there_is_nothing():
    table = tasks(*_tables([("mean", "a", NAN, NAN, "", "")]))
    assert table.empty
    assert utilisation(table).empty
