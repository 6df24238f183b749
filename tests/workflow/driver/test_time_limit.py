"""A run whose time is over stops in order, and goes on with the same bits."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.errors import UserError
from apps.records.run_dir import PARTIAL_RECORD, RunDir
from apps.worker import stopping
from apps.worker.stopping import Stopped
from tests.support.experiments import (
    TINY,
    arms,
    assert_same,
    begun,
    changed,
    events,
    last_start,
    read_tables,
    write,
)
from tests.support.processes import start
from tests.workflow.conftest import Heterosis
from workflow.driver.engine import ParslEngine
from workflow.driver.time_limit import TimeLimit, seconds


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    stopping.stopping.clear()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90),
        ("45m", 2700),
        ("2h", 7200),
        ("1d", 86_400),
        ("1h30m", 5400),
        (" 1d2h3m4s ", 93_784),
        ("1:30:00", 5400),
        ("0:00:01", 1),
        ("120:00:00", 432_000),
        ("2-12:00:00", 216_000),
    ],
)
def test_a_time_is_said_with_its_unit_or_as_slurm_has_it(text: str, expected: float) -> None:
    assert seconds(text) == expected


NO_TIMES = (
    *("", "90", "1:30", "0s", "0:00:00", "-2h", "2 h", "1.5h", "1:75:00", "30m1h", "soon"),
    *("\u0663h", "9" * 99 + "h"),
)


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_may_be_minutes_or_seconds_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"--time-limit .*2h.*1:30:00") as caught:
        seconds(text)
    assert caught.value.code == "command-option"


def test_the_driver_waits_for_what_is_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    running = [2]
    limit = TimeLimit(60.0, 1000.0, lambda: running[0], said.append)
    monkeypatch.setattr(stopping, "now", lambda: 999.0)
    limit.tick()
    assert not stopping.stopping.is_set()
    monkeypatch.setattr(stopping, "now", lambda: 1000.0)
    limit.tick()
    limit.tick()
    assert stopping.stopping.is_set()
    assert said == ["the time limit of 1:00 is reached; 2 tasks end their epoch"]
    running[0] = 0
    with pytest.raises(Stopped):
        limit.tick()


def test_without_a_limit_nothing_is_stopped() -> None:
    limit = TimeLimit(math.inf, math.inf, lambda: 0, print)
    limit.tick()
    assert not limit.reached


@pytest.mark.parametrize("looks", [0, 7, 40, 75])
def test_stopped_at_any_time_it_goes_on_with_the_same_bits(
    looks: int,
    finished: Path,
    tiny_file: Path,
    tmp_path: Path,
    heterosis: Heterosis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its time is over once tasks have looked at the clock as often as that."""
    root = tmp_path / "tiny"
    begun(finished, root)
    left = [looks]

    def now() -> float:
        left[0] -= 1
        return time.time() if left[0] >= 0 else math.inf

    again = ("run", tiny_file, "--runs", tmp_path, "--workers", "2", "--quiet")
    with monkeypatch.context() as patch:
        patch.setattr(stopping, "now", now)
        ended = heterosis(*again, "--time-limit", "2h", engine=ParslEngine)
    assert (ended.code, ended.err) == (130, "")
    assert "the time limit of 2:00:00 is reached" in ended.out
    assert ended.out.splitlines()[-1].endswith(
        f"Continue with: heterosis run {tiny_file} --runs {tmp_path} --workers 2 --quiet "
        "--time-limit 2h"
    )
    assert events(root)[-1]["how"] == "stopped at its time limit"
    assert {event["status"] for event in last_start(events(root))} <= {"done"}
    assert "stopped" in heterosis("list", tmp_path).out
    assert " ERROR " not in RunDir(root).log.read_text()  # status would show it as a failure
    assert heterosis(*again, engine=ParslEngine).code == 0
    assert_same(read_tables(root), read_tables(finished))


def test_a_limit_that_is_none_is_one_line_and_nothing_is_done(
    tiny_file: Path, tmp_path: Path, heterosis: Heterosis
) -> None:
    ended = heterosis("run", tiny_file, "--runs", tmp_path / "runs", "--time-limit", "90")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: --time-limit '90': ")
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


LATE = '''
import os
import time

from apps.genetics.mutation import gaussian


def mutate(rng, weights, keep=frozenset(), until=0.0):
    """Mutate as usual; on a worker not before a time."""
    if "PARSL_WORKER_RANK" in os.environ:
        time.sleep(max(0.0, until - time.time()))
    return gaussian(rng, weights, 0.05, keep=keep)
'''
LIMIT_S = 60


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_worker_processes_end_after_their_epoch(tmp_path: Path, heterosis: Heterosis) -> None:
    """Children begin their two epochs when the time of the run is over."""
    (tmp_path / "late.py").write_text(LATE)
    (mean,) = arms("mean")
    mean["mutation"] = {"name": "late:mutate", "until": time.time() + LIMIT_S + 3}
    file = write(tmp_path, changed(trials=1, arms=[*arms("control"), mean]))
    root = tmp_path / "runs" / "tiny"
    where = ("--runs", root.parent, "--site", "local_processes", "--workers", "1")
    process = start("run", file, *where, "--time-limit", f"{LIMIT_S}s")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (130, "")
    assert "the time limit of 1:00 is reached" in out
    assert events(root)[-1]["how"] == "stopped at its time limit"
    assert {event["status"] for event in last_start(events(root))} == {"done"}
    assert [*root.rglob(PARTIAL_RECORD)], "a child was stopped in the middle"
    assert heterosis("run", file, "--runs", root.parent).code == 0
    assert heterosis("run", file, "--runs", tmp_path / "whole").code == 0
    assert_same(read_tables(root), read_tables(tmp_path / "whole" / TINY["name"]))
