"""Serial, threads and processes: the same numbers, and what only processes can suffer."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import parsl
import pytest

from apps.messages.results import Failure, MatingPlan
from apps.messages.tasks import Workplace
from apps.worker import watchdog
from site_configs import local_processes, local_threads
from site_configs.options import SiteOptions
from tests.support.experiments import (
    assert_same,
    done,
    load,
    mating_task,
    mishaps_beside,
    read_tables,
    trained,
)
from workflow.driver.engine import ParslEngine
from workflow.driver.run import run_experiment
from workflow.runs.tables import make_tables

MEMBERS = [done(trained(0, 0.3)), done(trained(1, 0.1)), done(trained(2, 0.2))]


def same_as_serial(engine: ParslEngine, folder: Path, finished: Path) -> None:
    experiment = load(folder)
    place = Workplace(root=str(folder / "run"), search_path=str(folder))
    outcomes = run_experiment(experiment, engine, place, [])
    assert outcomes.failed_arms == []
    assert_same(make_tables(outcomes), read_tables(finished))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_threads_give_the_numbers_of_the_serial_run(tmp_path: Path, finished: Path) -> None:
    options = SiteOptions(run_dir=str(tmp_path / "parsl"), workers=2)
    place = Workplace(root=str(tmp_path / "run"), search_path=str(tmp_path))
    with ParslEngine(local_threads.make_config(options), place) as engine:
        same_as_serial(engine, tmp_path, finished)


# One pool for all: an executor of processes leaves a thread behind (Parsl#3078).
@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("processes")
    mishaps_beside(made)
    return made


@pytest.fixture(scope="module")
def processes(folder: Path) -> Iterator[ParslEngine]:
    """The site of processes, quicker to notice a lost worker."""
    config: parsl.Config = local_processes.make_config(
        SiteOptions(run_dir=str(folder / "parsl"), workers=2)
    )
    config.executors[0].heartbeat_period = 1
    place = Workplace(root=str(folder / "run"), search_path=str(folder))
    with ParslEngine(config, place) as engine:
        yield engine


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_processes_give_the_numbers_of_the_serial_run(
    processes: ParslEngine, folder: Path, finished: Path
) -> None:
    same_as_serial(processes, folder, finished)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_task_whose_worker_was_killed_is_done_by_another(
    processes: ParslEngine, folder: Path
) -> None:
    marker = folder / "once"
    task = mating_task(folder, 1, how="exit once", marker=str(marker))
    plan = processes.submit(task, MEMBERS).result(300)
    assert marker.exists()
    assert isinstance(plan, MatingPlan)
    assert plan.order == (1, 2, 0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_task_that_always_kills_its_worker_fails_after_its_retries(
    processes: ParslEngine, folder: Path
) -> None:
    """It fails as a value, and the pool still works for others."""
    marker = folder / "always"
    lost = processes.submit(mating_task(folder, 2, how="exit", marker=str(marker)), MEMBERS)
    behind = processes.submit(mating_task(folder, 3, how="none"), [MEMBERS[0], lost, MEMBERS[2]])
    plan = behind.result(300)
    assert isinstance(plan, MatingPlan)
    assert plan.order == (2, 0, 1)
    told = processes.outcome(lost)
    assert isinstance(told, Failure)
    assert told.reason.startswith("its worker was lost 3 times: ")
    assert marker.read_text() == "..."


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_task_that_hangs_is_ended_tried_again_and_fails(
    processes: ParslEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_place", replace(processes._place, task_timeout_s=2.0))
    marker = folder / "hung"
    hung = processes.submit(mating_task(folder, 5, how="hang", marker=str(marker)), MEMBERS)
    hung.exception(300)
    told = processes.outcome(hung)
    assert isinstance(told, Failure)
    assert "TimedOut: it ran longer than --task-timeout 2 s and was ended" in told.reason
    assert marker.read_text() == "..."
    # Where it hung.
    log = (folder / "run" / told.log).read_text()
    assert "time.sleep(3600)" in log


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_worker_killed_for_want_of_memory_is_reported_as_such(
    processes: ParslEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's part is played by the task itself, which holds 1.2 GB."""
    monkeypatch.setattr(watchdog, "_NEAR", 0.0)  # read by the driver
    marker = folder / "hoard"
    lost = processes.submit(mating_task(folder, 6, how="hoard", marker=str(marker)), MEMBERS)
    lost.exception(300)
    told = processes.outcome(lost)
    assert isinstance(told, Failure)
    assert re.search(r"it held 1,\d\d\d MB of [\d,]+ MB of memory: it was probably", told.reason)
    assert "run fewer workers a node" in told.reason


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_running_counts_tasks_in_processes_too(processes: ParslEngine, folder: Path) -> None:
    marker = folder / "go on"
    future = processes.submit(mating_task(folder, 4, how="wait", marker=str(marker)), MEMBERS)
    deadline = time.monotonic() + 120
    while processes.running() != 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    marker.touch()
    future.result(120)
    assert processes.running() == 0
