"""What is seen of a run: progress, the best, workers, warnings, from its files alone."""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from apps.messages.fingerprints import to_json
from apps.messages.results import TrainResult
from apps.records.result_files import Partial, save_result, stored_result
from apps.records.run_dir import PARTIAL_RECORD, RunDir
from apps.worker.presence import Presence, announce
from apps.worker.stopwatch import Stopwatch
from tests.support.experiments import TINY, broken_off, copied, read_tables
from tests.workflow.conftest import Mishap
from tests.workflow.driver.test_progress import Kept
from workflow.driver.progress import Journal, read_tally, summary
from workflow.driver.trial import build_trial
from workflow.experiment.file import read_experiment
from workflow.runs.lock import only_driver
from workflow.runs.so_far import told_arms
from workflow.watching.look import Lookout
from workflow.watching.tables import worker_rows

CHILD = "trial-001/mean/segment-2/member-02"


def test_the_end_of_a_run_is_seen_whole(finished: Path) -> None:
    look = Lookout(RunDir(finished)).look()
    members = read_tables(finished)["members"]
    assert look.standing.state == "finished"
    assert look.best[0].fitness == members["fitness"].min() == look.standing.tally.best
    fitness = np.sort(members.drop_duplicates("folder")["fitness"])[: len(look.best)]
    assert [each.fitness for each in look.best] == fitness.tolist()
    assert look.arms == dict.fromkeys([arm["name"] for arm in TINY["arms"]], TINY["trials"])
    assert look.workers == ()
    assert look.lines["epoch"].max() == TINY["training"]["epochs"]


def test_the_epoch_of_the_best_is_the_last_that_it_was_trained(
    finished: Path, tmp_path: Path
) -> None:
    root = copied(finished, tmp_path)
    before = Lookout(RunDir(root)).look().best[0]
    result = stored_result(root / before.folder, TrainResult)
    assert result is not None
    save_result(root / before.folder, replace(result, epochs=result.epochs[:-1]))
    after = Lookout(RunDir(root)).look().best[0]
    assert after == replace(before, epoch=before.epoch - 1)


def test_looking_again_sees_what_came_meanwhile(finished: Path, tmp_path: Path) -> None:
    root = broken_off(finished, tmp_path, CHILD, "trial-001/mean/harvest")
    run, lookout = RunDir(root), Lookout(RunDir(root))
    before = lookout.look().standing.tally
    assert (before.epochs_done, before.trials_done) == (76, 1)
    partial(run, finished, 1)
    assert lookout.look().standing.tally.epochs_done == 77
    for folder in (CHILD, "trial-001/mean/harvest"):
        (root / folder / "result.json").write_bytes(
            (finished / folder / "result.json").read_bytes()
        )
    said = [
        line
        for line in RunDir(finished).events_jsonl.read_text().splitlines(keepends=True)
        if CHILD in line or "trial-001/mean/harvest" in line
    ]
    with run.events_jsonl.open("a") as file:
        file.write(said[0] + said[1][:20])
    assert lookout.look().standing.tally.epochs_done == 78
    with run.events_jsonl.open("a") as file:
        file.write(said[1][20:])
    look = lookout.look()
    assert (look.standing.tally.epochs_done, look.standing.tally.trials_done) == (78, 2)
    assert look.lines.equals(Lookout(RunDir(finished)).look().lines)


def partial(run: RunDir, finished: Path, epochs: int) -> None:
    result = stored_result(finished / CHILD, TrainResult)
    assert result is not None
    part = Partial(result.fingerprint, "0", result.epochs[:epochs], {})
    (run.root / CHILD / PARTIAL_RECORD).write_bytes(to_json(part))


def started(run: RunDir, seconds_ago: float) -> None:
    """Start a run again that broke off, and tell of nothing else."""
    experiment = read_experiment(run.experiment_toml)
    journal = Journal(run.events_jsonl, experiment.training.objective, Kept(), lambda: 0)
    journal.begin([build_trial(experiment, trial) for trial in range(experiment.trials)])
    journal.close("killed")
    *lines, _ = [json.loads(line) for line in run.events_jsonl.read_text().splitlines()]
    lines[-1]["unix_s"] -= seconds_ago
    run.events_jsonl.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_before_the_first_task_ends_the_speed_is_that_of_the_parts(
    finished: Path, tmp_path: Path
) -> None:
    run = RunDir(broken_off(finished, tmp_path, CHILD))
    started(run, seconds_ago=20)
    partial(run, finished, 1)
    with only_driver(run.lock):
        tally = Lookout(run).look().standing.tally
    assert tally.epochs_new == 1
    assert 0.04 < tally.epochs_a_second <= 1 / 20
    killed = Lookout(run).look()
    assert killed.standing.state == "failed"
    assert killed.standing.tally.epochs_a_second == 0
    assert killed.last_event_unix_s == killed.standing.tally.started_unix_s


def test_epochs_of_the_start_before_are_not_new(finished: Path, tmp_path: Path) -> None:
    run = RunDir(broken_off(finished, tmp_path, CHILD))
    partial(run, finished, 1)
    started(run, seconds_ago=20)
    with only_driver(run.lock):
        before = Lookout(run).look().standing.tally
        partial(run, finished, 2)
        after = Lookout(run).look().standing.tally
    assert (before.epochs_done, before.epochs_a_second) == (1, 0)
    assert math.isinf(before.left_s)
    assert (after.epochs_done, after.epochs_new) == (2, 1)


def test_what_was_stopped_has_the_speed_that_it_had(finished: Path, tmp_path: Path) -> None:
    run = RunDir(broken_off(finished, tmp_path, CHILD))
    started(run, seconds_ago=20)
    partial(run, finished, 1)
    end = {"unix_s": read_tally(run.events_jsonl).started_unix_s + 10, "event": "end"}
    with run.events_jsonl.open("a") as file:
        file.write(json.dumps(end | {"how": "stopped"}) + "\n")
    assert Lookout(run).look().standing.tally.epochs_a_second == pytest.approx(1 / 10)
    with only_driver(run.lock):  # the next start, before it says so
        assert Lookout(run).look().standing.tally.epochs_a_second == pytest.approx(1 / 10)


def test_a_run_that_was_started_over_is_read_anew(finished: Path, tmp_path: Path) -> None:
    root = broken_off(finished, tmp_path, CHILD)
    lookout = Lookout(RunDir(root))
    assert len(lookout.look().arms) == len(TINY["arms"])
    fewer = RunDir(root).experiment_toml.read_text().replace("trials = 2", "trials = 1")
    RunDir(root).experiment_toml.write_text(fewer)
    start = json.loads(RunDir(root).events_jsonl.read_text().splitlines()[0])
    start |= {"unix_s": time.time(), "tasks": start["tasks"][:1]}
    RunDir(root).events_jsonl.write_text(json.dumps(start) + "\n")
    look = lookout.look()
    assert (look.standing.tally.trials, look.lines["trial"].nunique()) == (1, 1)


def test_workers_are_seen_while_a_driver_is_at_work(finished: Path, tmp_path: Path) -> None:
    root = broken_off(finished, tmp_path, CHILD)
    run = RunDir(root)
    run.workers.mkdir()
    announce(run.workers, CHILD, in_driver=False)
    assert Lookout(run).look().workers == ()
    with only_driver(run.lock):
        (busy,) = Lookout(run).look().workers
        done_here(run, finished)
        (idle,) = Lookout(run).look().workers
    assert (busy.folder, idle.folder) == (CHILD, "")
    assert busy.seen_s <= busy.since_s + 1


def done_here(run: RunDir, finished: Path) -> None:
    """Store the result of `CHILD` as this thread's."""
    result = stored_result(finished / CHILD, TrainResult)
    assert result is not None
    with Stopwatch() as watch:
        save_result(run.root / CHILD, replace(result, cost=watch.cost()))


def lost(run: RunDir, folder: str, worker: str) -> None:
    """Leave the note of a worker that died an hour ago in a task."""
    told = Presence("node", worker, folder, time.time() - 7200, time.time() - 3600, False)
    note = run.workers / f"{worker}.json"
    note.write_text(json.dumps(asdict(told)))
    os.utime(note, (told.seen_unix_s, told.seen_unix_s))


def told_of_workers(run: RunDir) -> str:
    with only_driver(run.lock):
        return worker_rows(Lookout(run).look())[1]


def test_a_worker_that_died_is_lost_until_another_does_its_task(
    finished: Path, tmp_path: Path
) -> None:
    run = RunDir(broken_off(finished, tmp_path, "trial-001/mean/segment-2/*"))
    run.workers.mkdir()
    lost(run, CHILD, "1")
    lost(run, str(Path(CHILD).with_name("member-01")), "2")
    assert told_of_workers(run) == "2 workers: 0 compute, 0 wait, 2 lost"
    announce(run.workers, CHILD, in_driver=False)
    assert told_of_workers(run) == "2 workers: 1 compute, 0 wait, 1 lost"
    done_here(run, finished)
    announce(run.workers, str(Path(CHILD).with_name("member-00")), in_driver=False)
    assert told_of_workers(run) == "2 workers: 1 compute, 0 wait, 1 lost"


def test_failures_and_warnings_of_the_newest_start_are_told(mishap: Mishap, tmp_path: Path) -> None:
    root = broken_off(mishap.root, tmp_path)
    tally = read_tally(RunDir(root).events_jsonl)
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(tally.started_unix_s + 60))
    RunDir(root).log.write_text(
        "2020-01-01 00:00:00,000 workflow.driver WARNING long ago\n"
        f"{now},000 workflow.driver INFO nothing odd\n"
        f"{now},000 workflow.driver.stall WARNING for 60 s no worker is connected\n"
    )
    notes = Lookout(RunDir(root)).look().notes
    assert sum("an accident" in note for note in notes) >= 1
    assert len([note for note in notes if "error.txt)" in note]) >= 1
    (warning,) = [note for note in notes if " WARNING " in note]
    assert warning.endswith("no worker is connected")


def test_a_cause_is_told_once_with_the_number_of_its_tasks(finished: Path, tmp_path: Path) -> None:
    root = broken_off(finished, tmp_path)
    event = {"unix_s": 0.0, "event": "task", "kind": "mate", "trial": 0, "arms": [], "log": ""}
    event |= {"status": "failed", "reused": False, "reason": "it is cold"}
    alone = event | {"folder": "trial-001/other", "reason": "it is late"}
    folders = [f"trial-000/{number}" for number in range(40)]
    with RunDir(root).events_jsonl.open("a") as file:
        for each in [*({**event, "folder": folder} for folder in folders), alone]:
            file.write(json.dumps(each) + "\n")
    notes = Lookout(RunDir(root)).look().notes
    assert notes[:2] == (
        "trial-000/0 and 39 more: failed: it is cold",
        "trial-001/other: failed: it is late",
    )


def test_nothing_is_left_to_wait_for_once_a_run_broke_off(finished: Path, tmp_path: Path) -> None:
    root = broken_off(finished, tmp_path, CHILD, "trial-001/mean/harvest")
    tally = Lookout(RunDir(root)).look().standing.tally
    assert tally.epochs_done < tally.epochs
    assert tally.ended == "broke off without an end"
    assert " left" not in summary(tally)


def test_an_arm_that_failed_is_not_whole(mishap: Mishap) -> None:
    look = Lookout(RunDir(mishap.root)).look()
    trials = read_tables(mishap.root)["trials"]
    failed = trials[trials["status"] != "done"].groupby("arm").size().to_dict()
    assert failed
    assert {arm: count for arm, count in look.arms_failed.items() if count} == failed
    assert {look.arms[arm] + look.arms_failed[arm] for arm in look.arms} == {TINY["trials"]}
    (arm, count), *_ = failed.items()
    assert f"{arm} {look.arms[arm]} ({count} failed)" in told_arms(look.arms, look.arms_failed)
