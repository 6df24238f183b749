"""A failed member is a value: it ranks last, is told with its reason, and ends no trial."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from apps.errors import HeterosisError, UserError, with_code
from apps.records.run_dir import RunDir
from apps.records.tables_schema import FINAL_METRICS
from tests.support.experiments import assert_same, copied, drive, events, read_tables
from tests.workflow.conftest import Heterosis, Mishap
from workflow.experiment.file import load_experiment


def rows(data: pd.DataFrame, **values: object) -> pd.DataFrame:
    for name, value in values.items():
        data = data[data[name] == value]
    return data


def numbers(root: Path, arm: str, trial: int) -> pd.DataFrame:
    trials = rows(read_tables(root)["trials"], arm=arm, trial=trial)
    return trials[["status", "members", *FINAL_METRICS, "fitness"]].reset_index(drop=True)


# ---------------------------------------------------------------------------- enough are left
def test_a_failed_member_is_told_with_its_reason_and_log(mishap: Mishap) -> None:
    (member,) = rows(
        read_tables(mishap.root)["members"], trial=0, arm="one", segment=1, member=1
    ).to_dict("records")
    assert member["status"] == "failed"
    assert member["reason"] == "ArithmeticError: an accident [/on purpose]"
    assert "mishaps.py" in (mishap.root / member["log"]).read_text()
    assert member["rank"] == 2
    assert pd.isna(member["fitness"])
    assert pd.isna(member["test_loss"])


def test_a_diverged_member_is_told_with_its_epoch(mishap: Mishap) -> None:
    (member,) = rows(
        read_tables(mishap.root)["members"], trial=0, arm="astray", segment=1, member=1
    ).to_dict("records")
    assert member["status"] == "diverged"
    assert member["reason"] == "loss was nan after epoch 2"
    assert member["rank"] == 2
    assert pd.isna(member["fitness"])


@pytest.mark.parametrize("arm", ["one", "astray"])
def test_a_trial_goes_on_without_its_failed_member(mishap: Mishap, arm: str) -> None:
    tables = read_tables(mishap.root)
    (trial,) = rows(tables["trials"], trial=0, arm=arm).to_dict("records")
    assert trial["status"] == "done"
    assert trial["failed_members"] == 1
    later = rows(tables["matings"], trial=0, arm=arm, halt=1)
    assert len(later) == 3
    assert all(set(parents.split()) == {"0", "2"} for parents in later["parents"])
    last = rows(tables["members"], trial=0, arm=arm, segment=2)
    assert set(last["status"]) == {"done"}
    assert rows(tables["epochs"], trial=0, arm="one", segment=1, member=1).empty


# -------------------------------------------------------------------------------- too few are
def test_with_too_few_left_the_arm_fails_and_says_why(mishap: Mishap) -> None:
    (trial,) = rows(read_tables(mishap.root)["trials"], trial=0, arm="two").to_dict("records")
    assert trial["status"] == "failed"
    assert "the halt after epoch 3 needs 2 members" in trial["reason"]
    assert "1 of 3 have one" in trial["reason"]
    assert "ArithmeticError: an accident" in trial["reason"]
    assert pd.isna(trial["fitness"])
    assert trial["failed_members"] == 5


def test_a_failed_arm_ends_the_command_with_code_1_after_tables_and_report(mishap: Mishap) -> None:
    assert mishap.ended.code == 1
    failed = [line for line in mishap.ended.err.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 1
    assert failed[0].startswith("failed: trial 0, arm two: the halt after epoch 3 needs ")
    log = re.search(r"\(log: ([^)]+)\)$", failed[0])
    assert log is not None
    # That of the member that is missing, not that of the mating which misses it.
    assert "mishaps.py" in Path(log[1]).read_text()
    assert "/member-" in log[1]
    assert "Traceback" not in mishap.ended.err
    assert f"report: {RunDir(mishap.root).report_html}" in mishap.ended.out
    assert "an accident" in RunDir(mishap.root).report_html.read_text()
    assert (mishap.root / "champion" / "champion.keras").is_file()


@pytest.mark.parametrize("arm", ["one", "two", "astray"])
def test_other_trials_and_arms_are_as_if_nothing_had_happened(
    mishap: Mishap, finished: Path, arm: str
) -> None:
    same = {"check_exact": True}
    assert_frame_equal(numbers(mishap.root, arm, 1), numbers(finished, "twice", 1), **same)
    for trial in (0, 1):
        ours, theirs = (numbers(root, "control", trial) for root in (mishap.root, finished))
        assert_frame_equal(ours, theirs, **same)


def test_status_tells_the_failures(mishap: Mishap, heterosis: Heterosis) -> None:
    ended = heterosis("status", mishap.root)
    assert ended.code == 0
    assert "finished; last event" in ended.out
    folder = "trial-000/one/segment-1/member-01"
    assert f"{folder}: failed: ArithmeticError: an accident [/on purpose]" in ended.out
    assert f"(log: {mishap.root}/{folder}/error.txt)" in ended.out
    assert "trial-000/astray/segment-1/member-01: diverged: loss was nan" in ended.out


# -------------------------------------------------------------------------- once it is over
def test_a_run_whose_cause_of_failure_is_gone_is_completed(
    mishap: Mishap, finished: Path, tmp_path: Path
) -> None:
    """What failed is computed again, and no more: what it needed is still there."""
    root = copied(mishap.root, tmp_path)
    experiment = load_experiment(mishap.file)
    failed = {event["folder"] for event in events(root) if event.get("status") == "failed"}
    mishap.marker.unlink()
    try:
        ran = drive(experiment, root)
    finally:
        mishap.marker.touch()
    # Arm one had gone on without its failed member: there its next mating is another one now, and
    # the others are needed for it again. A diverged member stays what it is.
    again = ["segment-1/member-00", "segment-1/member-02", "halt-1", "harvest"]
    again += [f"segment-2/member-{member:02d}" for member in range(3)]
    assert set(ran.computed) == failed | {f"trial-000/one/{part}" for part in again}
    trials = ran.tables["trials"]
    for arm in ("one", "two"):
        ours = rows(trials, trial=0, arm=arm)[[*FINAL_METRICS, "fitness"]].reset_index(drop=True)
        theirs = numbers(finished, "twice", 0)[[*FINAL_METRICS, "fitness"]]
        assert_frame_equal(ours, theirs, check_exact=True)


def test_continuing_while_it_lasts_fails_again_and_loses_nothing(
    mishap: Mishap, tmp_path: Path, heterosis: Heterosis
) -> None:
    root = copied(mishap.root, tmp_path / "runs")
    ended = heterosis("run", mishap.file, "--runs", root.parent)
    assert ended.code == 1
    assert "failed: trial 0, arm two" in ended.err
    ours, theirs = read_tables(root), read_tables(mishap.root)
    assert_same(ours, theirs)


# ---------------------------------------------------------------------------------- a full disk
class Full:
    """A watcher that finds no room, when the run begins or when a task has finished."""

    def __init__(self, at: str) -> None:
        self.at = at

    def begin(self, graphs: object) -> None:
        self._write("begin")

    def finished(self, node: object, outcome: object, reused: bool) -> None:
        self._write("finished")

    def tick(self) -> None:
        pass

    def _write(self, when: str) -> None:
        if when == self.at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("at", ["begin", "finished"])
def test_a_full_disk_is_told_with_the_run_directory_and_how_to_go_on(
    at: str, finished: Path, tiny_file: Path, tmp_path: Path
) -> None:
    root = copied(finished, tmp_path)
    with pytest.raises(HeterosisError) as told:
        drive(load_experiment(tiny_file), root, watchers=[Full(at)])
    assert with_code(told.value) == (
        f"{root}: the run directory cannot be written: No space left on device; what is finished "
        "is stored; make room, and run the same command again [file-system]"
    )
    assert not isinstance(told.value, UserError)
