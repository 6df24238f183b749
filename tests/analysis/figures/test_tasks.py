"""When and where tasks ran, and how busy the workers were, worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.figures.tasks import SHARED, most_workers, tasks, utilisation

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


def _in_blocks(workers: int, gap_s: float, hosts: tuple[str, ...] = ("x", "x", "x")):
    """Return tables of three blocks of new processes, each of which trains four times for 10 s."""
    rows = [
        (
            "mean",
            f"{block}-{worker}-{task}",
            block * (40.0 + gap_s) + 10.0 * task + 0.001 * worker,
            9.99,
            host,
            f"{100 * block + worker}/Main",
        )
        for block, host in enumerate(hosts)
        for task in range(4)
        for worker in range(workers)
    ]
    return _tables(rows)


def _most_at_a_time(table: pd.DataFrame) -> int:
    """Count the tasks that run a millisecond after each task's start."""
    starts, ends = table["start_s"].to_numpy(), table["end_s"].to_numpy()
    at = starts[:, None] + 0.001
    return int(((starts <= at) & (at < ends)).sum(axis=1).max())


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("gap_s", [0.1, 14.0, 20.0, 47.0, 500.0])
def test_a_new_process_takes_the_lane_of_one_that_has_ended(workers: int, gap_s: float):
    """Restarts, and blocks of a cluster, bring new process numbers and no new workers."""
    table = tasks(*_in_blocks(workers, gap_s))
    assert table["lane"].max() + 1 == most_workers(table) == _most_at_a_time(table) == workers
    for _, own in table.groupby("lane"):
        begin = own.sort_values("start_s")
        assert begin["start_s"].iloc[1:].ge(begin["end_s"].iloc[:-1].to_numpy() - 1e-6).all()
    paused = 0.0 if gap_s > 30 else gap_s
    busy = utilisation(table)["busy"].mean()
    assert busy == pytest.approx(120 / (120 + 2 * paused), rel=0.01)


def test_blocks_on_other_hosts_are_lanes_of_these_and_no_more_workers_at_a_time():
    table = tasks(*_in_blocks(2, 20.0, hosts=("b", "a", "b")))
    assert set(table.loc[table["host"].eq("a"), "lane"]) == {0, 1}
    assert set(table.loc[table["host"].eq("b"), "lane"]) == {2, 3}
    assert most_workers(table) == 2
    assert utilisation(table)["busy"].mean() == pytest.approx(120 / 160, rel=0.01)


def test_one_process_replaced_while_another_goes_on():
    rows = [
        ("mean", "a", 0.0, 10.0, "x", "1"),
        ("mean", "b", 0.0, 10.0, "x", "2"),
        ("mean", "c", 10.0, 10.0, "x", "2"),
        ("mean", "d", 12.0, 10.0, "x", "3"),  # in the place of the first
    ]
    table = tasks(*_tables(rows))
    assert table["lane"].tolist() == [0, 1, 1, 0]
    assert most_workers(table) == 2


def test_workers_that_take_turns_are_two():
    """As with an arm of one network: at every time one of the two waits."""
    rows = [("long", str(task), 10.0 * task, 10.0, "x", str(task % 2)) for task in range(6)]
    table = tasks(*_tables(rows))
    assert table["lane"].tolist() == [0, 1] * 3
    assert most_workers(table) == 2
    assert utilisation(table)["busy"].mean() == pytest.approx(0.5)


def test_waiting_for_a_moment_is_no_pause():
    rows = [("mean", "a", 0.0, 10.0, "x", "1"), ("mean", "b", 39.0, 10.0, "x", "1")]
    table = tasks(*_tables(rows))
    assert table["session"].tolist() == [0, 0]
    assert table["start_s"].tolist() == [0.0, 39.0]


def test_utilisation_adds_up():
    # Two workers, 10 s: one busy all the time, one from 2 s to 7 s; 20 and 10 epochs.
    table = pd.DataFrame(
        {
            "session": 0,
            "worker": [0, 1],
            "start_s": [0.0, 2.0],
            "end_s": [10.0, 7.0],
            "network_epochs": [20, 10],
        }
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
