"""What of Parsl the driver uses: failures as values, stored results, retries, stopping.

The tasks are matings, which need no TensorFlow; how whole runs go on real executors is in
`test_executors`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from getpass import getuser
from pathlib import Path
from typing import Any, NoReturn

import pytest
from parsl.executors.errors import BadStateException
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost
from parsl.jobs.errors import TooManyJobFailuresError

from apps.messages.fingerprints import to_json
from apps.messages.results import EpochRecord, Failure, MatingPlan
from apps.messages.tasks import MateTask, Workplace
from apps.records.checkpoints import Checkpoint
from apps.records.result_files import save_partial
from apps.tasks.perform import Outcome
from apps.worker.stopping import Stopped, TimedOut, stopping
from site_configs.local_threads import make_config
from site_configs.options import SiteOptions
from tests.support.experiments import done, mating_task, mishaps_beside, trained
from workflow.driver.engine import ParslEngine, SiteError, _name_the_user, _Retries, failure

MEMBERS = [done(trained(0, 0.3)), done(trained(1, 0.1)), done(trained(2, 0.2))]

Load = Callable[..., ParslEngine]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Loads Parsl with threads; closed afterwards."""
    mishaps_beside(tmp_path)
    engines: list[ParslEngine] = []

    def load_engine(workers: int = 2) -> ParslEngine:
        if engines:
            engines.pop().close()
        place = Workplace(root=str(tmp_path / "run"), search_path=str(tmp_path))
        options = SiteOptions(run_dir=str(tmp_path / "parsl"), workers=workers)
        engines.append(ParslEngine(make_config(options), place))
        return engines[-1]

    yield load_engine
    stopping.clear()
    for engine in engines:
        engine.close()


def until(condition: Callable[[], bool], s: float = 30.0) -> None:
    deadline = time.monotonic() + s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_task_is_computed_once_and_found_afterwards(load: Load, tmp_path: Path) -> None:
    task = mating_task(tmp_path, 1, how="none")
    engine = load()
    future = engine.submit(task, MEMBERS)
    plan = future.result(60)
    assert isinstance(plan, MatingPlan)
    assert plan.order == (1, 2, 0)
    assert not engine.reused(task)
    again = load()
    found = again.submit(task, MEMBERS).result(60)
    assert to_json(found) == to_json(plan)
    assert again.reused(task)


def test_another_result_upstream_is_another_task(load: Load, tmp_path: Path) -> None:
    task = mating_task(tmp_path, 1, how="none")
    engine = load()
    engine.submit(task, MEMBERS).result(60)
    other = [*MEMBERS[:2], done(trained(2, 0.25))]
    engine.submit(task, other).result(60)
    assert not engine.reused(task)


def test_a_failure_is_a_value_with_reason_and_log(load: Load, tmp_path: Path) -> None:
    task = mating_task(tmp_path, 1, how="raise")
    engine = load()
    future = engine.submit(task, MEMBERS)
    assert isinstance(future.exception(60), ArithmeticError)
    assert engine.outcome(future) == Failure(
        "ArithmeticError: an accident [/on purpose]", "matings/1/error.txt", -1
    )
    assert "mishaps.py" in (tmp_path / "run/matings/1/error.txt").read_text()


def test_too_few_survivors_are_told_with_the_log_of_a_member(load: Load, tmp_path: Path) -> None:
    engine = load()
    task = mating_task(tmp_path, 1, how="none")
    lost = [done(Failure("gone", f"member-{member}/error.txt", member)) for member in (0, 2)]
    future = engine.submit(task, [lost[0], MEMBERS[1], lost[1]])
    outcome = engine.outcome(future) if future.exception(60) else None
    assert isinstance(outcome, Failure)
    assert outcome.reason.endswith(" [survivors]")
    assert outcome.log == "member-0/error.txt"


def test_tasks_behind_a_failed_one_see_it_as_a_value(load: Load, tmp_path: Path) -> None:
    """A failed future among the members is one member less, not the end."""
    engine = load()
    lost = engine.submit(mating_task(tmp_path, 1, how="raise"), MEMBERS)
    plan = engine.submit(mating_task(tmp_path, 2, how="none"), [MEMBERS[0], lost, MEMBERS[2]])
    result = plan.result(60)
    assert isinstance(result, MatingPlan)
    assert result.order == (2, 0, 1)
    assert result.species[1] == -1


def test_running_counts_no_more_than_there_are_workers(load: Load, tmp_path: Path) -> None:
    engine = load(workers=2)
    marker = tmp_path / "go on"
    futures = [
        engine.submit(mating_task(tmp_path, number, how="wait", marker=str(marker)), MEMBERS)
        for number in range(4)
    ]
    until(lambda: engine.running() == 2)
    marker.touch()
    for future in futures:
        future.result(60)
    until(lambda: engine.running() == 0)


def test_stopping_lets_threads_end_and_starts_nothing_more(load: Load, tmp_path: Path) -> None:
    """What is stopped has not failed, nor has what waits for it."""
    engine = load(workers=1)
    marker = tmp_path / "go on"
    first = engine.submit(mating_task(tmp_path, 1, how="wait", marker=str(marker)), MEMBERS)
    queued = engine.submit(mating_task(tmp_path, 2, how="none"), MEMBERS)
    behind = engine.submit(mating_task(tmp_path, 3, how="none"), [MEMBERS[0], queued, MEMBERS[2]])
    until(lambda: engine.running() == 1)
    assert not engine.stop(patience_s=0.2)
    marker.touch()
    assert engine.stop(patience_s=30)
    assert isinstance(first.result(60), MatingPlan)
    assert isinstance(queued.exception(60), Stopped)
    assert isinstance(behind.exception(60), Stopped)


def test_ctrl_c_is_not_blocked_once_parsl_is_loaded(load: Load) -> None:
    load()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


# -------------------------------------------------------------------------------- lost workers
def record(task: MateTask) -> Any:
    return {"args": (task,)}


@pytest.mark.parametrize("error", [WorkerLost(1, "here"), ManagerLost(b"abc", "here")])
def test_a_lost_worker_is_tried_again_and_an_error_is_not(error: Exception, tmp_path: Path) -> None:
    task, retries = mating_task(tmp_path, 1), _Retries(tmp_path)
    assert retries.cost(error, record(task)) == 1
    assert retries.cost(TimedOut("too long"), record(task)) == 1
    assert retries.cost(ArithmeticError("own"), record(task)) == float("inf")


def test_a_lost_worker_that_had_got_on_costs_no_retry(tmp_path: Path) -> None:
    """A segment longer than a block's walltime is not given up while it gets on."""
    task, retries = mating_task(tmp_path, 1), _Retries(tmp_path)
    costs = []
    for epochs in (0, 2, 2, 5, 5):
        if epochs:
            records = [EpochRecord(epoch, {}, 0.0) for epoch in range(1, epochs + 1)]
            save_partial(tmp_path / task.folder, "mark", Checkpoint({}), records, {})
        costs.append(retries.cost(WorkerLost(1, "here"), record(task)))
    assert costs == [1, 0, 1, 0, 1]


@pytest.mark.parametrize("kind", ["bad state", "too many failures"])
def test_a_site_without_workers_is_no_fault_of_a_task(
    kind: str, load: Load, tmp_path: Path
) -> None:
    engine = load()
    text = "sbatch: error: invalid partition specified:\n nope"
    error = TooManyJobFailuresError(text)
    if kind == "bad state":
        error = BadStateException(engine._dfk.executors["threads"], text)
    future = engine.submit(mating_task(tmp_path, 1, how="none"), MEMBERS)
    assert isinstance(engine.outcome(future), MatingPlan)
    assert engine.broken is None
    broken: Future[Outcome] = Future()
    broken.set_exception(error)
    engine._tasks[broken] = engine._tasks[future]
    engine.outcome(broken)
    assert isinstance(engine.broken, SiteError)
    assert "invalid partition specified: nope" in str(engine.broken)
    assert "heterosis doctor" in str(engine.broken)


def test_a_worker_that_is_always_lost_is_told_as_such(tmp_path: Path) -> None:
    told = failure(mating_task(tmp_path, 1), WorkerLost(1, "somewhere"))
    assert told.reason.startswith("its worker was lost 3 times: ")
    assert "somewhere" in told.reason
    assert told.log == "parsl"


def test_a_user_without_a_name_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: neither a variable nor an entry in passwd."""

    def nobody(number: int) -> NoReturn:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    _name_the_user()
    assert getuser() == f"user-{os.getuid()}"
