"""What is seen of a run: progress, the best, workers, warnings, from its files alone."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

from apps.messages.fingerprints import to_json
from apps.messages.results import TrainResult
from apps.records.result_files import Partial, stored_result
from apps.records.run_dir import PARTIAL_RECORD, RunDir
from apps.worker.presence import announce
from tests.support.experiments import TINY, broken_off, read_tables
from tests.workflow.conftest import Mishap
from workflow.driver.progress import read_tally
from workflow.runs.lock import only_driver
from workflow.watching.look import Lookout

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


def test_looking_again_sees_what_came_meanwhile(finished: Path, tmp_path: Path) -> None:
    root = broken_off(finished, tmp_path, CHILD, "trial-001/mean/harvest")
    run, lookout = RunDir(root), Lookout(RunDir(root))
    before = lookout.look().standing.tally
    assert (before.epochs_done, before.trials_done) == (76, 1)
    result = stored_result(finished / CHILD, TrainResult)
    assert result is not None
    part = Partial(result.fingerprint, "0", result.epochs[:1], {})
    (root / CHILD / PARTIAL_RECORD).write_bytes(to_json(part))
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
        announce(run.workers, "trial-001/mean/segment-2/member-01", in_driver=True)
        (idle,) = Lookout(run).look().workers
    assert (busy.folder, idle.folder) == (CHILD, "")
    assert busy.seen_s <= busy.since_s + 1


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
