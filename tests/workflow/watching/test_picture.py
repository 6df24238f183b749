"""`heterosis status`: what another process sees of a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from apps.records.run_dir import RunDir
from tests.support.experiments import copied
from tests.workflow.conftest import Heterosis, Mishap
from workflow.driver.progress import (
    read_tally,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_status_shows_the_end_of_a_run(heterosis: Heterosis, finished: Path) -> None:
    ended = heterosis("status", finished)
    assert ended.code == 0
    tally = read_tally(RunDir(finished).events_jsonl)
    assert f"{tally.epochs}/{tally.epochs} network-epochs" in ended.out
    assert "trials 2/2" in ended.out
    assert "finished; last event" in ended.out


def test_status_of_a_run_that_broke_off_says_so(
    heterosis: Heterosis, mishap: Mishap, tmp_path: Path
) -> None:
    root = copied(mishap.root, tmp_path)
    log = RunDir(root).events_jsonl
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:20]))
    RunDir(root).lock.unlink()
    ended = heterosis("status", root)
    assert "broke off without an end; run the same command again" in ended.out
    assert not RunDir(root).lock.exists()


def test_status_before_the_first_event(
    heterosis: Heterosis, finished: Path, tmp_path: Path
) -> None:
    root = copied(finished, tmp_path)
    RunDir(root).events_jsonl.unlink()
    shutil.rmtree(RunDir(root).tables)
    for path in RunDir(root).results():
        path.unlink()
    ended = heterosis("status", root)
    assert ended.code == 0
    assert "nothing was submitted yet" in ended.out


def test_status_without_an_event_log_tells_what_it_can(
    heterosis: Heterosis, finished: Path, tmp_path: Path
) -> None:
    root = copied(finished, tmp_path)
    RunDir(root).events_jsonl.unlink()
    ended = heterosis("status", root)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("finished: ")
    assert "event log is lost" in ended.out
    RunDir(root).table("epochs").unlink()
    ended = heterosis("status", root)
    assert "its progress is unknown" in ended.out
    assert "run the same command again" in ended.out


def test_status_of_something_else_is_refused(heterosis: Heterosis, tmp_path: Path) -> None:
    ended = heterosis("status", tmp_path)
    assert ended.code == 2
    assert "not a run directory" in ended.err
